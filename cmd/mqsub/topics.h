/* SPDX-License-Identifier: MIT */
/* topics.h - the broker and the topics that mqsub reads. */
#ifndef MQSUB_TOPICS_H
#define MQSUB_TOPICS_H

#include "args.h"
#include "out.h"
#include "shmq.h"

struct topics {
	shmq *broker;
	size_t count;
	const char *name[TOPICS_MAX];
	shmq_sub *sub[TOPICS_MAX]; /* NULL: this one has ended */
};

/* Subscribes to all of them at once; with -W waits for those that are not there, until the given
 * CLOCK_MONOTONIC time, or until nobody reads the output any more. Dies when that cannot be. */
void topics_open(struct topics *t, const struct args *args, const struct out *out,
		 int64_t until_ns);

/* Detaches from all. */
void topics_close(struct topics *t);

int64_t monotonic_ns(void);

/* since_ns + wait_ns, or the end of all time. */
int64_t deadline_ns(int64_t since_ns, int64_t wait_ns);

#endif
