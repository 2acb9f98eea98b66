/* SPDX-License-Identifier: MIT */
/*
 * bell.pml - sleeping until something arrived, without missing it.
 *
 * The word {seq|WAKING|SLEEP} of libshm/bell.c, the futex as a set of sleepers, the log as a count.
 * A nap never ends by itself here: the bound of one second must not be what saves us.
 *
 *   Sleeper    reads what there is; sleeps when there is nothing new
 *   Publisher  links one message, then rings. The first two may be killed anywhere; the last one
 *              starts when they are gone or done, and lives
 *
 * Claim: when all is quiet, both sleepers have read all three messages: the last publisher wakes
 * also those whom the dead ones left asleep.
 *
 * Flags that break one rule each: README.md.
 */
#define PUBS		3
#define MORTALS		2
#define SLEEPERS	2

#define SLEEP	1
#define WAKING	2
#define SEQ	4

byte bell;
byte asleep;		/* bit per sleeper: in futex_wait */
byte tail;		/* messages linked */
byte seen[SLEEPERS];	/* messages read */
byte over;		/* publishers that are done, or killed */

#define MAY_DIE	(me < MORTALS)

proctype Sleeper(byte me)
{
	byte v;

again:
	if
	:: seen[me] == PUBS -> goto done
	:: tail > seen[me] -> seen[me] = tail; goto again
	:: seen[me] < PUBS && tail == seen[me]
	fi;
	v = bell;
	if
	:: v & SLEEP
	:: else ->
		atomic {
			if
			:: bell == v -> v = v | SLEEP; bell = v
			:: else -> goto again
			fi
		}
	fi;
#ifndef NO_SECOND_LOOK
	if
	:: tail > seen[me] -> goto again
	:: else
	fi;
#endif
	atomic {
		if
		:: bell == v -> asleep = asleep | (1 << me)
		:: else -> goto again
		fi
	}
	!(asleep & (1 << me));
	goto again;
done:	skip
}

proctype Publisher(byte me)
{
	byte v, rung;

#ifndef RING_FIRST
	tail++;
#endif
	v = bell;
again:
	if
	:: MAY_DIE -> goto killed
	:: !(v & (SLEEP | WAKING)) -> goto done
	:: !(v & SLEEP) && v & WAKING -> rung = v	/* somebody's wake is not finished */
	:: v & SLEEP ->
		atomic {
			rung = (v | SLEEP | WAKING) + 1;
#ifndef NO_WAKING
			rung = rung | WAKING;
#endif
			if
			:: bell == v -> bell = rung
			:: else -> v = bell; goto again
			fi
		}
	fi;
	if
	:: MAY_DIE -> goto killed
#ifdef WAKE_ONE
	:: atomic {
		if
		:: asleep & 1 -> asleep = asleep & ~1
		:: asleep & 2 -> asleep = asleep & ~2
		:: asleep == 0
		fi }
#else
	:: asleep = 0
#endif
	fi;
	if
	:: MAY_DIE -> goto killed
#ifdef CLEAR_BLINDLY
	:: bell = rung & ~WAKING
#else
	:: atomic {
		if
		:: bell == rung -> bell = rung & ~WAKING
		:: else
		fi }
#endif
	fi;
done:
#ifdef RING_FIRST
	tail++;
#endif
killed:	over++
}

init {
	atomic {
		run Sleeper(0);
		run Sleeper(1);
		run Publisher(0);
		run Publisher(1)
	}
	over == MORTALS;
	run Publisher(2);
	over == PUBS;
	timeout;
	assert(seen[0] == tail && seen[1] == tail)
}
