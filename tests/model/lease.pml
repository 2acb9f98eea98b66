/* SPDX-License-Identifier: MIT */
/*
 * lease.pml - who has which message of a shared group, and until when.
 *
 * One partition of MESSAGES messages, W words {lap|tag|deliveries|state|owner}, the floor, the claim hint (an
 * offset), and per session slot a lease {seq|NONE, LIVE, BROKEN, LEFT} and the session that is in it. Laps of
 * held words are modulo LAPS, tags modulo TAGS, seqs modulo SEQS.
 *
 *   Consumer   joins; moves the hint over a run, or sweeps; claims, acks or releases; renews when its lease is
 *              broken; with LEAVES leaves, and joins again. Two slots; with KILLS the sessions of the first one
 *              are killed anywhere, and have successors
 *   Clock      lets a lease run out: as often as BREAKS
 *   Mourner    breaks the lease of a session that it finds dead
 *   Sweeper    looks at one word, and gives it back if its owner is gone; with WAKE makes a row's word first
 *   Solo       with SOLO: a consumer that stays when all others stop anywhere, for good
 *
 * Claims (assertions)
 *   - no message is acked twice, and nobody claims, acks or gives back a word that is about another message
 *   - a word is not given back while its owner's lease stands; the lease of a live session is not broken because
 *     another one is dead; whose owner is gone is not taken for one whose owner's lease stands
 *   - what was begun, and nothing else, counts as a delivery
 *   - who has left can join again
 *   - SOLO: the consumer that is left alone gets every message to DONE
 *
 * Flags that break one rule each: README.md.
 */
#ifndef MESSAGES
#define MESSAGES 3
#endif
#ifndef W
#define W 2
#endif
#ifndef LAPS
#define LAPS 1
#endif
#ifndef TAGS
#define TAGS 8
#endif
#ifndef SEQS
#define SEQS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1	/* of a consumer in the first slot */
#endif
#ifndef OTHERS
#define OTHERS 1	/* rounds of the one in the second slot */
#endif
#ifndef RUN
#define RUN 1		/* messages claimed ahead */
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef BREAKS
#define BREAKS 0
#endif
#ifndef MOURNERS
#define MOURNERS 0
#endif
#ifndef SWEEPERS
#define SWEEPERS 0
#endif
#ifndef LEAVES
#define LEAVES 0
#endif
#ifndef MANUAL
#define MANUAL 0	/* claimed first, then begun */
#endif
#ifndef RELEASES
#define RELEASES 1
#endif
#ifndef WAKE
#define WAKE 0		/* message 0 is a row of the return log that says WORKING(first consumer) */
#endif
#ifndef SOLO
#define SOLO 0
#endif

/* Window word. */
#define DONE		0
#define CLAIMED		1
#define WORKING		2
#define WAITING		3
#ifdef NO_SEQ
#define OWNER(s, q)	((s) * 4)
#else
#define OWNER(s, q)	((s) * 4 + (q) % SEQS)
#endif
#define SLOT(ow)	((ow) / 4)
#define WORD(l, t, d, st, ow)	((ow) + 16 * ((st) + 4 * ((d) + 4 * (((t) % TAGS) + 8 * (l)))))
#define LOW(w)		((w) % 16)
#define STATE(w)	(((w) / 16) % 4)
#define COUNT(w)	(((w) / 64) % 4)
#define TAG(w)		(((w) / 256) % 8)
#define LAP_OF(w)	((w) / 2048)
#define LAP(o)		((o) / W + 1)
#define IS_HELD(w)	(STATE(w) == CLAIMED || STATE(w) == WORKING)
#define MORE(d)		(((d) < 3) -> (d) + 1 : 3)
#define LESS(d)		(((d) > 0) -> (d) - 1 : 0)
#ifdef NO_TAG
#define NEXT_TAG(w)	0
#else
#define NEXT_TAG(w)	(TAG(w) + 1)
#endif

/* Lease word. */
#define NONE		0
#define LIVE		1
#define BROKEN		2
#define LEFT		3
#define LEASE(q, st)	(((q) % SEQS) * 4 + (st))
#define SEQ(l)		((l) / 4)
#define IS(l)		((l) % 4)

/* What a look at a word says. */
#define UNKNOWN		0
#define FREE		1
#define HELD		2
#define IS_DONE		3
#define BELOW		4
#define BEYOND		5

#define NSLOT	3
#define FIRST	0	/* then its successors */
#define SECOND	3
#define OTHER	4
#define ALONE	5

short word[W];
byte floor;
byte hint;
byte lease[NSLOT];
byte session[NSLOT] = 9;

/* What the model knows and the processes do not. */
byte about[W];		/* the message */
byte truth[W];		/* full seq of the owner's lease */
byte newest[NSLOT];	/* of the slot's newest lease */
byte holder[NSLOT];	/* who made it */
bool acked[MESSAGES];
byte begun[MESSAGES];	/* and not released */
byte now;		/* session in the first slot */
bool solo;

#define RUNS		((!solo || who == ALONE) && (who >= SECOND || who == now))
#define DEAD(s)		((s) < SECOND && (s) < now)
#define STANDS(i)	(IS(lease[SLOT(LOW(word[i]))]) == LIVE && truth[i] == newest[SLOT(LOW(word[i]))] && \
			 !DEAD(holder[SLOT(LOW(word[i]))]))

inline look(o)
{
	d_step {
		RUNS;
		if
		:: o < floor -> says = BELOW
		:: o >= floor + W -> says = BEYOND
		:: else -> says = UNKNOWN
		fi
	}
	if
	:: says == UNKNOWN ->
		d_step {
			RUNS;
			w = word[(o) % W];
			if
			:: STATE(w) != DONE
			:: STATE(w) == DONE && LAP_OF(w) < LAP(o) -> says = FREE
			:: STATE(w) == DONE && LAP_OF(w) == LAP(o) -> says = IS_DONE
			:: STATE(w) == DONE && LAP_OF(w) > LAP(o) -> says = BELOW
			fi
		}
		if
		:: says == UNKNOWN ->
#ifdef FLOOR_ONCE
			says = (LAP_OF(w) == LAP(o) % LAPS -> HELD : FREE)
#else
			d_step {
				RUNS;
				if
				:: floor > o -> says = BELOW
				:: else -> says = (LAP_OF(w) == LAP(o) % LAPS -> HELD : FREE)
				fi
			}
#endif
		:: else
		fi
	:: else
	fi
}

/* The lease of w's owner: gone. What stands for it must stand. */
inline look_at_owner(o)
{
	d_step {
		RUNS;
#if defined(GIVE_BACK_STANDING)
		gone = true;
#elif defined(NO_SEQ)
		gone = (IS(lease[SLOT(LOW(w))]) != LIVE);
#else
		gone = (lease[SLOT(LOW(w))] != LEASE(LOW(w) % 4, LIVE));
#endif
		assert(gone || word[(o) % W] != w || newest[SLOT(LOW(w))] == truth[(o) % W])
	}
}

/* CAS to WAITING; done: it was. */
inline give_back(o, of_own)
{
	d_step {
		RUNS;
		done = (word[(o) % W] == w);
		if
		:: done ->
			assert(about[(o) % W] == o);
			assert(of_own || !STANDS((o) % W));
			assert(COUNT(w) == begun[o]);
#ifdef CHARGE_CLAIMED
			word[(o) % W] = WORD(LAP(o) % LAPS, TAG(w), (STATE(w) == CLAIMED -> MORE(COUNT(w)) : COUNT(w)), WAITING, 0)
#else
			word[(o) % W] = WORD(LAP(o) % LAPS, TAG(w), COUNT(w), WAITING, 0)
#endif
		:: else
		fi
	}
}

/* All of our slot's, whatever the seq. */
inline give_back_slot()
{
	d_step { RUNS; k = 0; base = floor }
	do
	:: k == W -> break
	:: else ->
		d_step {
			RUNS;
			o = base + (k + W - base % W) % W;
			done = !(IS_HELD(word[k]) && SLOT(LOW(word[k])) == me)
		}
		do
		:: done -> break
		:: else ->
			look(o);
			if
			:: says == HELD && IS_HELD(w) && SLOT(LOW(w)) == me -> give_back(o, who == holder[me])
			:: else -> done = true
			fi
		od;
		k++
	od;
	atomic { k = 0; base = 0; o = 0; w = 0; says = 0; done = false }
}

/* Goes round until its CAS succeeds: as one step. */
inline begin_lease()
{
	d_step {
		RUNS;
		q = (SEQ(lease[me]) + 1) % SEQS;
		lease[me] = LEASE(q, LIVE);
		newest[me]++;
		holder[me] = who
	}
}

inline rejoin()
{
#if defined(NO_GIVE_BACK)
	begin_lease()
#elif defined(SEQ_FIRST)
	begin_lease();
	give_back_slot()
#else
	give_back_slot();
	begin_lease()
#endif
}

inline join()
{
	/* Nobody but this session writes what it looks at here, but for LIVE -> BROKEN. */
	d_step { RUNS; assert(session[me] != who || (IS(lease[me]) != LIVE && IS(lease[me]) != BROKEN)) }
#ifdef SEQ_FIRST
	d_step { RUNS; session[me] = who }
	rejoin()
#else
	give_back_slot();
	d_step { RUNS; session[me] = who }
	begin_lease()
#endif
}

inline leave()
{
	give_back_slot();
	d_step { RUNS; w = lease[me] }
	do
	:: SEQ(w) != q -> break
	:: else ->
		d_step {
			RUNS;
			done = (lease[me] == w);
			if
			:: done -> lease[me] = LEASE(q, LEFT)
			:: else -> w = lease[me]
			fi
		}
		if
		:: done -> break
		:: else
		fi;
#ifdef LEAVE_ONCE
		break
#endif
	od;
	atomic { w = 0; done = false }
}

/* Over DONE words, not beyond what can have been claimed. */
inline advance()
{
	d_step { RUNS; limit = hint }
	d_step { RUNS; o = floor }
	do
	:: o >= limit -> break
	:: else ->
		look(o);
		if
#ifdef FLOOR_OVER
		:: says == IS_DONE || says == BELOW || (says == HELD && STATE(w) == WAITING) -> o++
		:: else -> break
#else
		:: says == IS_DONE || says == BELOW -> o++
		:: else -> break
#endif
		fi
	od;
	atomic {
		RUNS;
		if
		:: o > floor -> floor = o
		:: else
		fi;
		o = 0; limit = 0; w = 0; says = 0
	}
}

/* A run from the hint on: row to row_end. */
inline reserve()
{
	d_step { RUNS; h = hint; done = false }
	d_step {
		RUNS;
		if
#ifndef ROOM_WRAPS
		:: h < floor -> room = floor - h
#else
		:: h < floor -> room = 0
#endif
		:: h >= floor && h - floor < W -> room = W - (h - floor)
		:: else -> room = 0
		fi;
		if
		:: room > RUN -> room = RUN
		:: else
		fi;
		if
		:: h + room > MESSAGES -> room = MESSAGES - h
		:: else
		fi
	}
	if
	:: room == 0
	:: else ->
		d_step {
			RUNS;
			if
			:: hint == h -> hint = h + room; row = h; row_end = h + room
			:: else
			fi
		}
	fi;
	d_step { h = 0; room = 0 }
}

/* Of a message that is FREE or WAITING, from w; done: it is ours. */
inline claim(o)
{
	d_step {
		RUNS;
		done = (word[(o) % W] == w);
		if
		:: done ->
			x = (says == FREE -> 0 : COUNT(w));
			if
			:: says == FREE -> assert(STATE(w) == DONE); about[(o) % W] = o
			:: else -> assert(about[(o) % W] == o)
			fi;
			assert(!acked[o] && x == begun[o]);
#if MANUAL
			w = WORD(LAP(o) % LAPS, NEXT_TAG(w), x, CLAIMED, OWNER(me, q));
#else
			w = WORD(LAP(o) % LAPS, NEXT_TAG(w), MORE(x), WORKING, OWNER(me, q));
			begun[o] = MORE(begun[o]);
#endif
			word[(o) % W] = w;
			truth[(o) % W] = newest[me];
			attempt = MORE(x);
			x = 0
		:: else
		fi
	}
}

/* done: it is still ours, and w is its word. */
inline find_word(o)
{
	look(o);
	if
	:: says == HELD && IS_HELD(w) && LOW(w) == OWNER(me, q) &&
	   (STATE(w) == WORKING -> COUNT(w) : MORE(COUNT(w))) == attempt ->
		d_step { RUNS; done = (lease[me] == LEASE(q, LIVE)) }
	:: else -> done = false
	fi
}

inline start(o)
{
	find_word(o);
	if
	:: done ->
		d_step {
			RUNS;
			if
			:: word[(o) % W] == w ->
				assert(about[(o) % W] == o && truth[(o) % W] == newest[me]);
				begun[o] = MORE(begun[o]);
				word[(o) % W] = WORD(LAP(o) % LAPS, TAG(w), MORE(COUNT(w)), WORKING, LOW(w))
			:: else
			fi
		}
	:: else
	fi
}

inline ack(o)
{
	find_word(o);
	if
	:: done ->
		d_step {
			RUNS;
			if
			:: word[(o) % W] == w ->
				assert(about[(o) % W] == o && !acked[o] && truth[(o) % W] == newest[me]);
				acked[o] = true;
				word[(o) % W] = WORD(LAP(o), TAG(w), COUNT(w), DONE, 0)
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
	:: done ->
		d_step {
			RUNS;
			if
			:: word[(o) % W] == w ->
				assert(about[(o) % W] == o && truth[(o) % W] == newest[me]);
				if
				:: STATE(w) == WORKING -> begun[o] = LESS(begun[o]); x = LESS(COUNT(w))
				:: else -> x = COUNT(w)
				fi;
				word[(o) % W] = WORD(LAP(o) % LAPS, TAG(w), x, WAITING, 0);
				x = 0
			:: else
			fi
		}
	:: else
	fi
}

/* Ours: done. What becomes of it. */
inline finish(o)
{
#if MANUAL
	if
	:: start(o)
	:: true		/* acked, or released, as it is */
	fi;
#endif
	if
	:: ack(o)
#if RELEASES
	:: release(o)
#endif
	fi
}

proctype Consumer(byte who; byte rounds)
{
	short w;
	byte me, q, says, k, o, base, limit, h, room, row, row_end, x, attempt, m;
	bool done, gone;

	me = (who == SECOND -> 1 : 0);
	join();
	do
	:: rounds == 0 -> break
	:: else ->
		rounds--;
		d_step { RUNS; done = (lease[me] == LEASE(q, LIVE)) }
		if
		:: !done -> row = row_end; rejoin()
		:: else
		fi;
		if
		:: row < row_end || hint < MESSAGES ->
			if
			:: row == row_end -> advance(); reserve()
			:: else
			fi;
			done = false;
			if
			:: row < row_end ->
				m = row;
				look(m);
				if
				:: says == FREE -> row++; claim(m)
				:: says == BEYOND
				:: else -> row++
				fi
			:: else
			fi
		:: true ->
			/* A sweep; of one word, chosen by the model. */
			d_step { RUNS; done = false; limit = hint }
			if
			:: limit > 0 -> m = 0
			:: limit > 1 -> m = 1
#if MESSAGES > 2
			:: limit > 2 -> m = 2
#endif
#if MESSAGES > 3
			:: limit > 3 -> m = 3
#endif
			:: limit == 0 -> m = 0
			fi;
			if
			:: m < limit ->
				look(m);
				if
				:: says == FREE || (says == HELD && STATE(w) == WAITING) -> claim(m)
				:: else
				fi
			:: else
			fi;
			limit = 0
		fi;
		if
		:: done -> finish(m)
		:: else
		fi;
		d_step { w = 0; says = 0; m = 0; attempt = 0; done = false }
	od;
#if LEAVES
	if
	:: who == SECOND && x == 0 ->
		if
		:: row < row_end ->
			d_step {
				RUNS;
				if
				:: hint == row_end -> hint = row
				:: else
				fi;
				row = 0; row_end = 0
			}
		:: else
		fi;
		leave();
		join();
		advance()
	:: else
	fi;
#endif
	atomic { q = 0; row = 0; row_end = 0; done = false; gone = false; w = 0; x = 0; says = 0 }
}

proctype Clock(byte who)
{
	byte n;

	do
	:: n == BREAKS -> break
	:: n < BREAKS ->
		d_step {
			RUNS && IS(lease[0]) == LIVE;
			lease[0]++;
			n++
		}
	:: n < BREAKS ->
		d_step {
			RUNS && IS(lease[1]) == LIVE;
			lease[1]++;
			n++
		}
	od;
	n = 0
}

proctype Mourner(byte who)
{
	byte l, s;

#ifdef SESSION_FIRST
	d_step { RUNS; s = session[0] }
	d_step { RUNS; l = lease[0] }
#else
	d_step { RUNS; l = lease[0] }
	d_step { RUNS; s = session[0] }
#endif
	if
	:: IS(l) == LIVE && DEAD(s) ->
		d_step {
			RUNS;
			if
			:: lease[0] == l -> assert(DEAD(holder[0])); lease[0]++
			:: else
			fi
		}
	:: else
	fi;
	d_step { l = 0; s = 0 }
}

inline sweep_word(o)
{
	look(o);
#if WAKE
	if
	:: o == 0 && says == FREE ->
		d_step {
			RUNS;
			if
			:: word[0] == w ->
				about[0] = 0; begun[0] = 1; truth[0] = 1;
				word[0] = WORD(LAP(0) % LAPS, NEXT_TAG(w), 1, WORKING, OWNER(0, 1))
			:: else
			fi
		}
		look(o)
	:: else
	fi;
#endif
	if
	:: says == HELD && IS_HELD(w) ->
		look_at_owner(o);
		if
		:: gone -> give_back(o, false)
		:: else
		fi
	:: else
	fi
}

proctype Sweeper(byte who)
{
	short w;
	byte says, m;
	bool gone, done;

	if
	:: m = 0
#if !WAKE
	:: m = 1
#if MESSAGES > 2
	:: m = 2
#endif
#endif
	fi;
	sweep_word(m);
	d_step { w = 0; says = 0; m = 0; gone = false; done = false }
}

proctype Solo(byte who)
{
	short w;
	byte me, q, says, o, limit, h, room, row, row_end, x, attempt, m, tries;
	bool done, gone;

	atomic {
		solo = true;
		/* In time the leases of all others run out. */
		if
		:: IS(lease[0]) == LIVE -> lease[0]++
		:: else
		fi;
		if
		:: IS(lease[1]) == LIVE -> lease[1]++
		:: else
		fi;
		me = 2; q = 1; lease[2] = LEASE(1, LIVE); newest[2] = 1; holder[2] = ALONE;
		do
		:: tries == MESSAGES + 1 -> break
		:: else ->
			tries++;
			m = floor;
			do
			:: m >= hint -> break
			:: else ->
				sweep_word(m);
				look(m);
				if
#ifdef NO_FREE_SWEPT
				:: says == HELD && STATE(w) == WAITING -> claim(m); ack(m)
#else
				:: says == FREE || (says == HELD && STATE(w) == WAITING) -> claim(m); ack(m)
#endif
				:: else
				fi;
				m++
			od;
			advance();
			reserve();
			do
			:: row == row_end -> break
			:: else ->
				look(row);
				if
				:: says == FREE -> claim(row); ack(row)
				:: else
				fi;
				row++
			od;
			advance()
		od;
		m = 0;
		do
		:: m == MESSAGES -> break
		:: else -> assert(acked[m]); m++
		od
	}
}

#if KILLS
proctype Killer()
{
	do
	:: now == KILLS -> break
	:: else -> atomic { session[0] == now -> now++; run Consumer(now, ROUNDS) }
	od
}
#endif

init {
	byte n;

	atomic {
#if WAKE
		/* What the first consumer has put into the return log, and not made a word of. */
		newest[0] = 1; lease[0] = LEASE(1, LIVE); session[0] = 0; hint = 1; now = 1;
		run Consumer(1, ROUNDS);
#else
		run Consumer(FIRST, ROUNDS);
#endif
		if
		:: OTHERS > 0 -> run Consumer(SECOND, OTHERS)
		:: else
		fi;
		if
		:: BREAKS > 0 -> run Clock(OTHER)
		:: else
		fi;
		if
		:: MOURNERS > 0 -> run Mourner(OTHER)
		:: else
		fi;
		do
		:: n < SWEEPERS -> run Sweeper(OTHER); n++
		:: else -> break
		od;
#if KILLS
		run Killer();
#endif
#if SOLO
		run Solo(ALONE);
#endif
		n = 0
	}
}
