/* SPDX-License-Identifier: MIT */
/*
 * registry.pml - which topic number a name stands for: never two at a time.
 *
 * The window of one name: WINDOW words, each free, TENTATIVE(number) or LIVE(number). A creator
 * has one number for all its tries; no two creators have the same.
 *
 *   Creator    enters the name: as libshm/registry.h says under 2 and 3. May be killed anywhere; then
 *              its files are swept, or not
 *   Deleter    deletes the topic, as often as DELETES: by its state, then its word, then its files. May
 *              be killed anywhere
 *   Repairer   moves the topic to a number of its own, as often as REPAIRS: by its state, then its word
 *   Stranger   enters a name with an overlapping window and makes room: frees a tentative word
 *   Latecomer  a creator that comes when all others are done or dead
 *
 * Claims (assertions)
 *   - never two topics of the name: live words, but for those whose topic is deleted
 *   - the latecomer gets the name, or finds it live: whatever the dead left, there is room, and what is
 *     over is not taken for live
 *
 * FILES_FIRST lets files go before their word is freed: rule 3 finds room all the same.
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

#ifndef REPAIRS
#define REPAIRS 0
#endif

#define FREE		0
#define TENTATIVE(n)	((n) * 2)
#define LIVE(n)		((n) * 2 + 1)
#define IS_TENTATIVE(w)	((w) != FREE && (w) % 2 == 0)
#define IS_LIVE(w)	((w) % 2 == 1)
#define NUMBER(w)	((w) / 2)
#define NOWHERE		WINDOW
#define NUMBERS		(CREATORS + REPAIRS + 2)

byte word[WINDOW];
byte over;		/* creators that are done, or killed */
byte nlive;		/* topics of the name: the model's count */
byte moved[NUMBERS];	/* state of a topic: the number that goes on in its place */
bit deleted[NUMBERS];	/* state of a topic */
bit gone[NUMBERS];	/* its files are not there */

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

#ifdef NO_GONE
#define IS_GONE(w)	false
#else
#define IS_GONE(w)	((w) != FREE && gone[NUMBER(w)])
#endif

/* A free word of the window becomes TENTATIVE(number): at. */
inline enter_tentatively()
{
	at = 0;
	do
	:: at == WINDOW ->
#ifdef NO_ROOM_MADE
		break
#else
		/* No room: nobody needs a tentative word so much that it may stay, nor one whose files are
		   gone, as they never come back. */
		at = 0;
		i = 0;
		do
		:: at == WINDOW -> break
		:: at < WINDOW ->
			w = word[at];
			if
			:: IS_TENTATIVE(w) || IS_GONE(w) -> free(at, w); i = 1
			:: else
			fi;
			at++
		od;
		if
		:: i == 0 -> break
		:: else -> at = 0
		fi
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
		if	/* without files it is no longer known to be of this name */
		:: IS_TENTATIVE(w) && w != TENTATIVE(number) && !gone[NUMBER(w)] ->
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
		:: IS_LIVE(w) && !gone[NUMBER(w)] -> break
#ifndef NO_REREAD
		:: IS_LIVE(w) && gone[NUMBER(w)] ->	/* why: nobody's, or has the word moved on? */
			if
			:: word[i] == w -> i++
			:: else
			fi
		:: !IS_LIVE(w) -> i++
#else
		:: else -> i++
#endif
		fi
	od
}

/* w stands at i, and its state may say that it is over: then what is left is done here, and w is FREE. */
inline finish()
{
#ifdef NO_FINISH
	skip
#else
	if
	:: moved[NUMBER(w)] != 0 ->
		atomic {
			if
			:: word[i] == w -> word[i] = LIVE(moved[NUMBER(w)])
			:: else
			fi
		}
		gone[NUMBER(w)] = 1;
		w = FREE
	:: moved[NUMBER(w)] == 0 && deleted[NUMBER(w)] ->
#ifdef FILES_FIRST
		gone[NUMBER(w)] = 1;
		if
		:: free(i, w)
		:: number <= CREATORS	/* killed */
		fi;
#else
		free(i, w);
		gone[NUMBER(w)] = 1;
#endif
		w = FREE
	:: moved[NUMBER(w)] == 0 && !deleted[NUMBER(w)]
	fi
#endif
}

inline enter()
{
	do
	:: true ->
		find_live();	/* what is over is finished, so that it does not take room */
		if
		:: i != NOWHERE ->
			at = i;
			finish();
			if
			:: w != FREE -> break
			:: else
			fi
		:: else
		fi;
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
		:: i != NOWHERE ->
			free(at, TENTATIVE(number));
			finish();
			if	/* was it over: again, and the CAS below fails */
			:: w != FREE -> break
			:: else
			fi
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
	if	/* found live: the own files go */
	:: at != NOWHERE && word[at] != LIVE(number) && !deleted[number] -> gone[number] = 1
	:: else
	fi;
	goto done;
killed:	if
	:: gone[number] = 1	/* swept */
	:: true
	fi;
done:	atomic { over++; w = 0; i = 0; at = 0 }
}

/* Finds the topic that is there: w, at i. Or gives up. */
inline find()
{
	do
	:: w = FREE; break
	:: nlive > 0 ->
		find_live();
		if
		:: i != NOWHERE -> finish()
		:: else -> w = FREE
		fi;
		if
		:: w != FREE -> break
		:: else
		fi
	od
}

proctype Deleter()
{
	byte n, i, w, number;

	do
	:: n == DELETES -> break
	:: n < DELETES ->
		find();
		atomic {
			n++;
			if
			:: w != FREE && !deleted[NUMBER(w)] && moved[NUMBER(w)] == 0 ->
				assert(word[i] == w);	/* a live number does not leave its word */
				deleted[NUMBER(w)] = 1;
				nlive--
			:: else -> w = FREE
			fi
		}
		if
		:: break	/* killed */
		:: w != FREE -> finish()
		:: w == FREE
		fi
	od;
	atomic { over++; n = 0; i = 0; w = 0 }
}

proctype Repairer(byte number)
{
	byte i, w;

	find();
	atomic {
		if
		:: w != FREE && !deleted[NUMBER(w)] && moved[NUMBER(w)] == 0 ->
			assert(word[i] == w);
			moved[NUMBER(w)] = number
		:: else -> w = FREE
		fi
	}
	if
	:: true		/* killed */
	:: w != FREE -> finish()
	fi;
	atomic { over++; i = 0; w = 0 }
}

/* Comes alone: what it finds, the others have left. */
proctype Latecomer(byte number)
{
	byte w, i, at;

	over == CREATORS + 1 + REPAIRS;
	enter();
	assert(at != NOWHERE && i != NOWHERE);
	assert(IS_LIVE(word[i]) && !deleted[NUMBER(word[i])] && moved[NUMBER(word[i])] == 0);
killed:	skip
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
		n = 0;
		do
		:: n < REPAIRS -> n++; run Repairer(CREATORS + 1 + n)
		:: else -> break
		od;
		run Latecomer(CREATORS + 1)
	}
}
