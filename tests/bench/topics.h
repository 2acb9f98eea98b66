/* SPDX-License-Identifier: MIT */
/* topics.h - what one message costs when there are many topics. */
#ifndef TOPICS_H
#define TOPICS_H

#include "bench.h"

struct topics {
	unsigned there, used; /* that there are, and that get messages, in turn */
	bool disk;            /* until all of it is durable */
};

/* One run: *seconds a message; what: a struct topics. */
int topics_run(struct bench *b, const void *what, double *seconds);

extern const struct topics topics_1, topics_100, topics_10000, topics_10000_use_1;
extern const struct topics topics_disk_1, topics_disk_100, topics_disk_10000, topics_disk_10000_use_1;

#endif
