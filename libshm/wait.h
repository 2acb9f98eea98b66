/* SPDX-License-Identifier: MIT */
/* wait.h - having nothing to do: look again in a growing pause, then sleep. For subscribers and consumers. */
#ifndef SHMQ_WAIT_H
#define SHMQ_WAIT_H

#include "bell.h"

struct waiter {
	void *context;
	size_t count; /* of bells: 1 .. BELLS_MAX */
	atomic_u32 *(*bell)(void *context, size_t i);
	/* Whether there is something; sequentially consistent: the re-check of a sleeper. */
	bool (*something)(void *context);
	/* Every check_ns, at most a second: 0, or why it is over. */
	int (*check)(void *context);
	uint64_t check_ns;
	bool spin, no_spin;
	unsigned *relaxes;   /* how long to pause before looking again; the waiter's own, 0 at first */
	uint64_t *checked_ns; /* CLOCK_MONOTONIC of the last check; the waiter's own */
};

/* 0 (there is something, or a second has passed), SHMQ_TIMEOUT, SHMQ_INTERRUPTED, or what check() said. Blocks. */
int wait_for(struct waiter *w, int64_t wait_ns);

#endif
