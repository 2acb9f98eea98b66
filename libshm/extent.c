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

#include "clock.h"
#include "intent.h"

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

/* While somebody waits for a run, single extents are taken from the lower half only: of two that want
 * what becomes free, one extent at a time, the one that needs several would never get them. */
#define RUN_WANTED_MS 150u
void extent_want_run(struct log *l)
{
	cas_max(&l->file->run_wanted_ms, clock_ns(CLOCK_BOOTTIME) / 1000000 + RUN_WANTED_MS);
}

static unsigned singles_end(const struct log *l)
{
	/* relaxed: a hint; damaged, it halves the pool for publishers that find it so */
	uint64_t until = load_relaxed(&l->file->run_wanted_ms);
	uint64_t now = until == 0 ? 0 : clock_ns(CLOCK_BOOTTIME) / 1000000;

	return until > now && until - now <= RUN_WANTED_MS ? l->extent_count / 2 : l->extent_count;
}

/* One pass over all words. *append and *reuse: the most recently left ones, still in somebody's
 * cache; *fresh: the lowest never used one. */
static void extent_survey_all(const struct log *l, uint64_t head, uint64_t want, struct choice *append,
                              struct choice *reuse, struct choice *fresh, struct extent_survey *s)
{
	unsigned singles = singles_end(l);

	append->index = reuse->index = fresh->index = NO_EXTENT;
	*s = (struct extent_survey){.oldest_end = UINT64_MAX};
	for (unsigned i = 0; i < l->extent_count; i++) {
		uint64_t w = load_acquire(&l->extents[i]); /* take pairs leave */

		if (w & EXTENT_OWNED)
			continue;
		if (!extent_is_free(w, head)) {
			s->in_use++;
			if (extent_end(w) < s->oldest_end)
				s->oldest_end = extent_end(w);
		}
		if (i >= singles)
			continue;
		if (!(w & EXTENT_RESERVED)) {
			if (fresh->index == NO_EXTENT)
				*fresh = (struct choice){i, w, 0};
		} else if (extent_is_free(w, head)) {
			choose_newest(reuse, i, w);
		} else if (extent_fill(w) < EXTENT_FULL &&
		           EXTENT_BYTES - extent_fill(w) * EXTENT_FILL_STEP >= want) {
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

/* Takes the `count` extents from `first` on, or none. 0, SHMQ_EMPTY (one of them is not free any more),
 * or an error. */
static int take_these(struct error *e, struct log *l, uint64_t id, uint64_t head, unsigned first,
                      unsigned count, struct hold *h)
{
	*h = (struct hold){.first = first + count};
	while (h->count < count) { /* downwards, so that first stays the run's start */
		unsigned i = h->first - 1;
		uint64_t w = load_acquire(&l->extents[i]); /* take pairs leave */
		int r = extent_is_free(w, head) ? extent_own(e, l, id, i, w) : SHMQ_EMPTY;

		if (r != 0) {
			extent_leave(l, id, h);
			return r;
		}
		h->first = i;
		h->count++;
		if (extent_end(w) > h->old_end)
			h->old_end = extent_end(w);
	}
	return 0;
}

int extent_take_run(struct error *e, struct log *l, uint64_t id, uint64_t head, unsigned count,
                    struct hold *h)
{
	unsigned run = 0;
	int result = SHMQ_FULL;

	for (unsigned i = l->extent_count; i-- > 0;) {
		uint64_t w = load_acquire(&l->extents[i]); /* take pairs leave */
		int r;

		run = extent_is_free(w, head) ? run + 1 : 0;
		if (run < count)
			continue;
		r = take_these(e, l, id, head, i, count, h);
		if (r != SHMQ_EMPTY && r != SHMQ_ENOSPACE)
			return r;
		if (r == SHMQ_ENOSPACE) /* perhaps there is one below that has its pages */
			result = r;
		run = 0;
	}
	return result;
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

/* For each extent that a dead session owns: one past the highest position from head on whose frame
 * reaches into it. One pass over the slots, however many extents there are. */
static void ends_by_span(const struct log *l, uint64_t head, const uint64_t *dead, uint64_t *ends)
{
	uint64_t end = ring_end(l);
	uint64_t from = end > l->slot_count ? end - l->slot_count : 0; /* no more can be there */

	for (uint64_t pos = head > from ? head : from; pos < end; pos++) {
		uint64_t at, bytes;

		if (!ring_span(l, pos, &at, &bytes))
			continue;
		for (uint64_t i = at / EXTENT_BYTES;
		     i < l->extent_count && i * EXTENT_BYTES < at + bytes; i++)
			if (dead[i] != 0)
				ends[i] = pos + 1;
	}
}

unsigned extent_bury_dead(struct log *l, uint64_t head, const struct session_place *p)
{
	uint64_t dead[EXTENTS_MAX], ends[EXTENTS_MAX]; /* words; 0: alive or nobody's */
	unsigned found = 0, buried = 0;

	for (unsigned i = 0; i < l->extent_count; i++) {
		uint64_t w = load_acquire(&l->extents[i]); /* take pairs leave */

		ends[i] = 0;
		/* The word is loaded before its owner is proved dead, and names the owner's epoch. */
		dead[i] = (w & EXTENT_OWNED) && !session_alive(p, extent_owner(w)) ? w : 0;
		found += dead[i] != 0;
	}
	if (found == 0)
		return 0;
	/* What a dead settler announced stands in its extent: nobody may link it any more. */
	for (unsigned i = 0; i < l->extent_count; i++)
		if (dead[i] != 0)
			intent_close(l, (unsigned)(extent_owner(dead[i]) & (SESSIONS - 1)));
	ends_by_span(l, head, dead, ends);
	for (unsigned i = 0; i < l->extent_count; i++)
		if (dead[i] != 0 &&
		    cas_acq_rel(&l->extents[i], &dead[i], extent_left(ends[i], EXTENT_FULL))) /* leave:take */
			buried++;
	return buried;
}
