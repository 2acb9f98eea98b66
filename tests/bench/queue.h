/* SPDX-License-Identifier: MIT */
/* queue.h - a work queue: one process publishes 100-byte messages, four share them, each message claimed
 * and acked alone. */
#ifndef QUEUE_H
#define QUEUE_H

#include "bench.h"

#define QUEUE_CONSUMERS 4
#define QUEUE_MAX       (64u << 20) /* messages of one run */

struct queue_kind {
	const char *name;
	int (*prepare)(struct bench *b); /* may be NULL */
	void (*finish)(struct bench *b); /* may be NULL */
	/* Publishes messages from number 0 on until now_ns() is `until_ns`, all of them visible at the end;
	 * how many, or -1. */
	int64_t (*publish)(struct bench *b, uint64_t until_ns);
	/* Marks the messages it gets with queue_took() until queue_over(): 0 or -1. */
	int (*consume)(struct bench *b, unsigned consumer);
};

extern const struct queue_kind queue_shmq, queue_redis;

/* For consumers: counts one message; -1 when it is not one of ours. Adds up to what queue_over() asks for. */
int queue_took(unsigned consumer, const void *message, size_t bytes);
bool queue_over(unsigned consumer);

/* One run: *rate is messages per second, from the first publish to the last ack. */
int queue_run(struct bench *b, const struct queue_kind *kind, double *rate);

#endif
