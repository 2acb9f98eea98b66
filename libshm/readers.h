/* SPDX-License-Identifier: MIT */
/*
 * readers.h - who still needs which part of a topic: reader words and their gates.
 *
 *   FREE(inc) -> CREATING(inc+1, session)   holds everything
 *             -> bump the gen of every head: reclaimers that looked before this now fail
 *             -> its gates := positions from which nothing can vanish any more
 *             -> LIVE | HOLD                 its gates hold
 *             -> FREE(inc+1)                 by itself, or by whoever proves its session dead
 * A group's word goes FREE -> TENTATIVE -> GROUP -> FREE in the same way, but belongs to no session; its gates
 * are raised by any of its consumers.
 * A blocked publisher may kick a CREATING or TENTATIVE reader (-> FREE) and set a LIVE reader's gate to GATE_NONE
 * (overrun): both then find their own next CAS fail. Every arrow is one CAS.
 */
#ifndef SHMQ_READERS_H
#define SHMQ_READERS_H

#include "layout.h"
#include "session.h"

struct readers {
	struct bell_file *bell;
	const struct map *map;
	struct head_line *heads;
	atomic_u64 *gates; /* [READERS][partitions] */
	unsigned partitions;
	const struct session_place *place;
};

struct reader { /* one's own */
	unsigned index; /* 0: none */
	uint64_t word;  /* as last written */
};

static inline atomic_u64 *reader_gate(const struct readers *rs, unsigned reader, unsigned partition)
{
	return &rs->gates[(size_t)reader * rs->partitions + partition];
}

/* FREE -> CREATING on a free word, and gen of every head bumped: from now on nothing at or above
 * the heads vanishes. SHMQ_ELIMIT, SHMQ_ENOSPACE. */
int reader_claim(struct error *e, const struct readers *rs, uint64_t id, struct reader *out);

/* The same for a group: FREE -> TENTATIVE. */
int reader_claim_group(struct error *e, const struct readers *rs, uint64_t hash, uint64_t number,
                       struct reader *out);

/* Sets a gate while CREATING. False: kicked by a blocked publisher; start again. */
bool reader_gate_set(const struct readers *rs, const struct reader *r, unsigned partition,
                     uint64_t pos);

/* CREATING -> LIVE or HOLD, TENTATIVE -> GROUP; the first one also ends the virgin reader. False: kicked. */
bool reader_go_live(const struct readers *rs, struct reader *r, enum reader_state state);

/* Ends the virgin reader: the topic has one whose gates hold. */
void readers_end_virgin(const struct readers *rs);

/* Makes every reclaimer that looked at the readers before us fail: its CAS names the old gen. */
void readers_bump(const struct readers *rs);

/* Sets a group's gate to pos, unless it stands there or beyond in this incarnation. False: the word is another
 * one by now. Any number of consumers. */
bool reader_gate_lift(const struct readers *rs, unsigned index, uint64_t word, unsigned partition, uint64_t pos);

/* Gives a group's word another incarnation: its gates are void, and it holds everything from the heads on, once
 * the heads are bumped. False, and *word as it is: somebody was faster. */
bool reader_retag(const struct readers *rs, unsigned index, uint64_t *word, uint64_t incarnation);

/* A reader's word, if it still says this, -> FREE. */
void reader_free(const struct readers *rs, unsigned index, uint64_t word);

/* Raises an own gate; one that a purge or a publisher that drops the oldest has moved is raised from
 * where it stands. False: it was overrun (or is no longer ours). to may be GATE_NONE. */
bool reader_gate_raise(const struct readers *rs, const struct reader *r, unsigned partition,
                       uint64_t from, uint64_t to);

void reader_release(const struct readers *rs, struct reader *r);

/* Whoever holds one partition back most. */
struct holder {
	unsigned index;          /* of the reader word */
	uint64_t word;           /* 0: nobody */
	uint64_t gate;           /* its gate word */
	uint64_t pos;            /* it needs this position and everything behind it */
};

/* The lowest position that a reader needs, at most `newest`; *holder (may be NULL) is its reader.
 * Load head BEFORE this. */
uint64_t readers_floor(const struct readers *rs, unsigned partition, uint64_t head, uint64_t newest,
                       struct holder *holder);

/* Frees the holder's word if its session is proved dead: true when it is gone. */
bool reader_bury(const struct readers *rs, const struct holder *h);

/* Whether publishers have found the log held back like this for `for_ns`; notes it when not. */
bool reader_stands(const struct readers *rs, const struct holder *h, unsigned partition,
                   uint64_t boot_ns, uint64_t for_ns);

/* The holder has been seen like this long enough: overrun (LIVE) or kicked (CREATING). HOLD and VIRGIN
 * are left alone. True when it no longer holds. */
bool reader_push_aside(const struct readers *rs, const struct holder *h, unsigned partition);

/* All readers of a partition as they stand, and later: those that stand like that still and may be pushed
 * aside are. Returns how many. seen: READERS entries, the caller's. */
struct reader_seen {
	uint64_t word, gate;
};
void readers_note(const struct readers *rs, unsigned partition, struct reader_seen *seen);
unsigned readers_push_still(const struct readers *rs, unsigned partition, uint64_t newest,
                            const struct reader_seen *seen);

/* What is below `target` goes, wanted or not (purge, drop-old): moves up every gate that stands below
 * it. Readers go on holding from there, and find out by head. Who is attaching, and the virgin
 * reader, hold from head on: they need no moving. */
void readers_move_up(const struct readers *rs, unsigned partition, uint64_t target);

/* Whole session ID of a reader word's owner, 0 when it is gone. */
uint64_t reader_session(const struct readers *rs, uint64_t word);

#endif
