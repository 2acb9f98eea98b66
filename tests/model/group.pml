/* SPDX-License-Identifier: MIT */
/*
 * group.pml - which group a name stands for, and where it stands: made, expired, deleted, moved.
 *
 * With SEEKERS: one group, one partition. The log is END frames, of which the reclaimer may take all but the
 * last; head {gen|position}, the reader word (its incarnation), the gate {incarnation|position}, the files
 * group.L.window.I and current as in the code.
 *
 *   Seeker     finishes what others have begun; looks where to begin (head, or the end); links the next
 *              windows; finishes; sets the gate
 *   Consumer   follows current; acks; raises the gate; finishes a move, or not
 *   Reclaimer  moves head as far as the gate allows
 *   Solo       with SOLO: a consumer that stays when all others stop anywhere, for good
 *
 * Without: reader words FREE, TENTATIVE(number), GROUP(number), the files of a number, its state
 * {LIVE | attached} or DELETED, and whether it was used of late.
 *
 *   Opener     a consumer: finds the group or makes it (as often as TRIES), counts itself, joins
 *   Deleter    finds it and deletes it
 *   Expirer    deletes it when nobody used it and nobody is there
 *   Kicker     a blocked publisher: frees a TENTATIVE word
 *   Sweeper    removes the files of numbers that stand in no word
 *   Solo       with SOLO: an opener that comes when all others have stopped anywhere
 *
 * Claims (assertions)
 *   - never two live groups of a name; nobody removes the files of one that is live
 *   - who expires a group has nobody attached to it since it looked, nor since it was last used
 *   - what a group stands before is not reclaimed from the moment it was moved there
 *   - a seek takes effect once; when it is over it has, or another came behind it
 *   - SOLO: the opener gets the group; the consumer gets on, and publishers too
 *
 * Flags that break one rule each: README.md.
 */
#ifndef SEEKERS
#define SEEKERS 0
#endif
#ifndef SOLO
#define SOLO 0
#endif

bool solo;

#define ALONE	9
#define RUNS	(!solo || who == ALONE)

#if SEEKERS
/* ---- seeks -------------------------------------------------------------------------- */

#ifndef CONSUMERS
#define CONSUMERS 1
#endif
#ifndef ROUNDS
#define ROUNDS 2	/* of a consumer */
#endif
#ifndef HELPS
#define HELPS 0		/* consumers finish moves */
#endif
#ifndef RECLAIMS
#define RECLAIMS 1
#endif
#ifndef END
#define END 2
#endif
#define INCARNATIONS	7	/* 1 is there at the beginning */

/* Head: {gen|position}. Gate: {incarnation|position}. */
#define AT(high, p)	((high) * 4 + (p))
#define HIGH(w)		((w) / 4)
#define POS(w)		((w) % 4)

byte head = AT(0, 0);
byte reader = 1;
byte gate = AT(1, END);
byte current = 1;
bool there[INCARNATIONS];
byte floor[INCARNATIONS];	/* of a window: what is before it is done; begins with its base */
byte maker[INCARNATIONS];

bit loaded;			/* the reclaimer has loaded head */
bool effective[3];		/* the model's: the seeks that have moved the group */

/* Gen goes up. As there is one reclaimer, it need only differ from the one that this one has loaded. */
#define bump()	head = AT(loaded, POS(head))

/* All windows before those of an incarnation. Who has them open keeps them, but they hold no gate any more. */
inline tidy(its_current)
{
	d_step {
		RUNS;
		x = 1;
		do
		:: x < its_current -> there[x] = false; floor[x] = 0; maker[x] = 0; x++
		:: else -> break
		od;
		x = 0
	}
}

inline retag()
{
	d_step {
		RUNS;
		tagged = (w == from && reader == w);
		if
		:: tagged -> reader = from + 1
		:: else
		fi
	}
}

inline make_current()
{
	d_step {
		RUNS;
		if
		:: current == from ->
			current = from + 1;
			assert(!effective[maker[current]]);
			effective[maker[current]] = true
		:: else
		fi
	}
}

inline finish_move()
{
	d_step { RUNS; from = current }
	d_step { RUNS; w = reader }
	d_step { RUNS; x = there[from + 1] }
	if
	:: x != 0 ->
#ifdef CURRENT_FIRST
		make_current();
#endif
		retag();
#if defined(NO_BUMP)
#elif defined(BUMP_ONCE)
		if
		:: tagged -> d_step { RUNS; bump() }
		:: else
		fi;
#else
		d_step { RUNS; bump() }
#endif
#ifndef CURRENT_FIRST
		make_current();
#endif
		tidy(from + 1)
	:: else
	fi;
	d_step { from = 0; w = 0; x = 0; tagged = 0 }
}

/* Its gate to position p, while the reader word says w. */
inline lift(p)
{
	do
	:: true ->
		d_step { RUNS; g = gate }
		d_step { RUNS; x = reader }
		if
		:: x != w || (HIGH(g) == w && POS(g) >= p) -> break
		:: else
		fi;
		d_step {
			RUNS;
			if
			:: gate == g -> gate = AT(w, p); g = 0
			:: else
			fi
		}
		if
		:: g == 0 -> break
		:: else
		fi
	od;
	atomic { g = 0; x = 0 }
}

inline reclaim()
{
	d_step { RUNS; head = AT(0, POS(head)); h = head; loaded = 1 }
	d_step { RUNS; w = reader }
	d_step {
		RUNS;
		if
#ifdef NO_INCARNATION
		:: true -> target = POS(gate)
#else
		:: HIGH(gate) == w -> target = POS(gate)
		:: else -> target = POS(h)
#endif
		fi;
		if
		:: target > END - 1 -> target = END - 1
		:: else
		fi
	}
	d_step {
		RUNS;
		if
		:: head == h && target > POS(h) ->
			assert(target <= floor[current]);
			head = AT(HIGH(h), target)
		:: else
		fi;
		head = AT(0, POS(head)); loaded = 0;
		h = 0; w = 0; target = 0
	}
}

proctype Seeker(byte who)
{
	byte place, c, made, from, w, g, x;
	bool tagged, mine;

	finish_move();
	if
	:: place = 0
	:: place = END
	fi;
	d_step {
		RUNS;
		if
		:: place == 0 -> place = POS(head)
		:: else
		fi
	}
	do
	:: true ->
		d_step { RUNS; c = current }
		d_step {
			RUNS;
			mine = !there[c + 1];
			if
			:: mine -> there[c + 1] = true; floor[c + 1] = place; maker[c + 1] = who
			:: else
			fi
		}
		if
		:: mine ->
			d_step { RUNS; x = current }
#ifdef SEEK_AGAIN
			if
			:: x > c -> tidy(x); mine = false
			:: else -> finish_move(); break
			fi
#else
			if
			:: x > c + 1 -> tidy(x)
			:: else -> finish_move()
			fi;
			break
#endif
		:: else -> finish_move()
		fi
	od;
	atomic {
		RUNS;
		made = c + 1;
		assert(current > made || (current == made && maker[made] == who && effective[who]));
		x = 0; c = 0; mine = 0
	}

	/* Its gate, so that nobody has to come before publishers may go on. */
	d_step { RUNS; w = reader }
#ifdef GATE_ANYWHERE
	d_step { RUNS; made = current }
#endif
	if
	:: w == made -> lift(place)
	:: else
	fi;
	d_step { w = 0; x = 0; place = 0; made = 0 }
}

proctype Consumer(byte who)
{
	byte i, p, n, from, w, g, x;
	bool tagged;

	do
	:: n == ROUNDS -> break
	:: else ->
		n++;
		d_step { RUNS; i = current }
		d_step { RUNS; x = there[i] }
		if
		:: x != 0 ->
#if HELPS
			finish_move();
#endif
			if
			:: p = 0
			:: p = 1
#if END > 2
			:: p = 2
#endif
			fi;
			d_step {
				RUNS;
				floor[i] = (floor[i] + p < END -> floor[i] + p : END);
				if	/* overrun */
				:: floor[i] < POS(head) -> floor[i] = POS(head)
				:: else
				fi;
				p = floor[i]
			}
			d_step { RUNS; w = reader }
			if
			:: w == i -> lift(p)
			:: else
			fi
		:: else
		fi;
		d_step { i = 0; p = 0; w = 0; x = 0 }
	od
}

proctype Reclaimer(byte who)
{
	byte n, h, w, target;

	do
	:: n == RECLAIMS -> break
	:: else -> reclaim(); n++
	od
}

proctype Solo(byte who)
{
	byte i, h, target, from, w, g, x;
	bool tagged;

	atomic {
		solo = true;
#ifndef NO_HELP
		finish_move();
#endif
		i = current;
		assert(there[i]);
		floor[i] = END;
		w = reader;
		if
		:: w == i -> lift(END)
		:: else
		fi;
		reclaim();
		assert(POS(head) == END - 1)
	}
}

init {
	byte n;

	atomic {
		there[1] = true;
		floor[1] = END;
		do
		:: n < SEEKERS -> n++; run Seeker(n)
		:: else -> break
		od;
		n = 0;
		do
		:: n < CONSUMERS -> n++; run Consumer(0)
		:: else -> break
		od;
		run Reclaimer(0);
#if SOLO
		run Solo(ALONE);
#endif
		n = 0
	}
}
#else
/* ---- names -------------------------------------------------------------------------- */

#ifndef OPENERS
#define OPENERS 2
#endif
#ifndef TRIES
#define TRIES 2		/* of an opener to make it */
#endif
#ifndef IDLE
#define IDLE 0		/* a group of the name is there, idle for long */
#endif
#ifndef DELETERS
#define DELETERS 0
#endif
#ifndef EXPIRERS
#define EXPIRERS 0
#endif
#ifndef KICKS
#define KICKS 0
#endif
#ifndef SWEEPERS
#define SWEEPERS 0
#endif
#ifndef OTHER_NAME
#define OTHER_NAME 0	/* the last opener's has the same fingerprint, but is another one */
#endif
#ifndef WORDS
#define WORDS (OPENERS + IDLE)
#endif
#define NUMBERS	(OPENERS * TRIES + IDLE + 3)

#define FREE		0
#define TENTATIVE(n)	((n) * 2)
#define GROUP(n)	((n) * 2 + 1)
#define IS_TENTATIVE(w)	((w) != FREE && (w) % 2 == 0)
#define IS_GROUP(w)	((w) % 2 == 1)
#define NUMBER(w)	((w) / 2)
#define LIVE(c)		((c) * 2 + 1)	/* c: attached so often */
#define DELETED		2
#define IS_LIVE(s)	((s) % 2 == 1)

byte word[WORDS];
byte next = 1;			/* group number */
byte state[NUMBERS];
bool there[NUMBERS];		/* its files */
bool used[NUMBERS];		/* of late */
bool member[NUMBERS];		/* a lease stands */
bool other[NUMBERS];		/* the other name */

byte live[2];			/* the model's: live groups of a name */
bool attached[NUMBERS];

#if WORDS == 1
#define stands(n)	(word[0] == GROUP(n))
#elif WORDS == 2
#define stands(n)	(word[0] == GROUP(n) || word[1] == GROUP(n))
#else
#define stands(n)	(word[0] == GROUP(n) || word[1] == GROUP(n) || word[2] == GROUP(n))
#endif

inline free_word(its_index, its_word)
{
	d_step {
		RUNS;
		if
		:: word[its_index] == its_word -> word[its_index] = FREE
		:: else
		fi
	}
}

inline remove_files(its_number)
{
	d_step {
		RUNS;
		assert(!IS_LIVE(state[its_number]) || !stands(its_number));
		there[its_number] = false
	}
}

/* What a GROUP word w at i stands for, n: live, and of our name? */
inline open_word()
{
	d_step { n = NUMBER(w); found = false }
	d_step { RUNS; x = there[n] }
	if
	:: x != 0 ->
		d_step { RUNS; x = state[n] }
		if
		:: IS_LIVE(x) -> found = (other[n] == my_name)
		:: else -> free_word(i, w); remove_files(n)
		fi
	:: else -> free_word(i, w)
	fi;
	x = 0
}

inline find()
{
	d_step { i = 0; found = false }
	do
	:: i == WORDS -> break
	:: else ->
		d_step { RUNS; w = word[i] }
		if
		:: IS_GROUP(w) -> open_word()
		:: else
		fi;
		if
		:: found -> break
		:: else -> i++
		fi
	od
}

/* Another one of the name that is there already: found. Its own word is at `at`. */
inline name_stands()
{
	find();
	atomic { i = 0; w = 0; n = 0 }
}

inline free_others()
{
	i = 0;
	do
	:: i == WORDS -> break
	:: else ->
		d_step { RUNS; w = word[i] }
		if
		:: IS_TENTATIVE(w) && i != at -> free_word(i, w)
		:: else
		fi;
		d_step { i++; w = 0 }
	od
}

/* at: WORDS when there is none. */
inline enter()
{
	at = 0;
	do
	:: at == WORDS -> break
	:: else ->
		d_step {
			RUNS;
			if
			:: word[at] == FREE -> word[at] = TENTATIVE(number); w = 1
			:: else -> at++
			fi
		}
		if
		:: w == 1 -> break
		:: else
		fi
	od;
	w = 0;
#ifndef NO_ROOM_MADE
	/* No room: nobody needs a tentative word so much that it may stay. */
	if
	:: at == WORDS -> at = WORDS + 1; free_others(); at = WORDS
	:: else
	fi
#endif
}

/* made: it is live. Else somebody freed its word, or it is there already: found. */
inline make()
{
	d_step { RUNS; number = next; next++; other[number] = my_name }
#ifdef LOOK_FIRST
	name_stands();
	enter();
#else
	enter();
#endif
	if
	:: at < WORDS ->
		d_step { RUNS; there[number] = true; state[number] = LIVE(0); used[number] = true }
#ifndef NO_KILL
		free_others();
#endif
#ifndef LOOK_FIRST
		name_stands();
#endif
		made = false;
		if
		:: !found ->
			d_step {
				RUNS;
				made = (word[at] == TENTATIVE(number));
				if
				:: made ->
					word[at] = GROUP(number);
					live[my_name]++;
					assert(live[my_name] == 1);
					n = number
				:: else
				fi
			}
		:: else
		fi;
		if
		:: !made -> free_word(at, TENTATIVE(number)); remove_files(number)
		:: else
		fi
	:: else
	fi;
	d_step { number = 0; at = 0; found = false }
}

/* To group n: made = false when it is over. */
inline attach()
{
#ifndef USED_LATE
	d_step { RUNS; used[n] = true }
#endif
	d_step {	/* its CAS goes round while it is live */
		RUNS;
		made = IS_LIVE(state[n]);
		if
		:: made ->
#ifndef NO_COUNT
			state[n] = state[n] + 2;
#endif
			attached[n] = true
		:: else
		fi
	}
#ifdef USED_LATE
	if
	:: made -> d_step { RUNS; used[n] = true }
	:: else
	fi;
#endif
	if
	:: made -> d_step { RUNS; member[n] = true }
	:: else
	fi
}

proctype Opener(byte who; bool my_name)
{
	byte tries, i, w, x, n, at, number;
	bool found, made;

	do
	:: true ->
		find();
		if
		:: found
		:: !found && tries < TRIES -> tries++; make()
		:: else -> break
		fi;
		if
		:: found || made ->
			attach();
			if
			:: made -> break
			:: else
			fi
		:: else
		fi
	od;
	atomic { tries = 0; i = 0; w = 0; x = 0; n = 0; found = 0; made = 0 }
}

proctype Deleter(byte who; bool my_name)
{
	byte i, w, x, n;
	bool found;

	find();
	if
	:: found ->
		d_step {
			RUNS;
			if
			:: IS_LIVE(state[n]) -> state[n] = DELETED; live[my_name]--
			:: else
			fi
		}
		free_word(i, GROUP(n));
		remove_files(n)
	:: else
	fi;
	atomic { i = 0; w = 0; n = 0; found = false }
}

proctype Expirer(byte who; bool my_name)
{
	byte i, w, x, n, s;
	bool found, idle;

	find();
	if
	:: found ->
		d_step { RUNS; s = state[n]; idle = IS_LIVE(s) }
		d_step { RUNS; idle = idle && !used[n] }
		d_step { RUNS; idle = idle && !member[n] }
		if
		:: idle ->
			d_step {
				RUNS;
				if
				:: state[n] == s ->
					assert(!attached[n]);
					state[n] = DELETED;
					live[my_name]--
				:: else -> idle = false
				fi
			}
		:: else
		fi;
		if
		:: idle -> free_word(i, GROUP(n)); remove_files(n)
		:: else
		fi
	:: else
	fi;
	atomic { i = 0; w = 0; n = 0; s = 0; found = false; idle = false }
}

proctype Kicker(byte who)
{
	byte n;

	do
	:: n == KICKS -> break
	:: else ->
		d_step {
			RUNS;
			if
			:: IS_TENTATIVE(word[0]) -> word[0] = FREE
			:: else
			fi
		}
		n++
	od
}

proctype Sweeper(byte who)
{
	byte k, i, w, x;

	k = 1;
	do
	:: k == NUMBERS -> break
	:: else ->
		d_step { RUNS; x = there[k] }
		if
		:: x != 0 ->
			do
			:: i == WORDS -> break
			:: else ->
				d_step { RUNS; w = word[i] }
				if
				:: w != FREE && NUMBER(w) == k -> break
				:: else -> i++
				fi
			od;
			if
			:: i == WORDS -> remove_files(k)
			:: else
			fi
		:: else
		fi;
		d_step { k++; i = 0; w = 0; x = 0 }
	od;
	k = 0
}

proctype Solo(byte who; bool my_name)
{
	byte tries, i, w, x, n, at, number;
	bool found, made;

	atomic {
		solo = true;
		find();
		do
		:: found || made || tries == 2 -> break
		:: else -> tries++; make()
		od;
		assert(found || made);
		attach();
		assert(made && stands(n) && there[n])
	}
}

init {
	byte n;

	atomic {
#if IDLE
		word[0] = GROUP(1);
		state[1] = LIVE(0);
		there[1] = true;
		live[0] = 1;
		next = 2;
#endif
		do
		:: n < OPENERS -> run Opener(0, (n == OPENERS - 1 && OTHER_NAME)); n++
		:: else -> break
		od;
#if DELETERS
		run Deleter(0, 0);
#endif
#if EXPIRERS
		run Expirer(0, 0);
#endif
#if KICKS
		run Kicker(0);
#endif
#if SWEEPERS
		run Sweeper(0);
#endif
#if SOLO
		run Solo(ALONE, 0);
#endif
		n = 0
	}
}
#endif
