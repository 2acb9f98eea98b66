/* SPDX-License-Identifier: MIT */
/*
 * extent.pml - whose memory is it: extents handed from one publisher to the next.
 *
 * An extent word is OWNED(slot, epoch) or LEFT(end, fill). The log is reduced to what matters
 * here: positions that are linked one after the other in one step (ring.pml has the steps), and
 * a head that somebody moves. An extent holds CAP frames; a run is one frame over all of them.
 *
 *   Publisher  takes an extent (free, or to append), fills, links, leaves; meets one whose owner
 *              is dead: proves it, looks what of it is still readable, and leaves it for the dead
 *   Run        takes all extents at once, or gives back what it took
 *   Killer     ends session {0, 1} anywhere: its lock goes, and it writes nothing any more
 *   Successor  a publisher that attaches in the dead one's slot, with the next epoch
 *   Head       moves head, up to the newest frame
 *
 * Claims (assertions)
 *   - what is handed out, and what is written, is never part of a frame at or above head
 *   - an extent never has two live owners; nobody's private bytes are written by somebody else
 *
 * Flags that break one rule each: README.md.
 */
#ifndef PUBS
#define PUBS 1		/* publishers beside the mortal one */
#endif
#ifndef RUNS
#define RUNS 0		/* 1: the mortal one is a Run */
#endif
#ifndef SUCCESSOR
#define SUCCESSOR 1
#endif
#ifndef ROUNDS
#define ROUNDS 1	/* extents that a publisher takes one after the other */
#endif
#ifndef EXTENTS
#define EXTENTS 2
#endif
#define CAP	2
#define CELLS	(EXTENTS * CAP)
#define MAXPOS	(ROUNDS * CAP * (PUBS + SUCCESSOR + 1 - RUNS) + RUNS)
#define NSLOT	3	/* the ring: position i is gone from its slot when i + NSLOT is linked */

#define FULL		3
#define LEFT(end, fill)	((end) * 4 + (fill))
#define END(w)		((w) / 4)
#define FILL(w)		((w) % 4)
#ifdef NO_EPOCH
#define OWNED(s, e)	(128 + (s) * 4)
#else
#define OWNED(s, e)	(128 + (s) * 4 + (e))
#endif
#define IS_OWNED(w)	((w) >= 128)
#define SLOT(w)		(((w) - 128) / 4)
#define EPOCH(w)	((w) % 4)

#define NOT_LINKED	0
#define NEWER		100	/* a slot that is a lap further on */
#define RUN_FRAME	99
#define EXTENT_OF(f)	(((f) - 1) / CAP)

byte extent[EXTENTS];	/* all LEFT(0, 0): never used */
byte log[MAXPOS + NSLOT + 1];	/* the frame linked at a position: its cell + 1, or RUN_FRAME */
byte head, tail;
byte used[2];		/* session table: the epoch that is in the slot; 0: free */
byte lock[2];		/* the epoch whose file in that slot is locked */
bool dead;		/* session {0, 1} */

/* What the model knows and the processes do not. */
byte stands[CELLS];	/* one past the position of the linked frame in a cell */
byte writer[CELLS];	/* who wrote there last */
byte owners[EXTENTS];	/* live processes that think it is theirs */

#define ME		(slot * 4 + epoch)
#define ALIVE		(!dead || slot != 0 || epoch != 1)

inline cas(its_word, its_old, its_new, its_ok)
{
	d_step {
		ALIVE;
		if
		:: its_word == its_old -> its_word = its_new; its_ok = true
		:: else -> its_ok = false
		fi
	}
}

inline unreadable(its_c)
{
	assert(stands[its_c] == 0 || stands[its_c] <= head)
}

/* Takes LEFT word w with cells from `from` on. */
inline take(its_e, its_w, its_from, its_ok)
{
	d_step {
		ALIVE;
		if
		:: extent[its_e] == its_w ->
			extent[its_e] = OWNED(slot, epoch);
			its_ok = true;
			assert(owners[its_e] == 0);
			owners[its_e]++;
			c = its_from;
			do
			:: c < CAP -> unreadable(its_e * CAP + c); c++
			:: else -> break
			od;
			c = 0
		:: else -> its_ok = false
		fi
	}
}

inline leave(its_e, its_end, its_fill)
{
	d_step {
		ALIVE;
		if
		:: extent[its_e] == OWNED(slot, epoch) -> extent[its_e] = LEFT(its_end, its_fill)
		:: else
		fi;
		owners[its_e]--
	}
}

inline write(its_c)
{
	d_step {
		ALIVE;
		unreadable(its_c);
		stands[its_c] = 0;
		writer[its_c] = ME
	}
}

/* Is the owner that an extent word names dead? The table first, then the lock of its file. */
inline prove_dead(its_word, its_answer)
{
#ifdef TIMEOUT
	its_answer = true;
#else
	x = used[SLOT(its_word)];
	if
#ifdef NO_EPOCH
	:: x == 0 -> its_answer = true
	:: x != 0 -> its_answer = (lock[SLOT(its_word)] != x)
#else
	:: x != EPOCH(its_word) -> its_answer = true
	:: x == EPOCH(its_word) -> its_answer = (lock[SLOT(its_word)] != x)
#endif
	fi;
#endif
	x = 0
}

/* end: one past the last readable position whose frame reaches into extent e. */
inline span(its_e, its_end)
{
	i = head;
	its_end = 0;
	do
	:: atomic {
		if
		:: log[i + NSLOT] != NOT_LINKED -> x = NEWER
		:: else -> x = log[i]
		fi };
	   if
	   :: x == NOT_LINKED -> break
#ifdef SCAN_STOPS
	   :: x == NEWER -> break
#else
	   :: x == NEWER -> i++
#endif
#ifdef SPAN_BY_START
	   :: x == RUN_FRAME && its_e == 0 -> i++; its_end = i
	   :: x == RUN_FRAME && its_e != 0 -> i++
#else
	   :: x == RUN_FRAME -> i++; its_end = i
#endif
	   :: 0 < x && x < RUN_FRAME && EXTENT_OF(x) == its_e -> i++; its_end = i
	   :: 0 < x && x < RUN_FRAME && EXTENT_OF(x) != its_e -> i++
	   fi
	od;
	i = 0;
	x = 0
}

/* Extent e belongs to a dead session by the word w: leave it in its place. */
inline leave_for_the_dead(its_e, its_w, its_end)
{
#ifdef SCAN_FIRST
	span(its_e, its_end);
	prove_dead(its_w, ok);
#else
	prove_dead(its_w, ok);
	if
	:: ok ->
#ifdef NO_SPAN
		its_end = 0
#else
		span(its_e, its_end)
#endif
	:: else
	fi;
#endif
	if
	:: ok -> cas(extent[its_e], its_w, LEFT(its_end, FULL), ok)
	:: else
	fi;
	its_end = 0
}

inline publish()
{
	do
	:: rounds == ROUNDS -> break
	:: else ->
		if
		:: e = 0
		:: EXTENTS > 1 -> e = EXTENTS - 1
		fi;
		w = extent[e];
		if
		:: IS_OWNED(w) -> leave_for_the_dead(e, w, end); goto again
		:: !IS_OWNED(w) && END(w) <= head -> fill = 0
		:: !IS_OWNED(w) && END(w) > head && FILL(w) < CAP -> fill = FILL(w); old = END(w)
		:: !IS_OWNED(w) && END(w) > head && FILL(w) >= CAP -> goto again
		fi;
		take(e, w, fill, ok);
		if
		:: !ok -> goto again
		:: else
		fi;
		do
		:: fill < CAP ->
			write(e * CAP + fill);
			atomic {
				ALIVE && tail - head < NSLOT;
				assert(writer[e * CAP + fill] == ME && stands[e * CAP + fill] == 0);
				log[tail] = e * CAP + fill + 1;
				tail++;
				stands[e * CAP + fill] = tail;
				end = tail
			}
			fill++
		:: break	/* had enough, perhaps before the first */
		od;
#ifdef OLD_END_LOST
		old = 0;
#endif
		atomic {
			if
			:: old > end -> end = old
			:: else
			fi
		}
		leave(e, end, fill);
		rounds++;
again:		end = 0;
		fill = 0;
		old = 0;
		w = 0
	od
}

proctype Publisher(byte slot, epoch)
{
	byte rounds, e, w, x, i, c, end, fill, old;
	bool ok;

	publish()
}

/* Enters the dead session's slot: reaps it (session.pml has the steps), attaches, publishes. */
proctype Successor(byte slot, epoch)
{
	byte rounds, e, w, x, i, c, end, fill, old;
	bool ok;

	d_step { dead; used[0] = 0 }
	d_step { lock[0] = 2; used[0] = 2 }
	publish()
}

/* One frame that needs every extent. */
proctype Run(byte slot, epoch)
{
	byte w, v, e, c;
	bool ok;

	w = extent[0];
	if
	:: IS_OWNED(w) || END(w) > head -> goto done
	:: else
	fi;
	take(0, w, 0, ok);
	if
	:: !ok -> goto done
	:: else
	fi;
	v = extent[1];
	if
	:: IS_OWNED(v) || END(v) > head -> leave(0, END(w), FILL(w)); goto done
	:: else
	fi;
	take(1, v, 0, ok);
	if
	:: !ok -> leave(0, END(w), FILL(w)); goto done
	:: else
	fi;
	do
	:: e < CELLS -> write(e); e++
	:: else -> break
	od;
	atomic {
		ALIVE && tail - head < NSLOT;
		log[tail] = RUN_FRAME;
		tail++;
		e = 0;
		do
		:: e < CELLS -> assert(writer[e] == ME); stands[e] = tail; e++
		:: else -> break
		od;
		e = tail
	}
	leave(0, e, FULL);
	leave(1, e, FULL);
done:	skip
}

proctype Killer()
{
	byte e;

	d_step {
		dead = true;
		lock[0] = 0;
		do
		:: e < EXTENTS ->
			if
			:: extent[e] == OWNED(0, 1) && owners[e] > 0 -> owners[e]--
			:: else
			fi;
			e++
		:: else -> break
		od
	}
}

proctype Head()
{
end:	do
	:: head < tail -> head++
	od
}

init {
	byte n;

	atomic {
		lock[0] = 1;
		used[0] = 1;
		lock[1] = 1;
		used[1] = 1;
#if RUNS
		run Run(0, 1);
#else
		run Publisher(0, 1);
#endif
#if PUBS
		run Publisher(1, 1);
#endif
#if SUCCESSOR
		run Successor(0, 2);
#endif
		run Killer();
		run Head()
	}
}
