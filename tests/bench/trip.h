/* SPDX-License-Identifier: MIT */
/* trip.h - round trips between two processes: one number there and back at a time. */
#ifndef TRIP_H
#define TRIP_H

#include "sides.h"

#define TRIP_BYTES 64         /* of a message; the number stands in its first eight bytes */
#define TRIP_STOP  UINT64_MAX /* the number that ends the other side */

struct trip_kind {
	struct sides sides;
	/* Either messages of TRIP_BYTES: 0, or -1. */
	int (*send)(void *state, const void *message);
	int (*receive)(void *state, void *message);
	/* or, without them, bare numbers. Side 0 sends first .. first+n-1 one by one and checks
	 * that each comes back; side 1 checks that 0, 1, 2 .. come and sends each back, until
	 * TRIP_STOP. */
	int (*ping)(void *state, uint64_t first, uint64_t n);
	int (*pong)(void *state);
	unsigned slice; /* trips that are timed as one piece */
	bool sleeps;    /* both sides must have slept, or it measured something else */
};

extern const struct trip_kind trip_cache_line, trip_futex, trip_pipe, trip_posix_mq, trip_zmq;
extern const struct trip_kind trip_shmq_spin, trip_shmq_sleep;

/* One run: *seconds is the median over its slices of the time for one trip. */
int trip_run(struct bench *b, const struct trip_kind *kind, double *seconds);

#endif
