/* SPDX-License-Identifier: MIT */
/*
 * check.h - verifying a store: every byte that counts, and that it all fits together.
 *
 * Reads only, and takes no lock: an mqd may be writing meanwhile. What is being written at the end of the newest segment
 * is no damage then; and when a segment went away while it was looked at, everything is looked at again.
 */
#ifndef MQD_CHECK_H
#define MQD_CHECK_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct check_options {
	int storefd;
	uint64_t store;   /* 0, or its id as the runtime directory knows it, */
	uint64_t durable; /* which knows that this commit was durable */
	char **topics;    /* only what is wrong with these, and with what belongs to no topic */
	size_t topic_count;
	bool verbose;     /* also what is no damage, but of interest */
	void (*found)(void *context, bool damage, const char *sentence);
	void *context;
};

struct check_result {
	uint64_t problems;
	uint64_t segments, commits, topics;
	uint64_t messages, bytes; /* of messages, and of all commits */
	uint64_t snapshot;        /* the commit of the newest one that is whole; 0: none */
};

/* 0: it was looked at, and what is wrong was told. SHMQ_ENOENT: there is no store; SHMQ_EFORMAT: of a newer format;
 * SHMQ_ECORRUPT: it is no store; SHMQ_END: one of the topics is not in it; or an error. */
int store_check(struct error *e, const struct check_options *o, struct check_result *out);

#endif
