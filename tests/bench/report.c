/* SPDX-License-Identifier: MIT */
/* report.c - prints a row when it is done and all of them in one table at the end. */
#include "report.h"

#include <stdio.h>

/* Ours against the reference of the bar. */
static double figure(const struct result *r)
{
	double ours = r->series[0].median, reference = r->series[1].median;

	return r->row->bar_kind == BAR_PER_TRIP ? ours * reference : ours / reference;
}

/* What has a limit of its own, and is beyond it. */
static bool limits_met(const struct result *r)
{
	for (size_t i = 0; i < ROW_SERIES_MAX; i++) {
		const struct series *s = &r->row->series[i];

		if (s->name && s->limited && r->series[i].median * s->unit->scale > s->at_most)
			return false;
	}
	return true;
}

static const char *verdict(const struct result *r)
{
	bool at_most = r->row->bar_kind == BAR_AT_MOST;
	double bar = r->row->bar, beyond = r->row->beyond, f;

	if (r->failed)
		return "FAILED";
	if (!limits_met(r))
		return "missed";
	if (r->row->bar_kind == BAR_LIMITS)
		return "met";
	if (r->series[1].n == 0)
		return "no reference";
	f = figure(r);
	if (beyond > 0 && (at_most ? f <= beyond : f >= beyond))
		return "met, and beyond";
	return (at_most ? f <= bar : f >= bar) ? "met" : "missed";
}

static void bar_text(const struct row *row, double value, char *text, size_t room)
{
	if (value > 0)
		snprintf(text, room, "%s %g", row->bar_kind == BAR_AT_MOST ? "<=" : ">=", value);
	else
		snprintf(text, room, "-");
}

static void series_print(const struct bench *b, const struct result *r, size_t i)
{
	const struct series *s = &r->row->series[i];
	const struct summary *v = &r->series[i], *ours = &r->series[0];

	if (v->n == 0) {
		printf("     %-16s skipped: %s\n", s->name, s->missing(b));
		return;
	}
	printf("     %-16s n %-3u median %9.4g %-4s min %9.4g  max %9.4g", s->name, v->n,
	       v->median * s->unit->scale, s->unit->name, v->min * s->unit->scale,
	       v->max * s->unit->scale);
	if (s->limited)
		printf("  bar <= %g", s->at_most);
	if (i > 0 && v->median > 0 && s->unit == r->row->series[0].unit && r->row->bar_kind != BAR_LIMITS)
		printf("  ratio %.3g", ours->median / v->median);
	putchar('\n');
}

void report_row(const struct bench *b, const struct result *r)
{
	const struct row *row = r->row;
	char bar[32], beyond[32];

	printf("\n%-4s %s\n", row->name, row->work);
	if (r->failed || r->skipped) {
		printf("     %s\n", r->failed ? "FAILED, see stderr" : r->skipped);
		fflush(stdout);
		return;
	}
	for (size_t i = 0; i < ROW_SERIES_MAX && row->series[i].name; i++)
		series_print(b, r, i);
	bar_text(row, row->bar, bar, sizeof(bar));
	bar_text(row, row->beyond, beyond, sizeof(beyond));
	if (r->disturbed)
		printf("     %u runs were disturbed by other programs: measure again\n",
		       r->disturbed);
	if (row->durable)
		printf("     beside it, write + fdatasync of 4 KiB%s: n %u p50 %.4g us p99 %.4g us\n",
		       r->sync.direct ? " O_DIRECT" : "", r->sync.n, r->sync.p50 * 1e6, r->sync.p99 * 1e6);
	if (row->bar_kind == BAR_LIMITS) {
		printf("     %s\n", verdict(r));
		fflush(stdout);
		return;
	}
	printf("     %s %.3g, bar %s, beyond it %s: %s\n",
	       row->bar_kind == BAR_PER_TRIP ? "messages per cache-line round trip" : "ratio",
	       figure(r), bar, beyond, verdict(r));
	fflush(stdout);
}

static void cell_print(const struct result *r, size_t i)
{
	const struct series *s = &r->row->series[i];
	const struct summary *v = &r->series[i];
	double scale = s->unit->scale;
	char text[96];

	if (v->n == 0) {
		printf(" %-40s |", "skipped");
		return;
	}
	snprintf(text, sizeof(text), "%s %.3g %s (%.3g-%.3g)", s->name, v->median * scale,
		 s->unit->name, v->min * scale, v->max * scale);
	printf(" %-40s |", text);
}

void report_table(const struct result *results, size_t n)
{
	char bar[32];

	printf("\n| row | n | %-40s| %-40s| ratio | bar     | result |\n"
	       "| --- | --- | --- | --- | --- | --- | --- |\n",
	       "shmq: median (min-max)", "reference: median (min-max)");
	for (size_t i = 0; i < n; i++) {
		const struct result *r = &results[i];

		if (r->failed || r->skipped) {
			printf("| %-3s | | | | | | %s |\n", r->row->name,
			       r->failed ? "FAILED" : "skipped");
			continue;
		}
		printf("| %-3s | %u |", r->row->name, r->series[0].n);
		cell_print(r, 0);
		cell_print(r, 1);
		bar_text(r->row, r->row->bar, bar, sizeof(bar));
		if (r->row->bar_kind == BAR_LIMITS)
			printf(" %-5s | %-7s |", "-", "above");
		else
			printf(" %-5.3g | %-7s |", figure(r), bar);
		printf(" %s%s |\n", verdict(r), r->disturbed ? ", disturbed" : "");
	}
}
