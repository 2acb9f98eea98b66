/* SPDX-License-Identifier: MIT */
/* topics.h - the broker and the topics that mqsub reads, and may write to. */
#ifndef MQSUB_TOPICS_H
#define MQSUB_TOPICS_H

#include "args.h"
#include "out.h"
#include "shmq.h"

struct topics {
	const char *group_name; /* NULL: none */
	shmq *broker;
	size_t count;
	const char *name[TOPICS_MAX];
	shmq_sub *sub[TOPICS_MAX];     /* NULL: this one has ended, or there is a group */
	shmq_group *group[TOPICS_MAX]; /* NULL: there is none */
};

/* Subscribes to all of them at once, or opens a consumer of the group in each, or only looks
 * whether they are there (--browse with a group); with -W waits for those that are not there, until
 * the given CLOCK_MONOTONIC time, or until nobody reads the output any more. Dies when that cannot
 * be. */
void topics_open(struct topics *t, const struct args *args, const struct out *out,
		 int64_t until_ns);

/* Detaches from all. */
/* Waits until what the groups have done is on disk: the exit status. Told on stderr when it is not. */
int topics_sync(struct topics *t, int64_t wait_ns);

/* Whether all of them are on disk. */
bool topics_on_disk(const struct topics *t);

void topics_close(struct topics *t);

/* Publishes to a topic of the same broker, which is made when it is missing. Dies when that cannot
 * be. */
shmq_pub *topics_publisher(struct topics *t, const char *name);

int64_t monotonic_ns(void);

/* since_ns + wait_ns, or the end of all time. */
int64_t deadline_ns(int64_t since_ns, int64_t wait_ns);

#endif
