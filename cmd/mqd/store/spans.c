/* SPDX-License-Identifier: MIT */
/* spans.c - a set of offsets that grows from below. */
#include "spans.h"

#include <stdlib.h>
#include <string.h>

void spans_free(struct spans *s)
{
	free(s->at);
	*s = (struct spans){0};
}

/* The first span that ends at or behind `offset`. */
static size_t first_at(const struct spans *s, uint64_t offset)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->at[middle].to < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void drop(struct spans *s, size_t from, size_t to)
{
	memmove(&s->at[from], &s->at[to], (s->count - to) * sizeof *s->at);
	s->count -= to - from;
}

void spans_raise(struct spans *s, uint64_t floor)
{
	size_t gone = 0;

	if (floor > s->floor)
		s->floor = floor;
	while (gone < s->count && s->at[gone].from <= s->floor) {
		if (s->at[gone].to > s->floor)
			s->floor = s->at[gone].to;
		gone++;
	}
	if (gone > 0)
		drop(s, 0, gone);
}

static int insert(struct spans *s, size_t i, uint64_t from, uint64_t to)
{
	if (s->count == s->capacity) {
		size_t capacity = s->capacity == 0 ? 16 : s->capacity * 2;
		struct done_span *grown = realloc(s->at, capacity * sizeof *grown);

		if (grown == NULL)
			return -1;
		s->at = grown;
		s->capacity = capacity;
	}
	memmove(&s->at[i + 1], &s->at[i], (s->count - i) * sizeof *s->at);
	s->at[i] = (struct done_span){from, to};
	s->count++;
	return 0;
}

int spans_add(struct spans *s, uint64_t from, uint64_t to)
{
	size_t i, end;

	if (from < s->floor && !s->bare)
		from = s->floor;
	if (from >= to)
		return 0;
	i = first_at(s, from);
	for (end = i; end < s->count && s->at[end].from <= to; end++)
		;
	if (end == i) {
		if (insert(s, i, from, to) < 0)
			return -1;
	} else { /* one that takes in all that it touches */
		if (s->at[i].from < from)
			from = s->at[i].from;
		if (s->at[end - 1].to > to)
			to = s->at[end - 1].to;
		s->at[i] = (struct done_span){from, to};
		drop(s, i + 1, end);
	}
	if (!s->bare)
		spans_raise(s, s->floor);
	return 0;
}

bool spans_have(const struct spans *s, uint64_t offset)
{
	size_t i;

	if (offset < s->floor && !s->bare)
		return true;
	i = first_at(s, offset + 1);
	return i < s->count && s->at[i].from <= offset && offset < s->at[i].to;
}
