/* SPDX-License-Identifier: MIT */
/*
 * extent.c - who writes into which piece of a log's pool.
 *
 *   LEFT(end <= head)          free: take it, from its start
 *   LEFT(end > head, !full)    holds readable frames: take it and append
 *   LEFT(end > head, full)     holds readable frames
 *   OWNED(session)             private to a session; dead sessions' are left for them
 *
 * The owner keeps the `end` that the extent had in its own memory and writes the higher of that and
 * its own back. If it dies, both are gone; extent_bury_dead() finds the end again from the slots: all
 * its frames are linked there or nowhere.
 */
#include "extent.h"

static bool extent_is_free(uint64_t w, uint64_t head)
{
	return !(w & EXTENT_OWNED) && extent_end(w) <= head;
}

/* CAS LEFT -> OWNED; backs the pages at the first use. 0, SHMQ_EMPTY (somebody was faster), error. */
static int extent_own(struct error *e, struct log *l, uint64_t id, unsigned i, uint64_t w)
{
	int r = 0;

	if (!(w & EXTENT_RESERVED)) {
		size_t at = (size_t)(l->pool - (unsigned char *)l->map.at) + (size_t)i * EXTENT_BYTES;

		r = map_reserve(e, &l->map, at, EXTENT_BYTES);
		if (r < 0)
			return r;
	}
	if (!cas_acq_rel(&l->extents[i], &w, extent_owned(id))) /* take:leave */
		return SHMQ_EMPTY;
	fence_release(); /* reuse:recheck: our writes into it come behind the head that freed it */
	return 0;
}

/* An unsigned choice that is not made yet. */
#define NO_EXTENT UINT32_MAX
struct choice {
	unsigned index;
	uint64_t word, end;
};

static void choose_newest(struct choice *c, unsigned index, uint64_t word)
{
	if (c->index != NO_EXTENT && extent_end(word) <= c->end)
		return;
	*c = (struct choice){index, word, extent_end(word)};
}

/* One pass over all words. *append and *reuse: the most recently left ones, still in somebody's
 * cache; *fresh: the lowest never used one. */
static void extent_survey_all(const struct log *l, uint64_t head, uint64_t want, struct choice *append,
                              struct choice *reuse, struct choice *fresh, struct extent_survey *s)
{
	append->index = reuse->index = fresh->index = NO_EXTENT;
	*s = (struct extent_survey){.oldest_end = UINT64_MAX};
	for (unsigned i = 0; i < l->extent_count; i++) {
		uint64_t w = load_acquire(&l->extents[i]); /* take pairs leave */

		if (w & EXTENT_OWNED) {
			continue;
		} else if (!(w & EXTENT_RESERVED)) {
			if (fresh->index == NO_EXTENT)
				*fresh = (struct choice){i, w, 0};
		} else if (extent_is_free(w, head)) {
			choose_newest(reuse, i, w);
		} else {
			s->in_use++;
			if (extent_end(w) < s->oldest_end)
				s->oldest_end = extent_end(w);
			if (extent_fill(w) < EXTENT_FULL &&
			    EXTENT_BYTES - extent_fill(w) * EXTENT_FILL_STEP >= want)
				choose_newest(append, i, w);
		}
	}
}

void extent_look(const struct log *l, uint64_t head, struct extent_survey *survey)
{
	struct choice a, b, c;

	extent_survey_all(l, head, EXTENT_BYTES, &a, &b, &c, survey);
}

int extent_take(struct error *e, struct log *l, uint64_t id, uint64_t head, uint64_t want,
                struct hold *h)
{
	struct extent_survey survey;
	struct choice append, reuse, fresh;

	for (;;) {
		const struct choice *c;
		int r;

		extent_survey_all(l, head, want, &append, &reuse, &fresh, &survey);
		c = append.index != NO_EXTENT  ? &append
		    : reuse.index != NO_EXTENT ? &reuse
		                               : &fresh;
		if (c->index == NO_EXTENT)
			return SHMQ_FULL;
		r = extent_own(e, l, id, c->index, c->word);
		if (r == SHMQ_EMPTY)
			continue;
		if (r < 0)
			return r;
		*h = (struct hold){.first = c->index, .count = 1, .old_end = extent_end(c->word)};
		if (c == &append)
			h->used = (uint64_t)extent_fill(c->word) * EXTENT_FILL_STEP;
		return 0;
	}
}

int extent_take_run(struct error *e, struct log *l, uint64_t id, uint64_t head, unsigned count,
                    struct hold *h)
{
	unsigned run = 0;

	for (unsigned i = l->extent_count; i-- > 0;) {
		uint64_t w = load_acquire(&l->extents[i]); /* take pairs leave */

		run = extent_is_free(w, head) ? run + 1 : 0;
		if (run < count)
			continue;
		*h = (struct hold){.first = i + count - 1};
		while (h->count < count) { /* downwards, so that first stays the run's start */
			unsigned j = i + count - 1 - h->count;
			int r = SHMQ_EMPTY;

			w = load_acquire(&l->extents[j]); /* take pairs leave */
			if (extent_is_free(w, head))
				r = extent_own(e, l, id, j, w);
			if (r != 0) { /* lost the race for one of them: all back, look on below */
				if (h->count > 0)
					extent_leave(l, id, h);
				if (r < 0)
					return r;
				break;
			}
			h->first = j;
			h->count++;
			if (extent_end(w) > h->old_end)
				h->old_end = extent_end(w);
		}
		if (h->count == count)
			return 0;
		*h = (struct hold){0};
		run = 0;
	}
	return SHMQ_FULL;
}

void extent_leave(struct log *l, uint64_t id, struct hold *h)
{
	uint64_t end = h->own_end > h->old_end ? h->own_end : h->old_end;

	for (unsigned i = 0; i < h->count; i++) {
		uint64_t from = (uint64_t)i * EXTENT_BYTES, w = extent_owned(id), fill = 0;

		if (h->used > from)
			fill = (h->used - from + EXTENT_FILL_STEP - 1) / EXTENT_FILL_STEP;
		if (fill > EXTENT_FULL)
			fill = EXTENT_FULL;
		/* Fails only if our session was proved dead, which it is not while its lock stands. */
		cas_acq_rel(&l->extents[h->first + i], &w, extent_left(end, (unsigned)fill)); /* leave:take */
	}
	*h = (struct hold){0};
}

/* One past the highest position from head on whose frame reaches into extent i. */
static uint64_t end_by_span(const struct log *l, uint64_t head, unsigned i)
{
	uint64_t lo = (uint64_t)i * EXTENT_BYTES, hi = lo + EXTENT_BYTES, end = ring_end(l), found = 0;
	uint64_t from = end > l->slot_count ? end - l->slot_count : 0; /* no more can be there */

	for (uint64_t pos = head > from ? head : from; pos < end; pos++) {
		uint64_t at, bytes;

		if (ring_span(l, pos, &at, &bytes) && at < hi && at + bytes > lo)
			found = pos + 1;
	}
	return found;
}

unsigned extent_bury_dead(struct log *l, uint64_t head, const struct session_place *p)
{
	unsigned buried = 0;

	for (unsigned i = 0; i < l->extent_count; i++) {
		uint64_t w = load_acquire(&l->extents[i]); /* take pairs leave */

		if (!(w & EXTENT_OWNED) || session_alive(p, extent_owner(w)))
			continue;
		/* The word is loaded before its owner is proved dead, and names the owner's epoch. */
		if (cas_acq_rel(&l->extents[i], &w,
		                extent_left(end_by_span(l, head, i), EXTENT_FULL))) /* leave:take */
			buried++;
	}
	return buried;
}
