/* SPDX-License-Identifier: MIT */
/* pool.h - the processes that work on messages at the same time. */
#ifndef MQSUB_POOL_H
#define MQSUB_POOL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "child.h"
#include "groups.h"

struct job { /* a process, and the message that it is given */
	struct child child;
	bool busy;          /* it has one */
	struct given given; /* its bytes are gone: key is what is left of them */
	struct bytes key;
	bool has_key;
	int64_t deadline_ns; /* CLOCK_MONOTONIC: when it has taken too long; INT64_MAX: never */
	bool timed_out;
	struct bytes out;   /* what it printed */
	size_t out_dropped; /* beyond the limit */
	struct bytes in;    /* what it is fed, and */
	size_t in_at;       /* how much of that it took */
	/* for those that use it */
	int64_t again_ns, pause_ns, full_since_ns; /* into.c */
	unsigned deaths;                           /* worker.c */
};

struct pool {
	struct job *jobs;
	unsigned count;
	unsigned living; /* processes that were not waited for */
	unsigned busy;   /* messages in hand */
	size_t out_max;  /* bytes that are kept of what one prints */
	struct pollfd *polls;
	struct job **polled;
	size_t poll_count;
};

void pool_init(struct pool *p, unsigned count);
void pool_free(struct pool *p);

/* One that is not busy, or NULL. */
struct job *pool_idle(const struct pool *p);

/* Makes the message that of the job, as long as it is busy. */
void pool_take(struct pool *p, struct job *job, const struct given *given);
void pool_done(struct pool *p, struct job *job);

/* The files to wait for: p->polls. watch: such that bytes in them interrupt events_wait(). */
void pool_files(struct pool *p, bool watch);

/* Reads and writes what is ready by p->polls, waits for those that ended, ends those that take too
 * long. */
void pool_serve(struct pool *p);

/* Gives it of job->in what it takes now. */
void pool_feed(struct job *job);

/* How long until pool_serve() has something to do by the clock. */
int64_t pool_next_ns(const struct pool *p);

/* TERM to all. */
void pool_end(struct pool *p);

#endif
