/* SPDX-License-Identifier: MIT */
/* past.c - one log wherever its frames are: in memory, or in the store. */
#include "past.h"

#include <stdlib.h>

/* Memory lets go of what is durable: whoever finds a frame in neither looks again. */
#define LOOKS 100

int past_attach(struct error *e, struct log *l, struct daemon *daemon, struct durable durable, struct log_id id)
{
	struct past *p = calloc(1, sizeof *p);

	if (p == NULL)
		return fail(e, SHMQ_ENOMEM, "no private memory");
	*p = (struct past){.daemon = daemon, .durable = durable, .id = id};
	l->past = p;
	return 0;
}

void past_detach(struct log *l)
{
	if (l->past == NULL)
		return;
	stored_free(l->past->stored);
	free(l->past);
	l->past = NULL;
}

static uint64_t past_low(const struct past *p)
{
	return load_acquire(&p->durable.line->low_position); /* stored pairs written */
}

uint64_t log_first(const struct log *l, uint64_t near)
{
	/* What was let go may stand in memory yet: a purge. */
	return l->past != NULL ? past_low(l->past) : ring_head(l, near);
}

uint64_t log_count(const struct log *l, uint64_t from, uint64_t to)
{
	if (from >= to)
		return 0;
	return to - from - (l->past != NULL ? durable_gaps_between(&l->past->durable, from, to) : 0);
}

uint64_t log_back(const struct log *l, uint64_t offset, uint64_t count)
{
	if (l->past != NULL)
		return durable_back(&l->past->durable, offset, count);
	return offset > count ? offset - count : 0;
}

static int place_of(struct error *e, const struct past *p, struct store_place *place)
{
	return daemon_store(e, p->daemon, place);
}

int log_read(struct error *e, const struct log *l, uint64_t *position, struct words *ws, struct copy *c)
{
	struct past *p = l->past;
	int r = p != NULL && *position < past_low(p) ? SHMQ_OVERRUN : ring_read(e, l, *position, ws, c);

	for (int looks = 0; r == SHMQ_OVERRUN && p != NULL && looks < LOOKS; looks++) {
		struct store_place place;
		uint64_t lost;

		r = place_of(e, p, &place);
		if (r < 0)
			return r;
		r = stored_read(e, &p->stored, &place, &p->durable, p->id, position, c, &lost);
		if (r != SHMQ_EMPTY)
			return r;
		r = ring_read(e, l, *position, ws, c);
	}
	return r;
}

int log_peek(struct error *e, const struct log *l, uint64_t position, struct frame *out)
{
	struct past *p = l->past;
	int r = p != NULL && position < past_low(p) ? SHMQ_OVERRUN : ring_peek(e, l, position, out);

	for (int looks = 0; r == SHMQ_OVERRUN && p != NULL && looks < LOOKS; looks++) {
		struct store_place place;
		uint64_t at = position;

		r = place_of(e, p, &place);
		if (r < 0)
			return r;
		r = stored_peek(e, &p->stored, &place, &p->durable, p->id, &at, out);
		if (r == 0 && at != position)
			return fail(e, SHMQ_ECORRUPT, "the frame at position %llu was damaged in memory, and not stored",
			            (unsigned long long)position);
		if (r != SHMQ_EMPTY)
			return r;
		r = ring_peek(e, l, position, out);
	}
	return r;
}

bool past_search(const struct log *l, uint64_t end, bool by_time, uint64_t key, uint64_t *position)
{
	struct past *p = l->past;
	struct store_place place;
	struct error e;
	struct frame f;
	uint64_t head;
	int r;

	if (p == NULL)
		return false;
	head = ring_head(l, end);
	if (head < end) {
		r = ring_peek(&e, l, head, &f);
		if (r == 0 && (by_time ? f.time_ns : f.offset) <= key)
			return false;
	}
	return place_of(&e, p, &place) == 0 &&
	       stored_search(&e, &p->stored, &place, &p->durable, p->id, by_time, key, position) == 0;
}
