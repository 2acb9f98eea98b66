/* SPDX-License-Identifier: MIT */
/* store.h - a broker with a store, and its mqd, for one run. */
#ifndef STORE_H
#define STORE_H

#include <sys/types.h>

#include "bench.h"

struct store {
	pid_t mqd; /* 0: does not run */
	int log;   /* what it says; -1: none */
	char dir[BENCH_PATH + 16];
	shmq *memory_broker; /* the runner's, while b->broker is that of the store */
	char memory_dir[BENCH_PATH];
};

/* A new store on the disk. From here on to store_end() b->broker and b->broker_dir are those of the broker that has
 * it, so that topic_fresh() and MQ_DIR mean that one. -1: said why; store_end() all the same. */
int store_begin(struct bench *b, struct store *s);

/* A broker of its own without a store: what it leaves is removed at once by store_end(). */
int store_begin_memory(struct bench *b, struct store *s);

/* Until the store is as it is when it has been in use: the journal in a file whose blocks were written before, and mqd
 * not busy with the next. (A new store begins with blocks that were only allocated; syncs of those take longer.) */
int store_settle(struct bench *b, const struct store *s);

/* Ends mqd and removes the store. -1 also when mqd did not end well. */
int store_end(struct bench *b, struct store *s);

/* mqd and all memory are gone, as if the power had failed. */
int store_crash(struct bench *b, struct store *s);

/* *seconds: from the start of mqd until it says that it serves. */
int store_restart(struct bench *b, struct store *s, double *seconds);

/* A topic on disk with so many bytes of memory (0: the default). */
int store_topic(struct bench *b, const char *name, uint64_t memory);

/* Publishes the input file to BENCH_TOPIC as often as it takes to have so many bytes (at least once), with mqpub -a
 * disk. *lines (may be NULL): how many these were. */
int store_fill(struct bench *b, uint64_t bytes, uint64_t *lines);

#endif
