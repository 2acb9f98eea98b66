/* SPDX-License-Identifier: MIT */
/* commit_walk.h - the commits of one segment, one after the other, as the disk has them. */
#ifndef MQD_COMMIT_WALK_H
#define MQD_COMMIT_WALK_H

#include "io.h"
#include "store_read.h"

struct commit_walk {
	struct io *io;
	int file;
	uint64_t bytes, salt;
	unsigned char *data; /* of the file, from `from` on */
	size_t capacity, have;
	uint64_t from;
};

int commits_begin(struct commit_walk *w, struct io *io, int file, uint64_t salt);
void commits_end(struct commit_walk *w);

/* The commit at a place, wholly verified, until the next call; NULL: none is there. *error: -errno of a read that failed. */
const struct commit_head *commits_at(struct commit_walk *w, uint64_t at, int *error);

/* The next place behind `at` where a whole commit with a sequence above `above` stands; 0: none. */
uint64_t commits_search(struct commit_walk *w, uint64_t at, uint64_t above, int *error);

#endif
