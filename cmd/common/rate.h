/* SPDX-License-Identifier: MIT */
/* rate.h - no more than so many in a time (-R N[/s]), for input and for output. */
#ifndef RATE_H
#define RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {               /* all 0: no limit */
	uint64_t count;     /* so many in ... */
	uint64_t period_ns; /* ... this time */
	uint64_t remainder; /* of period_ns / count, summed up: the rate is exact */
	int64_t due_ns;     /* CLOCK_MONOTONIC: when the next one may go */
};

/* "100" or "100/s", "100/m", "100/h": 1 .. 10^9 a second, minute, hour. False when text is none. */
bool rate_parse(struct rate *r, const char *text);

/* 0: one may go now, and is counted. Else ns to wait before asking again. */
int64_t rate_take(struct rate *r);

/* Sleeps for ns, or until a signal handler ran. */
void rate_sleep(int64_t ns);

#endif
