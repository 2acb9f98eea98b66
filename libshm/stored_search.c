/* SPDX-License-Identifier: MIT */
/*
 * stored_search.c - from offsets and times to positions in the store: the table, then the runs of one segment, then the
 * frames of one run.
 */
#include "stored.h"

static uint64_t run_key(const struct run_entry *r, bool by_time)
{
	return by_time ? r->time_ns : r->first_offset;
}

/* How many runs, of those sorted, begin at or before the key, and below the limit. */
static uint64_t runs_before(const struct ask *a, bool by_time, uint64_t key)
{
	const struct stored *s = a->s;
	uint64_t low = 0, high = s->run_count;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (s->runs[middle].first_position < a->limit && run_key(&s->runs[middle], by_time) <= key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* From the last run that may have it downwards: further only where all of that is damaged. */
static int search_here(struct ask *a, bool by_time, uint64_t key)
{
	uint64_t from = a->position;

	for (uint64_t i = runs_before(a, by_time, key); i-- > 0 && a->s->runs[i].end_position > from;) {
		int r = stored_last(a->s, a->p, &a->s->runs[i], from, a->limit, by_time, key, &a->position);

		if (r != SHMQ_END)
			return r;
	}
	return SHMQ_END;
}

/* The entry that has the key, or the one that has the newest frame when the key is behind that. */
static int entry_search(struct ask *a, enum stored_by by, uint64_t key)
{
	struct stored *s = a->s;
	struct stored_entry next;
	bool found = durable_find(a->d, by, key, &s->entry, &next);

	if (found && s->entry.first_position >= a->durable)
		found = durable_find(a->d, STORED_BY_POSITION, a->durable - 1, &s->entry, &next);
	s->entry_known = false;
	if (!found)
		return SHMQ_END;
	a->limit = next.segment != 0 && next.first_position < a->durable ? next.first_position : a->durable;
	a->position = s->entry.first_position > a->low ? s->entry.first_position : a->low;
	return a->position < a->limit ? 0 : SHMQ_END;
}

#define SEARCHES_MAX 8 /* segments may be taken away while they are searched */

static int search(struct ask *a, bool by_time, uint64_t key)
{
	for (unsigned tries = 0; tries < SEARCHES_MAX; tries++) {
		int r;

		stored_bounds(a);
		a->position = a->low;
		if (a->low >= a->durable)
			return SHMQ_EMPTY;
		r = entry_search(a, by_time ? STORED_BY_TIME : STORED_BY_OFFSET, key);
		if (r == 0)
			r = stored_use(a);
		if (r == 0)
			r = search_here(a, by_time, key);
		if (r == 0 || (r < 0 && r != SHMQ_ENOENT && r != SHMQ_ECORRUPT))
			return r;
		if (r == SHMQ_END)
			break; /* all begin behind it */
		stored_forget(a);
	}
	/* Where the table says that the key is: what is damaged there is met, and told, by reading on. */
	if (a->position >= a->durable)
		a->position = a->low;
	return 0;
}

int stored_search(struct error *e, struct stored **s, const struct store_place *p, const struct durable *d,
                  struct log_id log, bool by_time, uint64_t key, uint64_t *position)
{
	struct ask a = {.e = e, .p = p, .d = d};
	int r = stored_ask(&a, s, log);

	if (r != 0)
		return r;
	r = search(&a, by_time, key);
	*position = a.position;
	return r == SHMQ_ENOMEM ? fail(e, r, "no private memory to search the store") : r;
}
