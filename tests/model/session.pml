/* SPDX-License-Identifier: MIT */
/*
 * session.pml - who is alive: one slot of the session table and the locked files of its epochs.
 *
 * The table word is {epoch, USED|FREE}; the file sessions/SLOT.EPOCH is made unnamed, locked, and
 * then linked; the kernel drops its lock when the process ends. One slot, because sessions of
 * different slots have nothing in common.
 *
 *   Session     attaches, is alive, detaches; reaps or finishes what it meets on its way. Those
 *               below MORTALS may be killed anywhere
 *   Latecomer   attaches when all others are dead or gone
 *
 * Claims (assertions)
 *   - a live session is never reaped, and its file keeps its name
 *   - two live sessions never share the slot
 *   - whatever the dead left behind, the latecomer gets the slot at its first attempt
 *
 * Flags that break one rule each: README.md.
 */
#ifndef SESSIONS
#define SESSIONS 3
#endif
#ifndef MORTALS
#define MORTALS 2
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 2
#endif
#define ATTEMPTS_OF(me)	(me == SESSIONS - 1 -> ATTEMPTS : 1)
#define LATECOMER	SESSIONS
#define INODES		(SESSIONS * ATTEMPTS + 1)
#define EPOCHS		(INODES + 2)

#define FREE(e)		((e) * 2)
#define USED(e)		((e) * 2 + 1)
#define IS_USED(w)	((w) % 2)
#define EPOCH(w)	((w) / 2)
#ifdef ONE_FILE
#define NAME(e)		0
#else
#define NAME(e)		(e)
#endif
#define INODE		(me * ATTEMPTS + attempt + 1)

byte table = FREE(0);
byte dir[EPOCHS];		/* the inode that has the name SLOT.e; 0: no such name */
bool locked[INODES + 1];
bool dead[SESSIONS + 1];

/* What the model knows and the processes do not. */
bool live[SESSIONS + 1];
byte nlive, live_inode;
bool over[SESSIONS + 1];

#if defined(LINK_UNLOCKED) || defined(LOCK_AFTER_ENTRY)
#define LOCKED_FIRST	false
#else
#define LOCKED_FIRST	true
#endif
#define ALIVE	(!dead[me])

/* The lock of the file with that epoch's name: found, held. */
inline probe(its_epoch)
{
	f = dir[NAME(its_epoch)];
	held = (f != 0 && locked[f]);
}

/* Frees the slot of a session that was proved dead, or is our own. */
inline bury(its_epoch, done)
{
#ifdef UNLINK_FIRST
	atomic { ALIVE; dir[NAME(its_epoch)] = 0 }
#endif
#ifdef NO_RECHECK
	x = table;
#else
	x = USED(its_epoch);
#endif
	atomic {
		ALIVE;
		if
		:: table == x && IS_USED(x) ->
			assert(nlive == live[me]);	/* by itself, or dead */
			table = FREE(EPOCH(x));
			nlive = nlive - live[me];
			live[me] = false;
			done = true
		:: else -> done = false
		fi
	}
#ifndef UNLINK_FIRST
	if
	:: done ->
		atomic {
			ALIVE;
			assert(nlive == 0 || dir[NAME(its_epoch)] != live_inode);
			dir[NAME(its_epoch)] = 0
		}
	:: else
	fi
#endif
}

/* Gives the locked file of this attempt the name of an epoch. */
inline link(its_epoch, done)
{
	atomic {
		ALIVE;
		if
		:: dir[NAME(its_epoch)] == 0 -> dir[NAME(its_epoch)] = INODE; done = true
		:: else -> done = false
		fi
	}
}

/* One attempt: ok says whether it got the slot, with epoch e. */
inline attach()
{
	ok = false;
	w = table;
	if
	:: IS_USED(w) ->	/* is it alive? */
		e = EPOCH(w);
		probe(e);
		if
		:: held -> goto failed
		:: !held && f == 0 ->	/* no file: reaped meanwhile, or unknown */
			if
			:: table == w -> goto failed
			:: else
			fi
		:: else
		fi;
		bury(e, ok);
		if
		:: !ok -> goto failed
		:: else
		fi
	:: else -> e = EPOCH(w)
	fi;

	atomic { ALIVE; locked[INODE] = LOCKED_FIRST }
	link(e + 1, ok);
#ifndef NO_HELP
	if
	:: !ok ->	/* its maker is between link and CAS, or died there */
		probe(e + 1);
		if
		:: held || f == 0 -> goto failed
		:: else
		fi;
		atomic {
			ALIVE;
			if
			:: table == FREE(e) -> table = USED(e + 1); ok = true
			:: else -> ok = false
			fi
		}
		if
		:: !ok -> goto failed
		:: else
		fi;
		bury(e + 1, ok);
		if
		:: !ok -> goto failed
		:: else
		fi;
		e++;
		link(e + 1, ok)
	:: else
	fi;
#endif
	if
	:: !ok -> goto failed
	:: else
	fi;
#ifdef LINK_UNLOCKED
	atomic { ALIVE; locked[INODE] = true }
#endif
	atomic {
		ALIVE;
		if
		:: table == FREE(e) ->
			table = USED(e + 1);
			ok = true;
			assert(nlive == 0);
			nlive++;
			live[me] = true;
			live_inode = INODE
		:: else -> ok = false
		fi
	}
	if
	:: ok ->
#ifdef LOCK_AFTER_ENTRY
		atomic { ALIVE; locked[INODE] = true }
#endif
		e++
	:: else ->
		atomic { ALIVE; dir[NAME(e + 1)] = 0 }
		goto failed
	fi
}

proctype Session(byte me)
{
	byte w, x, e, f, attempt;
	bool ok, held;

	do
	:: attempt == ATTEMPTS_OF(me) -> break
	:: else ->
		attach();
		bury(e, ok);
		assert(ok);
failed:		atomic { ALIVE; locked[INODE] = false; attempt++; w = 0; e = 0; f = 0; x = 0 }
	od;
	atomic { ALIVE; over[me] = true }
}

proctype Killer(byte who)
{
	byte n;

	atomic {
		!over[who];
		over[who] = true;
		dead[who] = true;
		do
		:: n < ATTEMPTS -> locked[who * ATTEMPTS + n + 1] = false; n++
		:: else -> break
		od;
		if
		:: live[who] -> live[who] = false; nlive--
		:: else
		fi
	}
}

proctype Latecomer(byte me)
{
	byte w, x, e, f, attempt;
	bool ok, held;

	attach();
	goto done;
failed:	assert(false);
done:	skip
}

init {
	byte n;

	atomic {
		do
		:: n < SESSIONS ->
			run Session(n);
			if
			:: n < MORTALS -> run Killer(n)
			:: else
			fi;
			n++
		:: else -> break
		od
	}
	atomic {
		n = 0;
		do
		:: n < SESSIONS -> over[n]; n++
		:: else -> break
		od
	}
	run Latecomer(LATECOMER)
}
