/* SPDX-License-Identifier: MIT */
/*
 * reclaim.h - what may leave a log so that something new has room.
 *
 * Order, always: load head, then newest, then the readers; then CAS the head that was loaded.
 * Intents of frames that leave are marked before that CAS (intent.h). Everything read after head only rises, but for an attaching reader, who bumps head's gen: so a
 * stale candidate is too low, or its CAS fails.
 */
#ifndef SHMQ_RECLAIM_H
#define SHMQ_RECLAIM_H

#include "durable.h"
#include "extent.h"
#include "readers.h"

/* What a publisher needs to know to find room in one log. */
struct ground {
	struct log *log;
	const struct readers *readers; /* NULL: a return log, which only needs what is at `floor` or above; */
	uint64_t floor;                /* loaded before head, it only rises */
	struct durable durable; /* of topics on disk: what is in the store may go, whoever has not read it */
	const struct session_place *place;
	uint64_t id;           /* own session */
	bool drop_old;         /* what is full gives up its oldest */
	unsigned keep_extents; /* extents of newest frames kept though nobody needs them: >= 1 */
};

/* Room for `bytes` in one extent (or a run when they do not fit in one) into *h. end: one past some
 * linked position, the newest known. 0; SHMQ_FULL and *holder (word 0: no reader is in the way, the
 * pool is in the hands of other publishers); SHMQ_GONE; an error. Lock-free. */
int ground_take(struct error *e, const struct ground *g, uint64_t end, uint64_t bytes, struct hold *h,
                struct holder *holder);

/* Makes slots free for a publisher that wants to link at `position`. 0 or SHMQ_FULL as above. */
int ground_take_slot(const struct ground *g, uint64_t position, struct holder *holder);

/* Moves head to `target` even over readers that need what is below: they are overrun. For purge,
 * and for topics that drop the oldest. */
void ground_force(const struct ground *g, uint64_t target);

#endif
