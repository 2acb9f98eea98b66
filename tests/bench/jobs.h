/* SPDX-License-Identifier: MIT */
/* jobs.h - a process for each message: mqsub -j N -- true, xargs -P N -n 1 true. */
#ifndef JOBS_H
#define JOBS_H

#include "command.h"

#define JOBS_MESSAGES 3000

struct jobs {
	const char *name;
	struct command command;
	bool topic; /* the messages stand in a topic, else in a file */
};

extern const struct jobs jobs_mqsub, jobs_xargs;

/* One run: *rate is processes per second, from the start of the first program to the end of the last. */
int jobs_run(struct bench *b, const struct jobs *jobs, double *rate);

#endif
