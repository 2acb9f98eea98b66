/* SPDX-License-Identifier: MIT */
/* flow.h - the input file through programs. */
#ifndef FLOW_H
#define FLOW_H

#include "command.h"

struct flow {
	const char *name;
	/* With a topic the first command is the subscriber. Ends with one without words. */
	struct command commands[5];
	unsigned subscribers; /* how many of the first command; 0: no topic is involved */
	bool counted;         /* a captured number must be that of the lines */
	bool disk;            /* its topic is on disk, in a store of its own */
	bool used;            /* in a store that had it before, and keeps a part of it: its files are written again */
};

extern const struct flow flow_shmq_file, flow_cat, flow_read, flow_shmq_pipe, flow_cat_wc,
    flow_shmq_fan_out, flow_shmq_disk, flow_shmq_disk_used;
extern const struct flow flow_shmq_compare, flow_shmq_disk_compare;

/* One run: *rate is delivered lines per second, from the start of the first program to the end of
 * the last. */
int flow_run(struct bench *b, const struct flow *flow, double *rate);

#endif
