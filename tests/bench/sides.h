/* SPDX-License-Identifier: MIT */
/* sides.h - two processes on two CPUs that have something between them. */
#ifndef SIDES_H
#define SIDES_H

#include "bench.h"

#define SIDES_STATE_BYTES 4096
#define WAIT_NS           10000000000 /* for the other side; after that something was lost */

/* What they have between them. Every function may be NULL. */
struct sides {
	const char *name;
	/* Before the sides exist. Returns their state, or NULL when it failed and said why. Without
	 * it the state is SIDES_STATE_BYTES of zeroed memory that both share. */
	void *(*prepare)(struct bench *b);
	int (*attach)(void *state, int side); /* in each side, before the work of either begins */
	void (*detach)(void *state);          /* in each side, at its end */
	void (*finish)(void *state);          /* when both are gone */
	bool threads; /* not pinned: its own threads are to find a CPU each */
};

/* Runs work() in both sides, at the same time. 0 when it returned 0 in both; when one fails the
 * other is killed. What context points to is shared when shared_alloc() made it. */
int sides_run(struct bench *b, const struct sides *sides,
	      int (*work)(void *context, void *state, int side), void *context);

#endif
