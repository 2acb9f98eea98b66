/* SPDX-License-Identifier: MIT */
/*
 * past.h - one log wherever its frames are: in memory, or, of a topic on disk, in the store when memory has let them
 * go. Positions and offsets go through both.
 */
#ifndef SHMQ_PAST_H
#define SHMQ_PAST_H

#include "daemon.h"
#include "store_read.h"

/* What a log needs to be read from the store. Private memory. */
struct past {
	struct daemon *daemon;
	struct durable durable;
	struct log_id id;
	struct stored *stored;
};

/* Makes a log go on into the store. 0 or SHMQ_ENOMEM. */
int past_attach(struct error *e, struct log *l, struct daemon *daemon, struct durable durable, struct log_id id);
void past_detach(struct log *l);

/* As ring_read(): of the frame at *position, which is moved up where that one was let go or lost. */
int log_read(struct error *e, const struct log *l, uint64_t *position, struct words *ws, struct copy *c);

/* As ring_peek(). SHMQ_OVERRUN: there is no such frame any more. */
int log_peek(struct error *e, const struct log *l, uint64_t position, struct frame *out);

/* How many messages have offsets from <= o < to. */
uint64_t log_count(const struct log *l, uint64_t from, uint64_t to);

/* The offset of the message that comes `count` before the one at `offset`. */
uint64_t log_back(const struct log *l, uint64_t offset, uint64_t count);

/* The first position that is still there. */
uint64_t log_first(const struct log *l, uint64_t near);

/* log_search() where memory has let the key go: false when it has not. *position: the last frame that begins at or
 * before the key. */
bool past_search(const struct log *l, uint64_t end, bool by_time, uint64_t key, uint64_t *position);

#endif
