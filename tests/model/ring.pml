/* SPDX-License-Identifier: MIT */
/*
 * ring.pml - one log: link, read, reclaim, and readers that come and go.
 *
 * Slots {lap|unit}, head {gen|pos}, one reader word with one gate; memory below head is written
 * over by later frames, in two steps, so that a late reader sees torn bytes.
 *
 *   Publisher  fills a frame and links it; finds the log full: reclaims; finds itself blocked:
 *              overruns a live reader or kicks one that is attaching ("after a second" is
 *              "whenever it likes" here). With HOLD it overruns nobody
 *   Reclaimer  any other publisher, seen only where it moves head: once, at any time
 *   Purger     moves head to the newest frame whatever readers need, once
 *   Reader     attaches, reads to the end, leaves; the next one takes the same reader word
 *   Mistake    takes a live reader for dead (it closed its lock) and frees its word: the former
 *              owner goes on
 *   Freeze     with SOLO: at any moment everybody but one publisher stops for good
 *
 * Claims (assertions)
 *   - a reader never hands out bytes of another frame as frame i
 *   - a live reader that was neither overrun nor taken for dead misses nothing from where it began,
 *     but for what was purged; the first reader of all begins at the first frame (VIRGIN)
 *   - such a reader's gate is its own: nobody else's CAS ever makes its own one fail
 *   - two frames never stand at one position; no position is left out; offsets have no gaps
 *   - no false alarm: a header that does not fit, or a head beyond the slot where one wants to link, is
 *     only ever seen beside a slot that has changed; a slot of a later lap only below head
 *   - SOLO: the publisher that is left alone is done after a bounded number of steps
 *
 * Flags that break one rule each: README.md.
 */
#ifndef PUBS
#define PUBS 2
#endif
#ifndef FRAMES
#define FRAMES 2	/* per publisher */
#endif
#ifndef READERS
#define READERS 1	/* one after the other */
#endif
#ifndef RECLAIMERS
#define RECLAIMERS 0
#endif
#ifndef PURGERS
#define PURGERS 0
#endif
#ifndef MISTAKES
#define MISTAKES 0
#endif
#ifndef VIRGIN
#define VIRGIN 0
#endif
#ifndef SOLO
#define SOLO 0
#endif
#ifndef KICKS
#define KICKS 1		/* bounds the incarnations */
#endif
#define NSLOT	2

#define TOTAL	(PUBS * FRAMES)
#define UNITS	(NSLOT + PUBS)	/* what is readable, and one in each publisher's hands */
#define NONE	15		/* gate position: holds nothing */

/* Slot word. Position i stands in slot i % NSLOT with lap i / NSLOT + 1; 0 is empty. */
#define SLOT(i, u)	(((i) / NSLOT + 1) * 8 + (u))
#define LAP(w)		((w) / 8)
#define UNIT(w)		((w) % 8)
#define LAP_OF(i)	((i) / NSLOT + 1)

/* Frame header: {position, end offset}. Frames hold one or two messages. */
#define HEADER(i, e)	((i) * 16 + (e) + 1)
#define H_POS(h)	(((h) - 1) / 16)
#define H_END(h)	(((h) - 1) % 16)
#define COUNT(id)	(1 + (id) % 2)

/* Head word, reader word, gate. */
#define HEAD(g, p)	((g) * 16 + (p))
#define GEN(h)		((h) / 16)
#define POS(w)		((w) % 16)
#define FREE		0
#define CREATING	1
#define LIVE		2
#define READER(s, inc)	((inc) * 3 + (s))
#define STATE(w)	((w) % 3)
#define INC(w)		((w) / 3)
#ifdef NO_INCARNATION
#define GATE(inc, p)	(p)
#define IS_OF(g, inc)	true
#else
#define GATE(inc, p)	((inc) * 16 + (p))
#define IS_OF(g, inc)	((g) / 16 == (inc))
#endif

byte slot[NSLOT];
byte header[UNITS], payload[UNITS];	/* the pool */
byte head = HEAD(0, 0);
byte reader = READER(FREE, 0);
byte gate = GATE(0, 0);
bool virgin = VIRGIN;			/* nobody has read this log: holds everything */

/* What the model knows and the processes do not. */
byte linked[TOTAL];	/* id of the frame linked at a position */
byte last_end;		/* offset behind the newest message */
bool held[UNITS];	/* in a publisher's hands */
byte last[UNITS];	/* one past the position that stands in it */
byte overrun;		/* bit inc */
byte written_off;	/* bit inc: taken for dead while alive */
byte purged;		/* what was below this was purged */
bool was_read;		/* a reader has gone live */
byte kicks = KICKS;
bool solo;

#define MAY_MISS(inc, r)	((overrun | written_off) & (1 << (inc)) || (r) < purged)
#define MAY_LOSE_GATE(inc)	((overrun | written_off) & (1 << (inc)))
#define OTHERS_RUN		(!solo)
#define MY_TURN			(!solo || me == 0)

inline cas(its_word, its_old, its_new, its_ok)
{
	d_step {
		MY_TURN;
		if
		:: its_word == its_old -> its_word = its_new; its_ok = true
		:: else -> its_ok = false
		fi
	}
}

/* What extent.pml shows: memory is handed out when nothing in it is at or above head. */
inline take_memory(its_unit, its_id)
{
	d_step {
		its_unit = 0;
		do
		:: held[its_unit] || last[its_unit] > POS(head) -> its_unit++
		:: else -> break
		od;
		held[its_unit] = true;
		payload[its_unit] = its_id
	}
}

inline kick(its_word)
{
	d_step {
		MY_TURN;
		if
		:: reader == its_word -> reader = READER(FREE, INC(its_word)); kicks--
		:: else
		fi
	}
}

inline overrun_reader(its_word, its_gate)
{
	d_step {
		MY_TURN;
		if
		:: gate == its_gate ->
			gate = GATE(INC(its_word), NONE);
			overrun = overrun | (1 << INC(its_word))
		:: else
		fi
	}
}

/* Moves head, as far as readers and the newest frame allow, or makes room by force. */
inline reclaim(its_newest)
{
	h = head;
	to = its_newest;
	x = 0;
#if VIRGIN
	if
	:: virgin -> to = POS(h)
	:: else
	fi;
#endif
	w = reader;
	if
	:: STATE(w) == FREE
#ifdef NO_CREATING_HOLD
	:: STATE(w) == CREATING
#else
	:: STATE(w) == CREATING ->
		to = POS(h);
		if
		:: kicks > 0 || solo -> kick(w)
		:: OTHERS_RUN
		fi
#endif
	:: STATE(w) == LIVE ->
		x = gate;
		if
		:: !IS_OF(x, INC(w)) -> to = POS(h)
		:: else ->
			d_step {
				if
				:: POS(x) != NONE && POS(x) < to -> to = POS(x)
				:: else
				fi
			}
		fi;
#ifndef HOLD
		if
		:: to <= POS(h) && IS_OF(x, INC(w)) && POS(x) != NONE -> overrun_reader(w, x)
		:: OTHERS_RUN || !(to <= POS(h) && IS_OF(x, INC(w)) && POS(x) != NONE)
		fi
#endif
	fi;
	if
	:: to > POS(h) ->
#ifdef NO_GEN
		d_step {
			if
			:: POS(head) == POS(h) -> head = HEAD(GEN(head), to)
			:: else
			fi
		}
#else
		cas(head, h, HEAD(GEN(h), to), ok)
#endif
	:: else
	fi
}

proctype Publisher(byte me)
{
	byte u, i, k, h, w, x, y, to, base, tries;
	bool ok, known;

	do
	:: k == FRAMES -> break
	:: else ->
		take_memory(u, me * FRAMES + k + 1);
again:
#if SOLO
		if
		:: solo && me == 0 -> tries++; assert(tries < 16)
		:: OTHERS_RUN
		fi;
#endif
		w = slot[i % NSLOT];
		if
#ifdef LAP_UNORDERED
		:: LAP(w) == LAP_OF(i) ->
#else
		:: LAP(w) >= LAP_OF(i) ->	/* taken; by a later lap: we are far behind */
#endif
			i = (LAP(w) - 1) * NSLOT + i % NSLOT + 1;
#ifndef BASE_KEPT
			known = false;
#endif
			goto again
		:: else
		fi;
		if
		:: i >= NSLOT ->
			h = head;
			if
			:: POS(h) > i ->
				assert(slot[i % NSLOT] != w);
				known = false;
				goto again
			:: POS(h) <= i && i - POS(h) >= NSLOT -> reclaim(i - 1); goto again
			:: POS(h) <= i && i - POS(h) < NSLOT
			fi
		:: else
		fi;
		if
		:: known
		:: !known && i == 0 -> base = 0
		:: !known && i > 0 ->
			x = slot[(i - 1) % NSLOT];
			y = header[UNIT(x)];
			if
			:: y == 0 || H_POS(y) != i - 1 ->
				assert(slot[i % NSLOT] != w);
				goto again
			:: else -> base = H_END(y)
			fi
		fi;
#ifdef CAS_UNCHECKED
		w = slot[i % NSLOT];
#endif
#ifndef CLAIM_THEN_FILL
		header[u] = HEADER(i, base + COUNT(me * FRAMES + k + 1));
#endif
		atomic {
#if SOLO
			MY_TURN;
#endif
			if
			:: slot[i % NSLOT] == w ->
				slot[i % NSLOT] = SLOT(i, u);
				assert(linked[i] == 0);
				assert(i == 0 || linked[i - 1] != 0);
				assert(base == last_end);
				linked[i] = me * FRAMES + k + 1;
				last_end = base + COUNT(me * FRAMES + k + 1);
				base = last_end;
				known = true
			:: else ->
#ifdef BASE_KEPT
				known = true;
#else
				known = false;
#endif
				goto again
			fi
		}
#ifdef CLAIM_THEN_FILL
		header[u] = HEADER(i, base);
#endif
		d_step { held[u] = false; last[u] = i + 1; k++; i++ }
	od
}

proctype Reclaimer(byte me)
{
	byte i, h, w, x, to;
	bool ok;

end:	d_step {
		linked[1] != 0;
		i = 1;
		do
		:: i + 1 < TOTAL && linked[i + 1] != 0 -> i++
		:: else -> break
		od
	}
	reclaim(i)
}

proctype Purger(byte me)
{
	byte i, h, w, x;
	bool ok;

end:	d_step {
		linked[1] != 0;
		i = 1;
		do
		:: i + 1 < TOTAL && linked[i + 1] != 0 -> i++
		:: else -> break
		od
	}
	do
	:: h = head;
	   if
	   :: POS(h) >= i -> break
	   :: else
	   fi;
	   w = reader;
	   if
	   :: STATE(w) == CREATING ->
		if
		:: kicks > 0 -> kick(w)
		:: else
		fi
	   :: STATE(w) == LIVE ->
		x = gate;
		if
#ifdef FOREIGN_GATE
		:: !IS_OF(x, INC(w)) -> cas(gate, x, GATE(INC(w), NONE), ok)
#else
		:: !IS_OF(x, INC(w))	/* another reader by now: look again */
#endif
		:: IS_OF(x, INC(w)) && POS(x) < i ->
			d_step {
				if
				:: gate == x ->
#ifdef PURGE_OVERRUNS
					gate = GATE(INC(w), NONE);
#else
					gate = GATE(INC(w), i);
#endif
					purged = i
				:: else
				fi
			}
		:: IS_OF(x, INC(w)) && POS(x) >= i ->
			cas(head, h, HEAD(GEN(h), i), ok)
		fi
	   :: STATE(w) == FREE ->
		cas(head, h, HEAD(GEN(h), i), ok)
	   fi
	od
}

proctype Reader()
{
	byte inc, r, g, w, h, x, c, d;
	bool ok;

attach:
	atomic {
		STATE(reader) == FREE;
		w = reader
	}
	inc = INC(w) + 1;
	atomic {
		OTHERS_RUN;
		if
		:: reader == w -> reader = READER(CREATING, inc)
		:: else -> goto attach
		fi
	}
#ifdef VIRGIN_EARLY
	virgin = false;
#endif
#ifndef NO_GEN
	h = head;
	do
	:: atomic {
		OTHERS_RUN;
		if
		:: head == h -> head = HEAD(GEN(h) + 1, POS(h)); break
		:: else -> h = head
		fi }
	od;
#endif
	h = head;
	r = POS(h);
#ifdef GATE_STORED
	gate = GATE(inc, r);
#else
	x = gate;
	do
	::
#ifndef GATE_UNCHECKED
	   if
	   :: reader != READER(CREATING, inc) -> goto attach	/* kicked */
	   :: else
	   fi;
#endif
	   atomic {
		OTHERS_RUN;
		if
		:: gate == x -> gate = GATE(inc, r); break
		:: else -> x = gate
		fi }
	od;
#endif
	atomic {
		OTHERS_RUN;
		if
		:: reader == READER(CREATING, inc) -> reader = READER(LIVE, inc)
		:: else -> goto attach	/* kicked */
		fi
	}
#if VIRGIN
	atomic { OTHERS_RUN; assert(was_read || r == 0); was_read = true; virgin = false }
#endif
	g = r;	/* our gate, as we last saw it */

	do
	:: r == TOTAL -> break
	:: else ->
		w = slot[r % NSLOT];
		if
		:: LAP(w) < LAP_OF(r) -> OTHERS_RUN
		:: LAP(w) > LAP_OF(r) ->
			assert(MAY_MISS(inc, r));
			goto passed
		:: LAP(w) == LAP_OF(r) ->
			c = header[UNIT(w)];
			d = payload[UNIT(w)];
#ifndef NO_HEAD_CHECK
			h = head;
			if
			:: POS(h) > r ->
				assert(MAY_MISS(inc, r));
				goto passed
			:: else
			fi;
#endif
			assert(H_POS(c) == r && d == linked[r]);
			r++;
raise:			if
			:: r <= g	/* purged further than we have read */
			:: else ->
				atomic {
					OTHERS_RUN;
					if
					:: gate == GATE(inc, g) -> gate = GATE(inc, r); g = r
					:: gate != GATE(inc, g) && IS_OF(gate, inc) && POS(gate) != NONE ->
						g = POS(gate);	/* purged: our gate was raised for us */
						goto raise
					:: else ->
						assert(MAY_LOSE_GATE(inc));
						break
					fi
				}
			fi
		fi;
		goto next;
passed:		h = head;
		assert(POS(h) > r);
		if
		:: POS(h) > r && !MAY_LOSE_GATE(inc) -> r = POS(h)
		:: else -> break
		fi;
next:		skip
	od;
	atomic {
		OTHERS_RUN;
		if
		:: reader == READER(LIVE, inc) -> reader = READER(FREE, inc)
		:: else
		fi
	}
}

proctype Mistake()
{
end:	atomic {
		STATE(reader) == LIVE -> written_off = written_off | (1 << INC(reader));
		reader = READER(FREE, INC(reader))
	}
}

proctype Freeze()
{
	solo = true
}

init {
	byte n;

	atomic {
		do
		:: n < PUBS -> run Publisher(n); n++
		:: else -> break
		od;
		n = 0;
		do
		:: n < READERS -> run Reader(); n++
		:: else -> break
		od;
		n = 0;
		do
		:: n < RECLAIMERS -> run Reclaimer(PUBS); n++
		:: else -> break
		od;
#if PURGERS
		run Purger(PUBS);
#endif
#if MISTAKES
		run Mistake();
#endif
#if SOLO
		run Freeze();
#endif
		n = 0
	}
}
