/* SPDX-License-Identifier: MIT */
/*
 * registry.pml - which topic number a name stands for: never two at a time.
 *
 * The window of one name: WINDOW words, each free, TENTATIVE(number) or LIVE(number). A creator
 * has one number for all its tries; no two creators have the same.
 *
 *   Creator    enters the name: as libshm/registry.h says under 2. May be killed anywhere
 *   Deleter    deletes the topic, as often as DELETES
 *   Stranger   enters a name with an overlapping window and makes room: frees a tentative word
 *   Latecomer  a creator that comes when all others are done or dead
 *
 * Claims (assertions)
 *   - never two LIVE words
 *   - the latecomer gets the name, or finds it live: whatever the dead left, there is room
 *
 * Flags that break one rule each: README.md.
 */
#ifndef CREATORS
#define CREATORS 3
#endif
#ifndef WINDOW
#define WINDOW 2
#endif
#ifndef DELETES
#define DELETES 1
#endif
#ifndef STRANGERS
#define STRANGERS 1
#endif

#define FREE		0
#define TENTATIVE(n)	((n) * 2)
#define LIVE(n)		((n) * 2 + 1)
#define IS_TENTATIVE(w)	((w) != FREE && (w) % 2 == 0)
#define IS_LIVE(w)	((w) % 2 == 1)
#define NOWHERE		WINDOW

byte word[WINDOW];
byte over;		/* creators that are done, or killed */
byte nlive;		/* LIVE words: the model's count */

#define MAY_DIE	(number <= CREATORS)

/* CAS of a word of the window from old to FREE. */
inline free(at, old)
{
	atomic {
		if
		:: word[at] == old -> word[at] = FREE
		:: else
		fi
	}
}

/* A free word of the window becomes TENTATIVE(number): at. */
inline enter_tentatively()
{
	at = 0;
	do
	:: at == WINDOW ->
#ifdef NO_ROOM_MADE
		break
#else
		at = 0;		/* no room: nobody needs a tentative word so much that it may stay */
		do
		:: at == WINDOW -> at = 0; break
		:: at < WINDOW ->
			w = word[at];
			if
			:: IS_TENTATIVE(w) -> free(at, w)
			:: else
			fi;
			at++
		od
#endif
	:: at < WINDOW ->
		atomic {
			if
			:: word[at] == FREE -> word[at] = TENTATIVE(number); break
			:: else -> at++
			fi
		}
	od
}

/* Frees every other tentative word of the name; ends when none was seen in a whole pass. */
inline free_others()
{
	i = 0;
	do
	:: i == WINDOW -> break
	:: i < WINDOW ->
		w = word[i];
		if
		:: IS_TENTATIVE(w) && w != TENTATIVE(number) ->
			free(i, w);
#ifdef KILL_ONCE
			i++
#else
			i = 0
#endif
		:: else -> i++
		fi
	od
}

/* The other live word of the name: i, or NOWHERE. */
inline find_live()
{
	i = 0;
	do
	:: i == WINDOW -> break
	:: i < WINDOW ->
		w = word[i];
#ifdef ONE_PASS
		if
		:: IS_TENTATIVE(w) && w != TENTATIVE(number) -> free(i, w)
		:: else
		fi;
#endif
		if
		:: IS_LIVE(w) -> break
		:: else -> i++
		fi
	od
}

inline enter()
{
	do
	:: true ->
#ifdef SCAN_FIRST
		free_others();
		find_live();
		if
		:: i != NOWHERE -> break
		:: else
		fi;
		enter_tentatively();
#else
		enter_tentatively();
		if
		:: at == NOWHERE -> break
		:: MAY_DIE -> goto killed
		:: at != NOWHERE
		fi;
#ifndef ONE_PASS
#ifndef NO_KILL
		free_others();
#endif
#endif
		find_live();
		if
		:: MAY_DIE -> goto killed
		:: i != NOWHERE -> free(at, TENTATIVE(number)); break
		:: i == NOWHERE
		fi;
#endif
		atomic {
			if
			:: word[at] == TENTATIVE(number) ->
				word[at] = LIVE(number);
				nlive++;
				assert(nlive == 1);
				i = at;
				break
			:: else		/* somebody freed it: again */
			fi
		}
	od
}

proctype Creator(byte number)
{
	byte w, i, at;

	enter();
killed:	atomic { over++; w = 0; i = 0; at = 0 }
}

proctype Latecomer(byte number)
{
	byte w, i, at;

	over == CREATORS;
	enter();
	assert(at != NOWHERE && i != NOWHERE);
killed:	skip
}

proctype Deleter()
{
	byte n, i, w;

	do
	:: n == DELETES -> break
	:: else ->
end:		atomic {
			nlive > 0;
			do
			:: IS_LIVE(word[i]) -> word[i] = FREE; nlive--; break
			:: else -> i++
			od;
			i = 0;
			n++
		}
	od
}

proctype Stranger()
{
	byte i, w;

	if
	:: i = 0
	:: i = WINDOW - 1
	fi;
	w = word[i];
	if
	:: IS_TENTATIVE(w) -> free(i, w)
	:: else
	fi
}

init {
	byte n;

	atomic {
		do
		:: n < CREATORS -> n++; run Creator(n)
		:: else -> break
		od;
		n = 0;
		do
		:: n < STRANGERS -> n++; run Stranger()
		:: else -> break
		od;
		run Deleter();
		run Latecomer(CREATORS + 1)
	}
}
