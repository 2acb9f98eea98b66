/* SPDX-License-Identifier: MIT */
/*
 * extent.h - who writes into which piece of a log's pool.
 *
 * A publisher builds its next frame in an extent that it owns. It takes one with a CAS (LEFT ->
 * OWNED), links frames in it, and leaves it with a CAS (OWNED -> LEFT). What a dead owner held is
 * left for it by whoever needs it.
 */
#ifndef SHMQ_EXTENT_H
#define SHMQ_EXTENT_H

#include "ring.h"
#include "session.h"

/* What one publisher holds in one log: a run of neighbouring extents, mostly one. */
struct hold {
	unsigned first, count; /* count 0: nothing */
	uint64_t old_end;      /* highest `end` the extents had when they were taken: kept */
	uint64_t own_end;      /* one past the last position linked in them by us */
	uint64_t used;         /* bytes used from the first extent's start on */
};

static inline uint64_t hold_room(const struct hold *h)
{
	return (uint64_t)h->count * EXTENT_BYTES - h->used;
}
static inline uint64_t hold_at(const struct hold *h)
{
	return (uint64_t)h->first * EXTENT_BYTES + h->used;
}

/* What a pass over the extent words saw, given head. */
struct extent_survey {
	unsigned in_use;     /* LEFT with readable frames */
	uint64_t oldest_end; /* lowest end among them: what head must reach to free one */
};

/* Takes an extent with room for `want` bytes, in this order: the most recently left one that can
 * be appended to; the most recently left free one; a never used one. 0, SHMQ_FULL,
 * SHMQ_ENOSPACE. Lock-free. */
int extent_take(struct error *e, struct log *l, uint64_t id, uint64_t head, uint64_t want,
                struct hold *h);

/* What stands in the words, without taking anything. */
void extent_look(const struct log *l, uint64_t head, struct extent_survey *survey);

/* Takes `count` free neighbours at once, from the high end; on a conflict gives back what it had.
 * 0, SHMQ_FULL, SHMQ_ENOSPACE. */
int extent_take_run(struct error *e, struct log *l, uint64_t id, uint64_t head, unsigned count,
                    struct hold *h);

/* Says that a run is wanted and was not to be had: singles keep out of its way for a moment. */
void extent_want_run(struct log *l);

/* OWNED -> LEFT. */
void extent_leave(struct log *l, uint64_t id, struct hold *h);

/* Leaves, for their dead owners, all extents whose session is proved dead: full, `end` by the span
 * of the frames that are linked. Returns how many. */
unsigned extent_bury_dead(struct log *l, uint64_t head, const struct session_place *p);

#endif
