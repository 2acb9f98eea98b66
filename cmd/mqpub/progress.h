/* SPDX-License-Identifier: MIT */
/* progress.h - how far it is, on stderr, for those who wait. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "input.h"

struct progress {
	bool off;
	bool forced;   /* --progress: at once, and where stderr is no terminal too */
	bool terminal; /* one line, written over */
	bool shown;
	unsigned data_fds;         /* bit n: file descriptor n carries data */
	int64_t start_ns, next_ns; /* CLOCK_MONOTONIC */
	uint64_t total;            /* bytes of input, 0: not known */
};

/* Unless forced, it shows only when the run takes long, stderr is a terminal, and no data goes
 * to or comes from a terminal. Lines of other kinds take its place there. */
void progress_start(struct progress *p, bool forced, unsigned data_fds);

/* Shows it, when it is time to. */
void progress_tick(struct progress *p, const struct input *in, uint64_t records);

/* The last figures; and ends the line. */
void progress_end(struct progress *p, const struct input *in, uint64_t records);

#endif
