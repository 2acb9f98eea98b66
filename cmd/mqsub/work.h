/* SPDX-License-Identifier: MIT */
/* work.h - gives the messages of a group to processes, and settles each by what they say. */
#ifndef MQSUB_WORK_H
#define MQSUB_WORK_H

#include "args.h"
#include "child.h"
#include "groups.h"
#include "pool.h"
#include "run.h"
#include "topics.h"

#define EXIT_FAILED 123 /* as xargs: some message failed for good */

struct work;

struct work_kind { /* commands: command.c; workers: worker.c */
	/* Gives a message to a job that is not busy. */
	void (*start)(struct work *w, struct job *job, const struct given *given);
	/* Looks what a job said, or how it ended. */
	void (*look)(struct work *w, struct job *job);
	/* No message is in hand any more: who still lives comes to an end. NULL: nobody does. */
	void (*finish)(struct work *w);
};

struct work {
	struct args *args;
	const struct work_kind *kind;
	struct groups groups;
	struct pool pool;
	struct child_plan plan;
	shmq_pub *into;    /* NULL: without --into */
	struct given next; /* waits for its turn (-R) */
	bool next_there;
	bool stopping; /* nothing new is started */
	bool hurry;    /* and what runs was told to end */
	bool failed;   /* a message failed for good */
	int status, signal;
};

/* Looks for the program of the command line; dies (126, 127) when it is not there. Call it first:
 * then nothing was made for nothing. */
void work_find(const struct args *args);

/* Runs until something ends it. since_ns (CLOCK_MONOTONIC): when the wait for the first message
 * began. */
struct ending work_run(struct topics *t, struct args *args, int64_t since_ns);

/* Starts nothing new, and ends with this status when what runs has ended. */
void work_stop(struct work *w, int status);
void work_stop_by_signal(struct work *w, int sig);

/* The first signal stops it, the second one tells those that run to end. */
void work_notice_signals(struct work *w);

/* Has the reader of standard output gone away? Then it is stopped. */
bool work_output_gone(struct work *w);

extern const struct work_kind command_kind, worker_kind;

#endif
