/* SPDX-License-Identifier: MIT */
/*
 * ordered.pml - an ordered group: a partition has one owner, and its messages come one after the other.
 *
 * The owner word {gen|held|slot|seq}, a word {tag|state|owner} for each message, a lease per slot as in lease.pml.
 * How a settle is decided is settle.pml's: here it is linked, or lost, in one step.
 *
 *   Consumer   renews when its lease is broken; takes the partition when it is nobody's; claims from the floor on,
 *              up to AHEAD messages; acks, settles or releases the oldest in hand; with LEAVES leaves at the end,
 *              whatever it has in hand
 *   Clock      lets a lease run out: as often as BREAKS
 *   Solo       with SOLO: a consumer that stays when all others stop anywhere, for good
 *
 * Claims (assertions)
 *   - a message is done only when all before it are; it is acked, or its output is linked, once at most
 *   - no owner is deposed whose lease stands
 *   - SOLO: the consumer that is left alone gets every message done
 *
 * Flags that break one rule each: README.md.
 */
#ifndef MESSAGES
#define MESSAGES 3
#endif
#ifndef CONSUMERS
#define CONSUMERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 3	/* of the first consumer */
#endif
#ifndef OTHERS
#define OTHERS 2	/* of the others */
#endif
#ifndef AHEAD
#define AHEAD 2
#endif
#ifndef BREAKS
#define BREAKS 1
#endif
#ifndef LEAVES
#define LEAVES 0
#endif
#ifndef SOLO
#define SOLO 0
#endif
#define NSLOT	3
#define ALONE	2

#define FREE		0
#define WORKING		1
#define SETTLING	2
#define WAITING		3
#define DONE		4
#define OWNER(s, q)	((s) * 8 + (q))
#define WORD(t, st, ow)	((ow) + 32 * ((st) + 8 * (t)))
#define LOW(w)		((w) % 32)
#define STATE(w)	(((w) / 32) % 8)
#define TAG(w)		((w) / 256)
#define SLOT(ow)	((ow) / 8)
#define IS_HELD(w)	(STATE(w) == WORKING || STATE(w) == SETTLING)

/* Owner word: 0: nobody's. */
#ifdef NO_SEQ
#define HELD(s, q)	((s) * 8 + 1)
#define HOLDS(h)	(IS(lease[SLOT(h)]) == LIVE)
#else
#define HELD(s, q)	((s) * 8 + (q))
#define HOLDS(h)	(lease[SLOT(h)] == LEASE((h) % 8, LIVE))
#endif

#define LIVE		1
#define BROKEN		2
#define LEFT		3
#define LEASE(q, st)	((q) * 4 + (st))
#define SEQ(l)		((l) / 4)
#define IS(l)		((l) % 4)

#define OPEN		0	/* a settle */
#define LINKED		1
#define LOST		2

short word[MESSAGES];
byte owner;
byte lease[NSLOT];
byte settle[NSLOT];

/* What the model knows and the processes do not. */
byte done;		/* messages */
bool linked[MESSAGES];
byte owning;		/* seq of the owner's lease */
bool solo;

#define RUNS	(!solo || who == ALONE)

inline finish(o)
{
	assert(done == o);
	done = o + 1
}

/* Of an owner that is gone, or ours: SETTLING is decided first. */
inline give_back(o)
{
	if
	:: STATE(w) == SETTLING ->
		d_step {
			RUNS;
			x = 0;
			if
			:: word[o] == w ->
				if
				:: settle[SLOT(LOW(w))] == OPEN -> settle[SLOT(LOW(w))] = LOST
				:: else
				fi;
				x = settle[SLOT(LOW(w))]
			:: else
			fi
		}
	:: else -> x = LOST
	fi;
	d_step {
		RUNS;
		if
		:: word[o] == w && x == LINKED -> word[o] = WORD(TAG(w), DONE, 0); finish(o)
		:: word[o] == w && x == LOST -> assert(!linked[o]); word[o] = WORD(TAG(w), WAITING, 0)
		:: else
		fi;
		x = 0
	}
}

inline give_back_slot()
{
	k = 0;
	do
	:: k == MESSAGES -> break
	:: else ->
		d_step { RUNS; w = word[k] }
		if
		:: IS_HELD(w) && SLOT(LOW(w)) == who -> give_back(k)
		:: else -> k++
		fi
	od
}

inline rejoin()
{
	give_back_slot();
	atomic {
		RUNS;
		q = SEQ(lease[who]) + 1;
		lease[who] = LEASE(q, LIVE);
		k = 0; w = 0;
		first = 0; cursor = 0
	}
}

/* ours: the partition is. */
inline own()
{
	d_step { RUNS; h = owner; ours = ((h % 32) == HELD(who, q)) }
	if
	:: !ours ->
		first = 0; cursor = 0;
		d_step { RUNS; ours = ((h % 32) == 0 || !HOLDS(h % 32)) }
		if
		:: ours ->
			d_step {
				RUNS;
				ours = (owner == h);
				if
				:: ours ->
					assert((h % 32) == 0 || lease[SLOT(h % 32)] != LEASE(owning, LIVE));
					owner = ((h / 32 + 1) % 8) * 32 + HELD(who, q);
					owning = q
				:: else
				fi
			}
		:: else
		fi
	:: else
#ifdef NO_SEQ
		d_step { RUNS; owning = q }
#endif
	fi;
	h = 0
}

/* The next message, from the floor on: in hand is what is from first to cursor. */
inline next()
{
	if
	:: first == cursor ->
		/* The floor. */
		d_step { RUNS; first = 0 }
#ifdef NOT_FROM_FLOOR
		d_step {
			RUNS;
			do
			:: first < MESSAGES && STATE(word[first]) != FREE && STATE(word[first]) != WAITING -> first++
			:: else -> break
			od
		}
#endif
		cursor = first
	:: else
	fi;
	do
	:: cursor == MESSAGES -> break
	:: else ->
		d_step { RUNS; w = word[cursor] }
		if
		:: STATE(w) == DONE -> d_step { cursor++; first = (first + 1 == cursor -> cursor : first) }
#ifdef PASS_SETTLING
		:: STATE(w) == SETTLING && SLOT(LOW(w)) != who -> d_step { cursor++; first = (first + 1 == cursor -> cursor : first) }
		:: STATE(w) == WORKING ->
#else
		:: IS_HELD(w) ->
#endif
			if
			:: LOW(w) == OWNER(who, q) -> break
			:: else ->
				d_step { RUNS; ours = (lease[SLOT(LOW(w))] != LEASE(LOW(w) % 8, LIVE)) }
				if
				:: ours -> give_back(cursor)
				:: else -> break
				fi
			fi
		:: STATE(w) == FREE || STATE(w) == WAITING ->
			d_step {
				RUNS;
				ours = (word[cursor] == w);
				if
				:: ours -> word[cursor] = WORD(TAG(w) + 1, WORKING, OWNER(who, q)); cursor++
				:: else
				fi
			}
			if
			:: ours -> break
			:: else
			fi
		fi
	od;
	atomic { w = 0; ours = false }
}

inline find_word(o)
{
	d_step { RUNS; w = word[o]; ours = (STATE(w) == WORKING && LOW(w) == OWNER(who, q)) }
#ifndef ACK_ANYWAY
	if
	:: ours -> d_step { RUNS; ours = (lease[who] == LEASE(q, LIVE)) }
	:: else
	fi
#endif
}

inline ack(o)
{
	find_word(o);
	if
	:: ours ->
		d_step {
			RUNS;
			if
			:: word[o] == w -> assert(!linked[o]); finish(o); word[o] = WORD(TAG(w), DONE, 0)
			:: else
			fi
		}
	:: else
	fi
}

inline release(o)
{
	find_word(o);
	if
	:: ours ->
		d_step {
			RUNS;
			if
			:: word[o] == w -> word[o] = WORD(TAG(w), WAITING, 0)
			:: else
			fi
		}
	:: else
	fi
}

inline settle_it(o)
{
	find_word(o);
	if
	:: ours ->
		d_step { RUNS; settle[who] = OPEN }
		d_step {
			RUNS;
			ours = (word[o] == w);
			if
			:: ours -> w = WORD(TAG(w), SETTLING, LOW(w)); word[o] = w
			:: else
			fi
		}
		if
		:: ours ->
			d_step {
				RUNS;
				if
				:: settle[who] == OPEN ->
					settle[who] = LINKED;
					assert(!linked[o] && done == o);
					linked[o] = true
				:: else
				fi
			}
			give_back(o)
		:: else
		fi
	:: else
	fi
}

proctype Consumer(byte who; byte rounds)
{
	short w;
	byte q, k, x, h, first, cursor;
	bool ours;

	rejoin();
	do
	:: rounds == 0 -> break
	:: else ->
		rounds--;
		d_step { RUNS; ours = (lease[who] == LEASE(q, LIVE)) }
		if
		:: !ours -> rejoin()
		:: else
		fi;
		own();
		if
		:: ours && (first == cursor || cursor - first < AHEAD) -> next()
		:: else
		fi;
		if
		:: first < cursor ->
			do
			:: first < cursor ->
				if
				:: ack(first)
				:: settle_it(first)
				fi;
				d_step { first++; w = 0; ours = false }
			:: first + 1 == cursor -> release(first); cursor = first; break
			:: true -> break
			od
		:: else
		fi;
		atomic { w = 0; ours = false }
	od;
#if LEAVES
	atomic { RUNS; h = owner }
	if
	:: (h % 32) == HELD(who, q) ->
		d_step {
			RUNS;
			if
			:: owner == h -> owner = ((h / 32 + 1) % 8) * 32
			:: else
			fi
		}
	:: else
	fi;
	give_back_slot();
	atomic {	/* goes round */
		RUNS;
		lease[who] = LEASE(q, LEFT)
	}
#endif
	atomic { q = 0; first = 0; cursor = 0; h = 0; w = 0; k = 0 }
}

proctype Clock(byte who)
{
	byte n;

	do
	:: n == BREAKS -> break
	:: n < BREAKS -> d_step { RUNS && IS(lease[0]) == LIVE; lease[0]++; n++ }
	:: n < BREAKS -> d_step { RUNS && IS(lease[1]) == LIVE; lease[1]++; n++ }
	od;
	n = 0
}

proctype Solo(byte who)
{
	short w;
	byte q, k, x, h, first, cursor;
	bool ours;

	atomic {
		solo = true;
		if
		:: IS(lease[0]) == LIVE -> lease[0]++
		:: else
		fi;
		if
		:: IS(lease[1]) == LIVE -> lease[1]++
		:: else
		fi;
		rejoin();
		own();
		assert(ours);
		do
		:: done == MESSAGES -> break
		:: else ->
			next();
			assert(first < cursor || done == MESSAGES);
			if
			:: first < cursor -> ack(first); first = cursor
			:: else
			fi
		od
	}
}

init {
	byte n;

	atomic {
		run Consumer(0, ROUNDS);
		if
		:: CONSUMERS > 1 -> run Consumer(1, OTHERS)
		:: else
		fi;
		if
		:: BREAKS > 0 -> run Clock(0)
		:: else
		fi;
#if SOLO
		run Solo(ALONE);
#endif
		n = 0
	}
}
