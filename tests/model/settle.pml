/* SPDX-License-Identifier: MIT */
/*
 * settle.pml - a frame that acknowledges the message it was made from: both happen, or neither.
 *
 * The target log: slots {lap|unit}, here {position|unit}, and head. Per session slot one intent in it:
 * control {seq|IDLE, ARMED, WON, LOST} and the fields {own slot word, null slot word, input}, twice. The
 * inputs are window words {tag|state|session slot}. Leases can break at any moment.
 *
 *   Consumer   claims an input, arms, makes it SETTLING, links, ends: as often as it has settles. There are
 *              two; with REUSE the first one is killed anywhere, and its session slot has a successor, that
 *              may be of another group: it does not know the input that its predecessor left
 *   Resolver   takes a consumer's lease for broken: gives back what is WORKING, resolves what is SETTLING
 *   Publisher  links frames of its own
 *   Reclaimer  moves head to the newest frame
 *   Heir       takes over the memory that the killed consumer has left, and writes into it
 *   Solo       with SOLO: a consumer that stays when all others stop anywhere, for good
 *
 * Claims (assertions)
 *   - an input has one output at most; it is DONE when that is linked, never without, and never given back
 *     with it; nothing is linked that was given back before
 *   - a frame is linked behind the newest one, never over one that is not reclaimed; a null frame's memory
 *     says what it should when it is linked, and is not written as long as it is in the log
 *   - SOLO: the consumer that is left alone gets every input to DONE or WAITING, also when the log is full
 *
 * Flags that break one rule each: README.md.
 */
#ifndef SETTLES
#define SETTLES 2	/* of the first consumer */
#endif
#ifndef OTHERS
#define OTHERS 1	/* settles of the second one */
#endif
#ifndef REUSE
#define REUSE 0		/* settles of the first one's successor */
#endif
#ifndef HEIRS
#define HEIRS 0
#endif
#ifndef RESOLVERS
#define RESOLVERS 1
#endif
#ifndef LOOKS
#define LOOKS 1		/* of one resolver */
#endif
#ifndef FRAMES
#define FRAMES 1	/* of the publisher */
#endif
#ifndef RECLAIMS
#define RECLAIMS 1
#endif
#ifndef SOLO
#define SOLO 0
#endif
#ifndef INPUTS
#define INPUTS 2
#endif
#define NSLOT	2

/* Slot word. Positions 0 and 1 are there from the beginning. */
#define SLOT(p, u)	((p) * 16 + (u))
#define POS(w)		((w) / 16)
#define UNIT(w)		((w) % 16)
#define FRAME(who)	(who)			/* units: 0 to 2 the consumers' frames, one each */
#define NULLS		3			/* then so many null frames each */
#define NULL(who, n)	(3 + (who) * NULLS + (n))
#define IS_NULL(u)	((u) >= 3 && (u) < 3 + 3 * NULLS)
#define OTHER		(3 + 3 * NULLS)		/* a publisher's */

/* Window word. */
#define WAITING		0
#define WORKING		1
#define SETTLING	2
#define DONE		3
#define OWNED(s, l)	((s) + SEQ_OF(l) % 4 * 2)	/* by a session slot, with its lease */
#define WORD(t, st, o)	((t) * 32 + (st) * 8 + (o))
#define TAG(w)		((w) / 32)
#define STATE(w)	(((w) / 8) % 4)
#define OWNER(w)	((w) % 2)
#define OWNED_BY(w)	((w) % 8)

/* Lease word. */
#define INTACT(q)	((q) * 2)
#define BROKEN(q)	((q) * 2 + 1)
#define SEQ_OF(l)	((l) / 2)
#define IS_BROKEN(l)	((l) % 2)
#define LEASE_OF(w)	INTACT(((w) / 2) % 4)

/* Control word. */
#define IDLE		0
#define ARMED		1
#define WON		2
#define LOST		3
#define CONTROL(q, st)	((q) * 4 + (st))
#define SEQ(c)		((c) / 4)
#define IS(c)		((c) % 4)
#ifdef ONE_BUFFER
#define AT(s, q)	(s)
#else
#define AT(s, q)	((s) * 2 + (q) % 2)
#endif

byte slot[NSLOT];
byte head = 1;
byte control[2];
byte own[4], null[4], input[4];	/* the fields */
byte word[INPUTS];
byte lease[2] = INTACT(1);
byte written[3 + 3 * NULLS];	/* a null frame's memory: the position that is written in it */

/* What the model knows and the processes do not. */
bool linked[INPUTS];
byte armed[2];		/* lease seq that the intent was armed with */
bool held;		/* the memory of the first consumer's frame is in its hands */
bool dead;		/* the first consumer */
bool solo;

#define FIRST		0
#define SECOND		1
#define SUCCESSOR	2
#define SLOT_OF(who)	((who) % 2)
#define ALONE		3
#define RUNS		((!solo || who == ALONE) && !(dead && who == FIRST))

#define NEWEST	(POS(slot[0]) > POS(slot[1]) -> POS(slot[0]) : POS(slot[1]))

#define IN_LOG(u)	((POS(slot[0]) >= head && UNIT(slot[0]) == (u)) || \
			 (POS(slot[1]) >= head && UNIT(slot[1]) == (u)))

/* CAS of a slot from a word of an earlier lap to a null frame. */
inline link_null(its_position, its_old, its_new)
{
	if
	:: slot[its_position % NSLOT] == its_old ->
		assert(POS(its_old) < head && NEWEST + 1 == its_position);
		assert(POS(its_new) == its_position && written[UNIT(its_new)] == its_position);
		slot[its_position % NSLOT] = its_new
	:: else
	fi
}

/* CAS of an input from w. */
inline give_back(k, w)
{
	if
	:: word[k] == w -> assert(!linked[k]); word[k] = WORD(TAG(w), WAITING, 0)
	:: else
	fi
}

inline finish(k, w)
{
	if
	:: word[k] == w -> assert(linked[k]); word[k] = WORD(TAG(w), DONE, 0)
	:: else
	fi
}

/* Memory of null frames, in a consumer's hands: nobody may see what is written into it. */
inline write_null(its_unit, its_position)
{
	assert(!IN_LOG(its_unit));
	written[its_unit] = its_position
}

/* One look at an input whose owner's lease is broken. */
inline resolve(k)
{
	d_step { RUNS; w = word[k] }
	if
	:: STATE(w) == WORKING || STATE(w) == SETTLING ->
		d_step {
			RUNS;
			if
			:: lease[OWNER(w)] == LEASE_OF(w) -> lease[OWNER(w)]++
			:: else		/* it is broken, or the next one's already */
			fi
		}
	:: else
	fi;
	if
	:: STATE(w) == WORKING -> d_step { RUNS; give_back(k, w) }
	:: STATE(w) == SETTLING ->
		d_step { RUNS; c = control[OWNER(w)] }
		if
		:: IS(c) == ARMED ->
			d_step { RUNS; m = own[AT(OWNER(w), SEQ(c))] }
			d_step { RUNS; z = null[AT(OWNER(w), SEQ(c))] }
#ifndef NO_CONTROL_RECHECK
			d_step { RUNS; x = control[OWNER(w)] }
			if
			:: x != c -> goto resolved
			:: else
			fi;
#endif
#ifndef NO_WORD_RECHECK
			d_step { RUNS; x = word[k] }
			if
			:: x != w -> goto resolved
			:: else
			fi;
#endif
#ifndef NO_NULL
			d_step { RUNS; x = slot[POS(m) % NSLOT] }
			if
#ifdef NO_ROOM
			:: POS(x) < POS(m) && POS(m) - head < NSLOT -> d_step { RUNS; link_null(POS(m), x, z) }
#else
			:: POS(x) < POS(m) -> d_step { RUNS; link_null(POS(m), x, z) }
#endif
			:: else
			fi;
#endif
			d_step { RUNS; x = slot[POS(m) % NSLOT] }
			if
			:: x == m -> d_step { RUNS; finish(k, w) }
#ifndef NO_NULL
			:: POS(x) < POS(m)
			:: x != m && POS(x) >= POS(m) ->
#else
			:: else ->
#endif
				d_step {
					RUNS;
					if
					:: control[OWNER(w)] == c ->
						control[OWNER(w)] = CONTROL(SEQ(c), LOST);
						assert(lease[OWNER(w)] != INTACT(armed[OWNER(w)]))
					:: else -> w = 0
					fi
				}
				if
				:: w != 0 -> d_step { RUNS; give_back(k, w) }
				:: else
				fi
			fi
		:: else ->
#ifndef NO_WORD_RECHECK
			d_step { RUNS; x = word[k] }
			if
			:: x != w -> goto resolved
			:: else
			fi;
#endif
			if
			:: IS(c) == WON -> d_step { RUNS; finish(k, w) }
			:: IS(c) != WON -> d_step { RUNS; give_back(k, w) }
			fi
		fi
	:: else
	fi;
resolved:
	atomic { w = 0; c = 0; m = 0; z = 0; x = 0 }
}

/* The null frame of an intent whose owner is dead goes in, so that nobody puts it in later. */
inline close_position(s)
{
	d_step { RUNS; c = control[s] }
	if
	:: IS(c) == ARMED ->
		d_step { RUNS; m = own[AT(s, SEQ(c))] }
		d_step { RUNS; z = null[AT(s, SEQ(c))] }
		d_step { RUNS; x = slot[POS(m) % NSLOT] }
		if
		:: POS(x) < POS(m) ->
			d_step {
				RUNS;
				if
				:: control[s] == c
				:: else -> c = 0
				fi
			}
			if
			:: c != 0 -> d_step { RUNS; link_null(POS(m), x, z) }
			:: else
			fi
		:: else
		fi
	:: else
	fi;
	d_step { c = 0; m = 0; z = 0; x = 0 }
}

/* Memory for a frame. With POOL, that of the first consumer is publishers' when it does not hold it. */
inline take_memory()
{
#ifdef POOL
	d_step { RUNS && (who != FIRST || !IN_LOG(FRAME(FIRST))); held = held || who == FIRST }
#else
	skip
#endif
}

/* Where the log ends, and what stands there; waits until there is room. */
inline find_end()
{
	d_step { RUNS; p = NEWEST + 1; old = slot[p % NSLOT] }
#ifndef NO_ROOM
	d_step { RUNS && p - head < NSLOT }
#endif
}

inline write_fields(its_seq)
{
	d_step { RUNS; write_null(NULL(who, n), p) }
	d_step { RUNS; own[AT(me, its_seq)] = SLOT(p, FRAME(who)) }
	d_step { RUNS; null[AT(me, its_seq)] = SLOT(p, NULL(who, n)) }
	d_step { RUNS; input[AT(me, its_seq)] = in }
}

proctype Consumer(byte who; byte settles)
{
	byte me, in, q, v, p, old, n, w, c, m, z, x;

	me = SLOT_OF(who);
	if
	:: who == SUCCESSOR -> d_step { RUNS; lease[me] = INTACT(SEQ_OF(lease[me]) + 1) }
	:: else
	fi;
	do
	:: settles == 0 -> break
	:: else ->
		/* What is left here by a dead session of this slot. */
		if
		:: who == SUCCESSOR ->
#ifdef SEQ_RESTARTS
			q = 0
#endif
#ifndef NO_ADOPTION
adopt:			atomic { RUNS; c = control[me] }
			if
			:: IS(c) == IDLE -> q = SEQ(c)
			:: else ->
#if !defined(NO_CLOSE) && !defined(ADOPTED_OPEN)
				if
				:: IS(c) == ARMED -> close_position(me)
				:: else
				fi;
#endif
				d_step { RUNS; c = control[me]; in = input[AT(me, SEQ(c))] }
				d_step { RUNS; w = word[in] }
				if
				:: STATE(w) == SETTLING && OWNER(w) == me -> resolve(in); goto adopt
				:: else
				fi;
				d_step {
					RUNS;
					if
					:: control[me] == c -> control[me] = CONTROL(SEQ(c), IDLE)
					:: else
					fi
				}
				goto adopt
			fi
#else
			d_step { RUNS; q = SEQ(control[me]); control[me] = CONTROL(q, IDLE) }
#endif
#ifdef SEQ_RESTARTS
			; d_step { RUNS; q = 0; control[me] = CONTROL(0, IDLE) }
#endif
		:: else
		fi;
		d_step { c = 0; w = 0; in = 0 }

		/* Claim. With a broken lease: not before all is given back. */
		d_step {
			RUNS;
			if
			:: IS_BROKEN(lease[me]) -> lease[me]++
			:: else
			fi
		}
		atomic {
			RUNS;
			if
			:: STATE(word[0]) == WAITING -> in = 0
			:: INPUTS > 1 && STATE(word[INPUTS - 1]) == WAITING -> in = INPUTS - 1
			:: else -> break
			fi;
			word[in] = WORD(TAG(word[in]) + 1, WORKING, OWNED(me, lease[me]));
			v = word[in]
		}

#ifdef MEMORY_LATE
		find_end();
		take_memory();
#else
#ifdef POOL
		take_memory();
#endif
		find_end();
#endif
		write_fields(q + 1);
		d_step {
			RUNS;
			assert(control[me] == CONTROL(q, IDLE));
			q++;
			control[me] = CONTROL(q, ARMED);
			armed[me] = SEQ_OF(LEASE_OF(v))
		}
		atomic {
			RUNS;
			if
			:: word[in] == v -> v = WORD(TAG(v), SETTLING, OWNED_BY(v)); word[in] = v
			:: else -> goto idle	/* late */
			fi
		}
again:		atomic {
			RUNS;
			if
			:: slot[p % NSLOT] == old ->
				assert(POS(old) < head && NEWEST + 1 == p);
				assert(!linked[in] && word[in] == v);
				slot[p % NSLOT] = SLOT(p, FRAME(who));
				linked[in] = true
			:: else -> goto taken
			fi
		}
		d_step { RUNS; finish(in, v) }
		goto idle;

taken:		/* May the null frame be written again, or was it linked? */
#ifndef NULL_REUSED
		atomic {
			RUNS;
			if
			:: POS(slot[p % NSLOT]) == p && slot[p % NSLOT] != SLOT(p, NULL(who, n))
			:: else -> n++; assert(n < NULLS)
			fi
		}
#endif
		find_end();
#ifdef LINK_ANYWHERE
		goto again;
#endif
		write_fields(q + 1);
		atomic {
			RUNS;
#ifdef MOVE_STORED
			q++; control[me] = CONTROL(q, ARMED); goto again
#else
			if
			:: control[me] == CONTROL(q, ARMED) -> q++; control[me] = CONTROL(q, ARMED); goto again
			:: else -> assert(control[me] == CONTROL(q, LOST))
			fi
#endif
		}
#ifndef EARLY_IDLE
		d_step { RUNS; give_back(in, v) }
#endif

idle:		/* CAS from what it is: nobody but us goes on from WON and LOST. */
		atomic {
			RUNS;
			assert(SEQ(control[me]) == q);
			control[me] = CONTROL(q, IDLE);
			settles--
		}
		d_step {	/* the next one has another null frame */
			RUNS;
			if
			:: slot[p % NSLOT] == SLOT(p, NULL(who, n)) || POS(slot[p % NSLOT]) > p -> n++
			:: else
			fi;
			p = 0; old = 0; in = 0; v = 0;
			held = held && who != FIRST
		}
	od;
	atomic { in = 0; q = 0; v = 0; p = 0; old = 0; n = 0; w = 0; c = 0; m = 0; z = 0; x = 0 }
}

proctype Resolver(byte who)
{
	byte k, looks, w, c, m, z, x;

	do
	:: looks == LOOKS -> break
	:: else ->
		if
		:: k = 0
		:: INPUTS > 1 -> k = INPUTS - 1
		fi;
		resolve(k);
		looks++
	od;
	k = 0
}

proctype Publisher(byte who)
{
	byte frames, p, old;

	do
	:: frames == FRAMES -> break
	:: else ->
		d_step { RUNS; p = NEWEST + 1; old = slot[p % NSLOT] }
		d_step {
			RUNS && p - head < NSLOT;
			if
			:: slot[p % NSLOT] == old ->
				assert(POS(old) < head && NEWEST + 1 == p);
#ifdef POOL
				if
				:: !held && !IN_LOG(FRAME(FIRST)) -> slot[p % NSLOT] = SLOT(p, FRAME(FIRST))
				:: else -> slot[p % NSLOT] = SLOT(p, OTHER)
				fi;
#else
				slot[p % NSLOT] = SLOT(p, OTHER);
#endif
				frames++
			:: else
			fi;
			p = 0; old = 0
		}
	od
}

proctype Reclaimer(byte who)
{
	byte n, target, s, c, m;

	do
	:: n == RECLAIMS -> break
	:: else ->
		d_step { RUNS && NEWEST > head; target = NEWEST }
#ifndef NO_WON
		s = 0;
		do
		:: s == 2 -> break
		:: else ->
			d_step { RUNS; c = control[s] }
			if
			:: IS(c) == ARMED ->
				d_step { RUNS; m = own[AT(s, SEQ(c))] }
				d_step {
					RUNS;
					if
					:: POS(m) < target && slot[POS(m) % NSLOT] == m
					:: else -> m = 0
					fi
				}
				d_step {
					RUNS;
					if
					:: m != 0 && control[s] == c -> control[s] = CONTROL(SEQ(c), WON)
					:: else
					fi
				}
			:: else
			fi;
			d_step { s++; c = 0; m = 0 }
		od;
#endif
		atomic {
			RUNS;
			if
			:: target > head -> head = target
			:: else
			fi;
			target = 0;
			n++
		}
	od
}

/* Takes over the memory of the first consumer, which is dead. */
proctype Heir(byte who)
{
	byte n, c, m, z, x;

	dead;
#ifndef NO_CLOSE
	close_position(SLOT_OF(FIRST));
#endif
	d_step {	/* looks for its frames: extent.pml */
		RUNS;
		n = 0;
		do
		:: n == NULLS -> break
		:: else ->
			if
			:: IN_LOG(NULL(FIRST, n))
			:: else -> written[NULL(FIRST, n)] = 0
			fi;
			n++
		od;
		n = 0
	}
}

#if REUSE || HEIRS
proctype Killer()
{
	dead = true;
#if REUSE
	run Consumer(SUCCESSOR, REUSE)
#endif
}
#endif

proctype Solo(byte who)
{
	byte k, tries, w, c, m, z, x;

	solo = true;
	do
	:: k == INPUTS -> break
	:: k < INPUTS && (STATE(word[k]) == WAITING || STATE(word[k]) == DONE) ->
		assert(linked[k] == (STATE(word[k]) == DONE));
		k++;
		tries = 0
	:: else ->
		resolve(k);
		tries++;
		assert(tries < 4)
	od
}

init {
	byte n;

	atomic {
		slot[0] = SLOT(0, OTHER);
		slot[1] = SLOT(1, OTHER);
		run Consumer(FIRST, SETTLES);
		if
		:: OTHERS > 0 -> run Consumer(SECOND, OTHERS)
		:: else
		fi;
		do
		:: n < RESOLVERS -> run Resolver(SECOND); n++
		:: else -> break
		od;
		if
		:: FRAMES > 0 -> run Publisher(SECOND)
		:: else
		fi;
		if
		:: RECLAIMS > 0 -> run Reclaimer(SECOND)
		:: else
		fi;
		n = 0;
		do
		:: n < HEIRS -> run Heir(SECOND); n++
		:: else -> break
		od;
#if REUSE || HEIRS
		run Killer();
#endif
#if SOLO
		run Solo(ALONE);
#endif
		n = 0
	}
}
