/* SPDX-License-Identifier: MIT */
/* window.c - who has which message of one log: a word for each of W messages from the floor on. */
#include "window.h"

void window_init(struct window *w, struct map *map, struct window_line *line, size_t words_at,
                 uint64_t count)
{
	*w = (struct window){.map = map,
	                     .line = line,
	                     .words = (atomic_u64 *)(void *)((char *)map->at + words_at),
	                     .words_at = words_at,
	                     .base = load_relaxed(&line->base), /* relaxed: published by linkat */
	                     .count = count,
	                     .shift = (unsigned)__builtin_ctzll(count)};
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
