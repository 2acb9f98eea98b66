/* SPDX-License-Identifier: MIT */
/*
 * store_read.h - reading what memory has let go: frames of one log from the segments of the store.
 *
 * Nothing here disturbs anybody, or waits for mqd. Segments vanish, or are used again under another name, at any
 * time: what was read is believed only when its hashes and its position are right, and looked for again when not.
 * Frames are the same bytes as in memory.
 */
#ifndef SHMQ_STORE_READ_H
#define SHMQ_STORE_READ_H

#include "durable.h"
#include "journal.h"
#include "ring.h"
#include "segment.h"

/* Where a store is, and the runtime directory that goes with it. Descriptors of directories, not owned here. */
struct store_place {
	int storefd;
	int dirfd;   /* has runs.S */
	uint64_t id; /* of the store */
};

/* One reader of one log. Private memory only; NULL: nothing has been read from the store yet. */
struct stored;

/* Copies the frame at *position out, verified as ring_read() does. 0; *position is moved up when there is no such
 * frame any more or it was never stored (cleaned away, lost), to the next one that is there: what is missing is told
 * by the offsets, and by *lost (messages that were damaged, not let go; 0 mostly).
 * SHMQ_OVERRUN: retention has let go what is below *position, which is moved up to the lowest there is.
 * SHMQ_EMPTY: the store does not have it yet: it is in memory.
 * SHMQ_ECORRUPT: damaged; *position is moved behind it, as far as the damage goes.
 * SHMQ_EACCESS (not allowed to read the store), SHMQ_EFORMAT, SHMQ_ESYSTEM, SHMQ_ENOMEM. Blocks for the disk. Reads
 * ahead when it is asked for one frame after the other. */
int stored_read(struct error *e, struct stored **s, const struct store_place *p, const struct durable *d,
                struct log_id log, uint64_t *position, struct copy *c, uint64_t *lost);

/* The same, of the header only. */
int stored_peek(struct error *e, struct stored **s, const struct store_place *p, const struct durable *d,
                struct log_id log, uint64_t *position, struct frame *out);

/* The position of the last frame that begins at or before `key`, an offset or a time in ns, as log_search() in memory;
 * the lowest there is when all begin behind it. Results as stored_peek(). */
int stored_search(struct error *e, struct stored **s, const struct store_place *p, const struct durable *d,
                  struct log_id log, bool by_time, uint64_t key, uint64_t *position);

void stored_free(struct stored *s);

#endif
