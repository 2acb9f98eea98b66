/* SPDX-License-Identifier: MIT */
/* report.h - the figures, for people. */
#ifndef REPORT_H
#define REPORT_H

#include "disk.h"
#include "rows.h"

struct result {
	const struct row *row;
	struct summary series[ROW_SERIES_MAX]; /* n 0: skipped */
	unsigned disturbed;                    /* runs beside which others were at work */
	struct sync_times sync;                /* of the disk, in the same time, where the row is durable */
	bool failed;         /* a run went wrong: nothing below it is to be believed */
	const char *skipped; /* why the whole row was */
};

void report_row(const struct bench *b, const struct result *r);
void report_table(const struct result *results, size_t n);

#endif
