/* SPDX-License-Identifier: MIT */
/* image_log.c - one log of an image: where it ends, which offsets it never had, and in which segment what stands. */
#include "image_parts.h"

#include <string.h>

void log_free(struct image_log *l)
{
	column_free(&l->gaps);
	column_free(&l->table);
}

static struct stored_entry *table_of(struct image_log *l)
{
	return (struct stored_entry *)(void *)l->table.data;
}

/* ---- the table ---------------------------------------------------------------------- */

static int table_insert(struct image_log *l, size_t at, const struct stored_entry *e)
{
	size_t count = image_table_count(l);

	if (column_room(&l->table, sizeof *e) < 0)
		return SHMQ_ENOMEM;
	memmove(&table_of(l)[at + 1], &table_of(l)[at], (count - at) * sizeof *e);
	table_of(l)[at] = *e;
	l->table.used += sizeof *e;
	return 0;
}

static void table_remove(struct image_log *l, size_t at, size_t n)
{
	size_t count = image_table_count(l);

	memmove(&table_of(l)[at], &table_of(l)[at + n], (count - at - n) * sizeof(struct stored_entry));
	l->table.used -= n * sizeof(struct stored_entry);
}

/* The last entry that begins at or before a position. */
static size_t table_find(const struct image_log *l, uint64_t position)
{
	size_t low = 0, high = image_table_count(l);

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (image_table(l)[middle].first_position > position)
			high = middle;
		else
			low = middle;
	}
	return low;
}

/* A run that was copied from an older segment: [first, end) stands in `segment` from now on, what is around it where it
 * stood. */
static int table_move(struct image_log *l, const struct stored_entry *moved, const struct run_entry *run)
{
	size_t at = table_find(l, run->first_position);
	struct stored_entry rest, *e;
	bool last;
	int r;

	if (image_table_count(l) == 0)
		return table_insert(l, 0, moved);
	rest = table_of(l)[at];
	last = at + 1 >= image_table_count(l);
	rest.first_position = run->end_position;
	rest.first_offset = run->end_offset;
	rest.first_ns = run->time_ns;
	e = &table_of(l)[at];
	if (e->first_position >= run->first_position) {
		*e = *moved;
	} else {
		r = table_insert(l, ++at, moved);
		if (r < 0)
			return r;
	}
	/* what follows it there, up to the next entry */
	if (last ? run->end_position < l->end_position : table_of(l)[at + 1].first_position > run->end_position) {
		r = table_insert(l, at + 1, &rest);
		if (r < 0)
			return r;
	}
	if (at > 0 && table_of(l)[at - 1].segment == moved->segment)
		table_remove(l, at, 1);
	return 0;
}

int log_note_run(struct image_log *l, const struct run_entry *run, uint64_t bytes, uint64_t segment, bool moved)
{
	size_t count = image_table_count(l);
	struct stored_entry e = {.first_position = run->first_position,
	                         .first_offset = run->first_offset,
	                         .first_bytes = bytes,
	                         .first_ns = run->time_ns,
	                         .segment = segment,
	                         .gaps = l->gap_sum};

	if (moved) {
		if (run->end_position <= l->low_position)
			return 0;
		l->changed++;
		return table_move(l, &e, run);
	}
	if (count > 0 && image_table(l)[count - 1].segment == segment)
		return 0;
	l->changed++;
	return table_insert(l, count, &e);
}

void log_trim(struct image_log *l, uint64_t position, uint64_t offset)
{
	size_t keep;

	if (position <= l->low_position)
		return;
	l->low_position = position < l->end_position ? position : l->end_position;
	if (offset > l->low_offset)
		l->low_offset = offset;
	if (l->low_position == l->end_position)
		keep = image_table_count(l); /* nothing is left */
	else
		keep = table_find(l, l->low_position);
	table_remove(l, 0, keep);
	l->changed++;
}

/* ---- gaps --------------------------------------------------------------------------- */

/* More gaps than can be shown: what stands before the oldest goes. */
static void gaps_bound(struct image_log *l)
{
	while (image_gap_count(l) > GAPS_MAX) {
		memmove(l->gaps.data, l->gaps.data + sizeof(struct offset_gap), l->gaps.used - sizeof(struct offset_gap));
		l->gaps.used -= sizeof(struct offset_gap);
	}
}

int log_gap(struct image_log *l, const struct record *r)
{
	struct offset_gap g = {.from = l->end_offset, .to = r->b};

	if (r->a < l->end_position || r->b < l->end_offset || r->b > OFFSET_MAX)
		return SHMQ_ECORRUPT;
	struct offset_gap *last = l->gaps.used > 0 ? (struct offset_gap *)(void *)(l->gaps.data + l->gaps.used) - 1 : NULL;

	if (g.to > g.from && last != NULL && last->to == g.from) { /* nothing came between two losses of power */
		last->to = g.to;
		l->gap_sum += g.to - g.from;
	} else if (g.to > g.from) {
		if (column_room(&l->gaps, sizeof g) < 0)
			return SHMQ_ENOMEM;
		memcpy(l->gaps.data + l->gaps.used, &g, sizeof g);
		l->gaps.used += sizeof g;
		l->gap_sum += g.to - g.from;
	}
	l->end_position = r->a;
	l->end_offset = r->b;
	gaps_bound(l);
	l->changed++;
	return 0;
}

/* ---- from a snapshot ---------------------------------------------------------------- */

static int take(struct column *c, const void *data, size_t bytes)
{
	c->used = 0;
	if (column_room(c, bytes) < 0)
		return SHMQ_ENOMEM;
	if (bytes > 0)
		memcpy(c->data, data, bytes);
	c->used = bytes;
	return 0;
}

int log_restore(struct image_log *l, const struct record *r, const void *data)
{
	const unsigned char *at = data;
	struct record_log s;
	uint64_t gaps, entries;

	if (r->bytes < sizeof s)
		return SHMQ_ECORRUPT;
	memcpy(&s, data, sizeof s);
	if (s.gaps > GAPS_MAX || s.entries > STORED_MAX)
		return SHMQ_ECORRUPT;
	gaps = s.gaps * sizeof(struct offset_gap);
	entries = s.entries * sizeof(struct stored_entry);
	if (gaps + entries > r->bytes - sizeof s || s.low_position > s.end_position || s.end_offset > OFFSET_MAX)
		return SHMQ_ECORRUPT;
	if (take(&l->gaps, at + sizeof s, gaps) < 0 || take(&l->table, at + sizeof s + gaps, entries) < 0)
		return SHMQ_ENOMEM;
	l->end_position = s.end_position;
	l->end_offset = s.end_offset;
	l->end_bytes = s.end_bytes;
	l->end_ns = s.end_ns;
	l->low_position = s.low_position;
	l->low_offset = s.low_offset;
	l->gap_sum = r->a;
	l->changed++;
	return 0;
}
