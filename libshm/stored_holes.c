/* SPDX-License-Identifier: MIT */
/*
 * stored_holes.c - why frames are not there: cleaned away, lost before they came to the store, or damaged in it.
 */
#include "stored.h"

#include <stdlib.h>

static int visit_lost(void *arg, const struct commit_head *c, const struct record *r, const void *data, uint64_t at)
{
	struct stored *s = arg;

	(void)c, (void)data, (void)at;
	if (r->type != RECORD_LOST || !log_same(&r->log, &s->log) || r->a >= r->b || r->c > r->d || r->d > OFFSET_MAX)
		return 0;
	if (s->lost_count == s->lost_capacity) {
		uint64_t capacity = s->lost_capacity == 0 ? 16 : s->lost_capacity * 2;
		struct lost_range *grown = realloc(s->lost, capacity * sizeof *grown);

		if (grown == NULL)
			return SHMQ_ENOMEM;
		s->lost = grown;
		s->lost_capacity = capacity;
	}
	s->lost[s->lost_count++] = (struct lost_range){.from = r->a, .to = r->b, .messages = r->d - r->c};
	return 0;
}

static int by_from(const void *a, const void *b)
{
	const struct lost_range *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

/* Footers do not tell what was lost: the commits do. Holes are rare, but where a segment was cleaned, and then this is
 * done once for it. Where there is no footer a run may be missing because its record is damaged: then every commit is
 * verified before a hole is believed. */
static int learn_holes(struct error *e, struct stored *s, const struct store_place *p)
{
	bool verify = s->from == RUNS_COMMITS;
	struct walk w;
	int r;

	s->lost_count = s->holes_to = 0;
	r = segment_walk(e, &s->segment, verify ? s->end : 0, verify, visit_lost, s, &w);
	if (r < 0)
		return r;
	if (!segment_same(p->storefd, &s->segment)) /* used again while it was read */
		return fail(e, SHMQ_ENOENT, "segment %llu is gone", (unsigned long long)s->segment.sequence);
	if (s->lost_count > 0)
		qsort(s->lost, s->lost_count, sizeof *s->lost, by_from);
	s->whole = w.whole;
	s->holes_to = s->durable;
	return 0;
}

/* The first range that begins at a position, or behind it. */
static uint64_t lost_from(const struct stored *s, uint64_t position)
{
	uint64_t low = 0, high = s->lost_count;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (s->lost[middle].from < position)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Whether all positions from <= p < to were lost. */
static bool all_lost(const struct stored *s, uint64_t from, uint64_t to)
{
	for (uint64_t i = 0; i < s->lost_count && from < to && s->lost[i].from <= from; i++)
		if (from < s->lost[i].to)
			from = s->lost[i].to;
	return from >= to;
}

/* Whether what is not found may be told to be not there, though no record says that it was lost. */
static bool hole_believed(const struct stored *s, uint64_t to, bool last)
{
	switch (s->from) {
	case RUNS_FOOTER:
		break;
	case RUNS_MEMORY: /* nothing is newer than what is being written: no cleaning, no gap of a recovery */
		return !last || to != s->durable;
	case RUNS_COMMITS: /* without its end, the last commits may be what is missing */
		return s->whole && (s->end != 0 || !last);
	}
	return true;
}

int stored_hole(struct error *e, struct stored *s, const struct store_place *p, uint64_t from, uint64_t to, bool last,
                uint64_t *messages)
{
	if (to > s->holes_to) {
		int r = learn_holes(e, s, p);

		if (r < 0)
			return r;
	}
	/* Each is counted once: where a reader comes to it. At most 2^53 each, 2^23 in a segment: that cannot wrap. */
	for (uint64_t i = lost_from(s, from); i < s->lost_count && s->lost[i].from < to; i++)
		*messages += s->lost[i].messages;
	if (hole_believed(s, to, last) || all_lost(s, from, to))
		return 0;
	return fail(e, SHMQ_ECORRUPT, "segment %llu of the store: positions %llu to %llu are not found (%s)",
	            (unsigned long long)s->segment.sequence, (unsigned long long)from, (unsigned long long)(to - 1),
	            s->from == RUNS_MEMORY ? "mqd says that they are there" : "it has no footer, and damaged commits");
}
