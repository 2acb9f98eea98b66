/* SPDX-License-Identifier: MIT */
/* rate.c - no more than so many in a time (-R N[/s]), for input and for output. */
#include "rate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_NS INT64_C(1000000000)
/* How much of a pause, or of a sleep that took too long, is caught up: more than timers are late
 * by, and too little for a burst that anybody would see. */
#define CATCH_UP_NS (SECOND_NS / 20)

static uint64_t period_ns(const char *unit)
{
	if (*unit == '\0' || strcmp(unit, "/s") == 0)
		return SECOND_NS;
	if (strcmp(unit, "/m") == 0)
		return 60 * SECOND_NS;
	return strcmp(unit, "/h") == 0 ? 3600 * SECOND_NS : 0;
}

bool rate_parse(struct rate *r, const char *text)
{
	char *end;

	if (*text < '0' || *text > '9') /* strtoull() takes blanks and signs */
		return false;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	uint64_t period = period_ns(end);
	if (errno != 0 || n < 1 || n > SECOND_NS || period == 0)
		return false;
	*r = (struct rate){.count = n, .period_ns = period};
	return true;
}

static int64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND_NS + t.tv_nsec;
}

int64_t rate_take(struct rate *r)
{
	if (r->count == 0)
		return 0;
	int64_t now = monotonic_ns();
	if (r->due_ns == 0)
		r->due_ns = now; /* the first goes at once, and the clock runs from there */
	if (r->due_ns > now)
		return r->due_ns - now;
	if (r->due_ns < now - CATCH_UP_NS)
		r->due_ns = now - CATCH_UP_NS;
	r->due_ns += (int64_t)(r->period_ns / r->count);
	r->remainder += r->period_ns % r->count;
	if (r->remainder >= r->count) {
		r->remainder -= r->count;
		r->due_ns++;
	}
	return 0;
}

void rate_sleep(int64_t ns)
{
	struct timespec t = {ns / SECOND_NS, ns % SECOND_NS};

	nanosleep(&t, NULL);
}
