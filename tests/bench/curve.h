/* SPDX-License-Identifier: MIT */
/* curve.h - what one message costs when there are many groups, or many messages wait. */
#ifndef CURVE_H
#define CURVE_H

#include "bench.h"

struct curve {
	unsigned groups;
	uint64_t backlog;  /* messages that wait; 0: CURVE_MESSAGES */
	bool publish;      /* measured: publishing, else claiming and acking */
};

#define CURVE_MESSAGES 200000u

extern const struct curve curve_publish_1, curve_publish_16, curve_publish_256;
extern const struct curve curve_groups_1, curve_groups_16, curve_groups_256;
extern const struct curve curve_backlog_none, curve_backlog_1m, curve_backlog_100m;

/* One run: *seconds a message. */
int curve_run(struct bench *b, const struct curve *curve, double *seconds);

#endif
