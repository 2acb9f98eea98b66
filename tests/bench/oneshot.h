/* SPDX-License-Identifier: MIT */
/* oneshot.h - whole processes that publish one message each. */
#ifndef ONESHOT_H
#define ONESHOT_H

#include "command.h"

struct oneshot {
	const char *name;
	struct command command;
	bool topic; /* every process leaves one message in it */
	bool redis; /* every process leaves one entry in a stream; a server runs beside it */
};

extern const struct oneshot oneshot_mqpub, oneshot_true, oneshot_redis;

/* One run: *seconds is the median of ONESHOT_PROCESSES processes, each from its start until it is
 * waited for. */
#define ONESHOT_PROCESSES 300
int oneshot_run(struct bench *b, const struct oneshot *o, double *seconds);

#endif
