/* SPDX-License-Identifier: MIT */
/* reclaim.c - what may leave a log so that something new has room. */
#include "reclaim.h"

#include "intent.h"

/* Moves head up to `target`, as far as readers and the newest frame allow. True when it moved. */
static bool reclaim_to(const struct ground *g, uint64_t end, uint64_t target, struct holder *holder)
{
	struct log *l = g->log;
	uint64_t h = load_acquire(l->head); /* head pairs advance, attach: before looking at readers */
	uint64_t head = widen_pos(h, end);
	uint64_t newest = log_newest(l, end); /* never reclaimed: the next base stands in it */
	uint64_t floor;

	if (g->readers != NULL && durable_is(&g->durable))
		floor = newest;
	else if (g->readers != NULL)
		floor = readers_floor(g->readers, l->partition, head, newest, holder);
	else
		floor = g->floor < newest ? g->floor : newest;
	if (durable_is(&g->durable) && durable_position(&g->durable) < floor)
		floor = durable_position(&g->durable);
	if (target > floor)
		target = floor;
	if (target <= head)
		return false;
	intents_keep(l, target);
	return cas_seq(l->head, &h, word_of(word_high(h), target)); /* advance:head */
}

/* Before the pool grows: reuse what everybody has read and nobody asked to keep. The newest extents
 * are the ones still in cache: walking round a large pool costs half the throughput. */
static void recycle(const struct ground *g, uint64_t end)
{
	struct extent_survey s;

	for (int i = 0; i < 16; i++) {
		extent_look(g->log, ring_head(g->log, end), &s);
		if (s.in_use < g->keep_extents || !reclaim_to(g, end, s.oldest_end, NULL))
			return;
	}
}

static int take(struct error *e, const struct ground *g, uint64_t end, uint64_t bytes, struct hold *h)
{
	unsigned count = (unsigned)((bytes + EXTENT_BYTES - 1) / EXTENT_BYTES);
	uint64_t head = ring_head(g->log, end);

	if (count > 1)
		return extent_take_run(e, g->log, g->id, head, count, h);
	return extent_take(e, g->log, g->id, head, bytes, h);
}

int ground_take(struct error *e, const struct ground *g, uint64_t end, uint64_t bytes, struct hold *h,
                struct holder *holder)
{
	struct log *l = g->log;
	int r;

	if (!map_linked(&l->map)) {
		fail(e, SHMQ_GONE, "the topic was deleted, or the runtime directory removed");
		return SHMQ_GONE;
	}
	*holder = (struct holder){0};
	recycle(g, end);
	r = take(e, g, end, bytes, h);
	if (r != SHMQ_FULL && r != SHMQ_ENOSPACE)
		return r;
	/* Nothing is free, or the filesystem is full: now everything that may go goes. */
	extent_bury_dead(l, ring_head(l, end), g->place);
	reclaim_to(g, end, UINT64_MAX, holder);
	r = take(e, g, end, bytes, h);
	/* A full filesystem is an error, unless memory that we have is about to be freed: by a reader, or
	   by us, when we find who is in the way to be dead, or need not wait for it. */
	if (r == SHMQ_ENOSPACE && holder->word != 0 &&
	    (reader_word_state(holder->word) != READER_VIRGIN || g->drop_old))
		return SHMQ_FULL;
	return r;
}

/* Not full; also when head has passed the position: then others went on, and it is taken. */
static bool slot_free(const struct log *l, uint64_t position)
{
	uint64_t head = ring_head(l, position);

	return head > position || position - head < l->slot_count;
}

int ground_take_slot(const struct ground *g, uint64_t position, struct holder *holder)
{
	uint64_t n = g->log->slot_count;

	*holder = (struct holder){0};
	if (slot_free(g->log, position))
		return 0;
	/* Some more than one, so that this is not done for every frame. */
	reclaim_to(g, position, position - n + 1 + n / 16, holder);
	return slot_free(g->log, position) ? 0 : SHMQ_FULL;
}

void ground_force(const struct ground *g, uint64_t target)
{
	struct log *l = g->log;
	uint64_t h;

	/* Gates first: a reader whose gate is below head holds back what is not there any more, until
	   it looks. One that goes live in between does that, and looks at once. */
	readers_move_up(g->readers, l->partition, target);
	intents_keep(l, target);
	h = load_acquire(l->head); /* head pairs advance, attach */
	while (widen_pos(h, target) < target &&
	       !cas_seq(l->head, &h, word_of(word_high(h), target))) /* advance:head */
		;
}
