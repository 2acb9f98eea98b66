/* SPDX-License-Identifier: MIT */
/*
 * clean.h - segments of which little is alive: what is, is copied forward, so that the rest can be used again.
 *
 * Without it one message that is kept for long would keep a whole segment. The runs of a segment are copied a batch at a
 * time, when there is room beside what is new; once all of them are durable elsewhere nothing refers to it any more.
 */
#ifndef MQD_CLEAN_H
#define MQD_CLEAN_H

#include "batch.h"
#include "image.h"
#include "io.h"
#include "recover.h"

struct cleaner {
	struct io *io;
	struct image *image;
	char name[64];
	uint64_t segment, salt; /* being cleaned; 0: none */
	struct run_entry *runs; /* of it */
	size_t count, next;
};

/* Chooses a segment of which less than a quarter is alive: of those that are not written any more, and that a start does
 * not need. 0 or an error. */
int clean_choose(struct error *e, struct cleaner *c, const struct recovered *all, uint64_t writing, uint64_t snapshot);

/* Copies what fits into the batch. 0 or an error: then the segment is left as it is. */
int clean_some(struct error *e, struct cleaner *c, struct batch *b);

static inline bool clean_busy(const struct cleaner *c)
{
	return c->segment != 0;
}

/* What was copied and is not durable is given up with it. */
void clean_drop(struct cleaner *c);

#endif
