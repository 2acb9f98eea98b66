/* SPDX-License-Identifier: MIT */
/* durable.h - publishers that wait after each message until it is on disk. */
#ifndef DURABLE_H
#define DURABLE_H

#include "bench.h"

/* One run: *rate is durable messages a second, of all publishers together; *publishers is an unsigned. */
int durable_run(struct bench *b, const void *publishers, double *rate);

extern const unsigned durable_1, durable_64;

#endif
