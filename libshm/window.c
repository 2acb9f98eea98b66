/* SPDX-License-Identifier: MIT */
/* window.c - who has which message of one log: a word for each of W messages from the floor on. */
#include "window.h"

#include "bulk.h"

void window_done_set(struct window_line *line, uint64_t first, const struct done_span *done, uint64_t count)
{
	store_relaxed(&line->done_first, first); /* relaxed: published by linkat */
	store_relaxed(&line->done_count, count);
	store_relaxed(&line->done_hash, count > 0 ? bulk_hash(done, count * sizeof *done) : 0);
}

/* Where a line's spans are; *n: how many, none where it cannot be so. */
static const struct done_span *line_spans(const struct window_line *line, const struct done_span *spans, uint64_t count,
                                          uint64_t *n)
{
	uint64_t first = load_relaxed(&line->done_first); /* relaxed: they never change */

	*n = load_relaxed(&line->done_count);
	if (first > count || *n > count - first) {
		*n = 0;
		return NULL;
	}
	return spans + first;
}

bool window_line_check(const struct window_line *line, const struct done_span *spans, uint64_t count)
{
	uint64_t n, hash = load_relaxed(&line->done_hash); /* relaxed: it never changes */
	const struct done_span *at = line_spans(line, spans, count, &n);

	/* A base never changes, and the floor begins there and only rises: beyond it laps would run backwards, and no word
	 * would ever say that a message is done. */
	return at != NULL && (n == 0 || bulk_hash(at, n * sizeof *at) == hash) &&
	       load_relaxed(&line->base) <= load_relaxed(&line->floor_hint); /* relaxed: sane at any time */
}

uint64_t window_done_between(const struct window *w, uint64_t from, uint64_t to)
{
	uint64_t low = 0, high = w->done_count, done = 0;

	while (low < high) { /* the first one that ends behind `from` */
		uint64_t middle = low + (high - low) / 2;

		if (w->done[middle].to <= from)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < w->done_count && w->done[low].from < to; low++) {
		uint64_t a = w->done[low].from > from ? w->done[low].from : from;
		uint64_t b = w->done[low].to < to ? w->done[low].to : to;

		done += b > a ? b - a : 0;
	}
	return done;
}

void window_init(struct window *w, struct map *map, struct window_line *line, size_t words_at, uint64_t count,
                 size_t spans_at, uint64_t spans)
{
	*w = (struct window){.map = map,
	                     .line = line,
	                     .words = (atomic_u64 *)(void *)((char *)map->at + words_at),
	                     .words_at = words_at,
	                     .base = load_relaxed(&line->base), /* relaxed: published by linkat */
	                     .count = count,
	                     .shift = (unsigned)__builtin_ctzll(count)};
	w->done = line_spans(line, (const struct done_span *)(const void *)((char *)map->at + spans_at), spans,
	                     &w->done_count);
	w->done_end = w->done_count > 0 ? w->done[w->done_count - 1].to : 0;
}

int window_reserve(struct error *e, const struct window *w, uint64_t offset)
{
	uint64_t index = (offset - w->base) & (w->count - 1), until = ALIGN_UP(index + 1, WORD_CHUNK);
	size_t from = w->words_at / PAGE * PAGE;
	int r;

	if (window_backed(w, offset))
		return 0;
	if (until > w->count)
		until = w->count;
	r = map_reserve(e, w->map, from, w->words_at + until * 8 - from);
	if (r == 0)
		cas_max(&w->line->words_reserved, until);
	return r;
}

uint64_t window_reach(const struct window *w, uint64_t limit)
{
	uint64_t floor = window_floor(w), o = floor, word;

	while (o < limit && o - floor < w->count) {
		enum word_says s = window_look(w, o, &word);

		if (s != SAYS_DONE && s != SAYS_BELOW)
			break;
		o++;
	}
	window_in_gap(w, o, &o); /* nothing is there that could be claimed: also at the limit */
	return o;
}

uint64_t window_advance(const struct window *w, uint64_t limit)
{
	uint64_t o = window_reach(w, limit);

	if (o > window_floor(w))
		cas_max(&w->line->floor_hint, o); /* finish:floor */
	return o;
}

uint64_t window_skip_to(const struct window *w, uint64_t offset)
{
	uint64_t floor = window_floor(w), skipped = 0, o = floor, word;
	struct error e;

	while (o < offset && o - floor < w->count) {
		enum word_says s = window_look(w, o, &word);

		if (window_in_gap(w, o, &o))
			continue;
		if (s == SAYS_FREE || s == SAYS_HELD) {
			if (window_reserve(&e, w, o) < 0)
				return skipped; /* later */
			if (!window_set(w, o, word, window_done(w, o, word)))
				continue; /* somebody else did something to it: look again */
			skipped++;
		}
		o++;
	}
	if (offset > o) /* never had a word */
		skipped += offset - o - (durable_is(&w->durable) ? durable_gaps_between(&w->durable, o, offset) : 0);
	if (offset > floor)
		cas_max(&w->line->floor_hint, offset); /* finish:floor */
	return skipped;
}
