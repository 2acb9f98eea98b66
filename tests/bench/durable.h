/* SPDX-License-Identifier: MIT */
/* durable.h - publishers that wait after each message until it is on disk. */
#ifndef DURABLE_H
#define DURABLE_H

#include "bench.h"

struct durable_kind {
	unsigned publishers;
	bool new_store; /* else one that was in use: store_settle() */
};

/* One run: *rate is durable messages a second, of all publishers together; kind: a struct durable_kind. */
int durable_run(struct bench *b, const void *kind, double *rate);

extern const struct durable_kind durable_1, durable_1_new, durable_64;

#endif
