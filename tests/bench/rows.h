/* SPDX-License-Identifier: MIT */
/* rows.h - what is compared with what. */
#ifndef ROWS_H
#define ROWS_H

#include "bench.h"

struct unit {
	const char *name;
	double scale; /* shown = measured * scale */
};

struct series {
	const char *name;
	const struct unit *unit;
	int (*run)(struct bench *b, const void *what, double *value); /* 0, or -1 and said why */
	const void *what;
	const char *(*missing)(const struct bench *b); /* may be NULL; why it is skipped */
	bool limited; /* whatever others do, it must be at most at_most, in the unit that is shown */
	double at_most;
};

enum bar_kind {
	BAR_AT_LEAST, /* ours / reference >= bar */
	BAR_AT_MOST,  /* ours / reference <= bar */
	BAR_PER_TRIP, /* ours (a rate) * reference (a time) >= bar: messages per round trip */
	BAR_LIMITS,   /* no reference: only the limits of the series count */
};

#define ROW_SERIES_MAX 8

struct row {
	const char *name, *work;
	enum bar_kind bar_kind;
	double bar, beyond;         /* beyond 0: none */
	bool input;                 /* needs the input file */
	bool two_cpus;              /* makes no sense on one */
	bool durable;               /* how long the disk takes to sync is printed with it */
	const struct series *check; /* runs once before the measurement; may be NULL */
	/* [0] ours, [1] the reference of the bar, then others for comparison */
	struct series series[ROW_SERIES_MAX];
};

extern const struct row rows[];
extern const size_t row_count;

#endif
