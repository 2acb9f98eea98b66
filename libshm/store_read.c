/* SPDX-License-Identifier: MIT */
/*
 * store_read.c - reading what memory has let go: which segment, looking again, and what is told.
 *
 * The table may name a segment that is gone, because it is written anew just now, or because retention and cleaning
 * take segments away while they are read: low_position rises, or the table changes, before a segment loses its name.
 * So whoever finds something wrong looks at both again, and says that it is damage only when they still say the same.
 */
#include "store_read.h"

#include "stored.h"

#include <stdlib.h>

/* Of one call: segments looked at. Only a table of nonsense has more for one frame. */
#define STEPS_MAX (2u * STORED_MAX)

/* What a call is about. */
struct ask {
	struct error *e;
	struct stored *s;
	const struct store_place *p;
	const struct durable *d;
	uint64_t position, low, durable;
	uint64_t limit;     /* positions from `position` on and below are in the segment of s->entry */
	uint64_t behind;    /* of damage: where it goes on */
	uint64_t hole_from; /* a hole that goes on from the segment before; UINT64_MAX: none */
	uint64_t lost;
	struct frame f;
	struct copy *c; /* NULL: only the header */
};

static struct stored *begin(struct stored **s, struct log_id log)
{
	if (*s != NULL && !log_same(&(*s)->log, &log)) {
		stored_free(*s);
		*s = NULL;
	}
	if (*s == NULL) {
		*s = calloc(1, sizeof **s);
		if (*s != NULL) {
			(*s)->log = log;
			(*s)->segment = SEGMENT_NONE;
			(*s)->live = MAP_NONE;
		}
	}
	return *s;
}

void stored_free(struct stored *s)
{
	if (s == NULL)
		return;
	stored_close(s);
	free(s->runs);
	free(s->lost);
	free(s->buffer.data);
	free(s);
}

/* ---- which segment ------------------------------------------------------------------ */

static void bounds(struct ask *a)
{
	/* In this order: what is below `durable` was in the table, and in the runs, before. */
	a->durable = durable_position(a->d);
	a->low = load_acquire(&a->d->line->low_position); /* stored pairs written */
}

/* The entry for the position, from the table only when that may have changed. */
static int entry_find(struct ask *a)
{
	struct stored *s = a->s;
	uint64_t version = load_acquire(&a->d->line->version); /* stored pairs written */
	uint64_t count = load_acquire(&a->d->line->entries);   /* stored pairs written */
	struct stored_entry next;

	if (!s->entry_known || (version & 1) != 0 || s->entry_version != version || s->entry_count != count ||
	    a->position < s->entry.first_position || a->position >= s->entry_to) {
		s->entry_known = durable_find(a->d, STORED_BY_POSITION, a->position, &s->entry, &next);
		s->entry_version = version; /* from before: that it is older only makes us look again */
		s->entry_count = count;
		s->entry_to = next.segment != 0 ? next.first_position : UINT64_MAX;
	}
	if (!s->entry_known || s->entry_to <= a->position) {
		a->limit = a->durable;
		return fail(a->e, SHMQ_ECORRUPT, "no segment of the store is known for positions %llu to %llu",
		            (unsigned long long)a->position, (unsigned long long)(a->durable - 1));
	}
	a->limit = s->entry_to < a->durable ? s->entry_to : a->durable;
	return 0;
}

/* The segment open, what it has of the log known. */
static int segment_use(struct ask *a)
{
	struct stored *s = a->s;
	bool open = s->segment.fd >= 0 && s->segment.sequence == s->entry.segment;
	int r = open ? stored_refresh(a->e, s, a->p, a->durable)
	             : stored_open(a->e, s, a->p, s->entry.segment, a->durable);
	uint64_t from = a->hole_from;

	if (r != 0 || from == UINT64_MAX)
		return r;
	a->hole_from = UINT64_MAX;
	r = stored_hole(a->e, s, from, a->position, false, &a->lost); /* what was lost is told where it went on */
	return r == SHMQ_ECORRUPT ? 0 : r; /* of the other segment: it was believed there */
}

/* ---- a frame ------------------------------------------------------------------------ */

/* Nothing stands from the position on up to `to`. */
static int hole(struct ask *a, uint64_t to, bool last)
{
	uint64_t from = a->position, lost = a->lost;
	int r;

	if (to >= a->limit)
		to = a->limit;
	if (to <= from)
		return 0;
	r = stored_hole(a->e, a->s, from, to, last, &lost);
	if (r < 0) {
		a->behind = to;
		return r;
	}
	a->lost = lost;
	a->position = to;
	if (to == a->limit)
		a->hole_from = from;
	return 0;
}

/* In the segment. 0; SHMQ_END: it has nothing below the limit, where the position is now; or why not. */
static int find_here(struct ask *a)
{
	while (a->position < a->limit) {
		const struct run_entry *run = stored_run(a->s, a->position);
		uint64_t start = a->position;
		int r;

		if (run == NULL || run->first_position >= a->limit) {
			r = hole(a, a->limit, run == NULL);
			return r != 0 ? r : SHMQ_END;
		}
		if (run->first_position > start)
			start = run->first_position;
		r = stored_seek(a->e, a->s, a->p, run, start, &a->f, &a->behind);
		if (r == 0) {
			r = hole(a, a->f.position, false);
			if (r == 0 && a->position == a->limit)
				return SHMQ_END;
			if (r == 0 && a->c != NULL) {
				a->behind = a->position + 1;
				r = stored_take(a->e, a->s, a->p, run, &a->f, a->c);
			}
			return r;
		}
		if (r != SHMQ_END)
			return r;
		r = hole(a, run->end_position, false);
		if (r != 0)
			return r;
	}
	return SHMQ_END;
}

/* What was found wrong, before the table is asked again: neither the bytes nor a segment without its name is kept. */
static void forget(struct ask *a)
{
	stored_buffer_forget(&a->s->buffer);
	if (a->s->segment.fd >= 0 && !segment_same(a->p->storefd, &a->s->segment))
		stored_close(a->s);
	a->s->entry_known = false;
}

static int look_once(struct ask *a)
{
	int r = entry_find(a);

	a->behind = a->limit;
	if (r == 0)
		r = segment_use(a);
	return r == 0 ? find_here(a) : r;
}

/* 0, SHMQ_OVERRUN, SHMQ_EMPTY, or an error; the position is where to go on. */
static int find(struct ask *a)
{
	uint64_t wrong_segment = 0, wrong_position = UINT64_MAX;
	int r = SHMQ_END;

	for (uint64_t steps = 0; steps < STEPS_MAX; steps++) {
		bounds(a);
		if (a->position < a->low) {
			a->position = a->low;
			return SHMQ_OVERRUN;
		}
		if (a->position >= a->durable)
			return SHMQ_EMPTY;
		r = look_once(a);
		if (r == SHMQ_END)
			continue;
		if (r != SHMQ_ENOENT && r != SHMQ_ECORRUPT)
			return r;
		if (wrong_segment == a->s->entry.segment && wrong_position == a->position)
			break; /* the table still says this one */
		wrong_segment = a->s->entry.segment;
		wrong_position = a->position;
		forget(a);
	}
	if (r == SHMQ_END)
		a->behind = a->durable;
	a->position = a->behind < a->limit ? a->behind : a->limit;
	if (r == SHMQ_ENOENT)
		fail(a->e, SHMQ_ECORRUPT, "segment %llu of the store is missing: positions %llu to %llu",
		     (unsigned long long)a->s->entry.segment, (unsigned long long)wrong_position,
		     (unsigned long long)(a->position - 1));
	return r == SHMQ_END ? fail(a->e, SHMQ_ECORRUPT, "the table of the store leads nowhere") : SHMQ_ECORRUPT;
}

/* 0; SHMQ_EMPTY: the topic is not on disk; SHMQ_ENOMEM. */
static int ask_begin(struct ask *a, struct stored **s, struct log_id log)
{
	a->hole_from = UINT64_MAX;
	if (!durable_is(a->d))
		return SHMQ_EMPTY;
	a->s = begin(s, log);
	return a->s != NULL ? 0 : fail(a->e, SHMQ_ENOMEM, "no private memory to read the store");
}

static int ask(struct ask *a, struct stored **s, struct log_id log, uint64_t *position)
{
	int r = ask_begin(a, s, log);

	if (r != 0)
		return r;
	a->position = *position;
	r = find(a);
	*position = a->position;
	return r == SHMQ_ENOMEM ? fail(a->e, r, "no private memory for a frame from the store") : r;
}

int stored_read(struct error *e, struct stored **s, const struct store_place *p, const struct durable *d,
                struct log_id log, uint64_t *position, struct copy *c, uint64_t *lost)
{
	struct ask a = {.e = e, .p = p, .d = d, .c = c};
	int r = ask(&a, s, log, position);

	*lost = a.lost;
	return r;
}

int stored_peek(struct error *e, struct stored **s, const struct store_place *p, const struct durable *d,
                struct log_id log, uint64_t *position, struct frame *out)
{
	struct ask a = {.e = e, .p = p, .d = d};
	int r = ask(&a, s, log, position);

	if (r == 0)
		*out = a.f;
	return r;
}

/* ---- searching ---------------------------------------------------------------------- */

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

		bounds(a);
		a->position = a->low;
		if (a->low >= a->durable)
			return SHMQ_EMPTY;
		r = entry_search(a, by_time ? STORED_BY_TIME : STORED_BY_OFFSET, key);
		if (r == 0)
			r = segment_use(a);
		if (r == 0)
			r = search_here(a, by_time, key);
		if (r == 0 || (r < 0 && r != SHMQ_ENOENT && r != SHMQ_ECORRUPT))
			return r;
		if (r == SHMQ_END)
			break; /* all begin behind it */
		forget(a);
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
	int r = ask_begin(&a, s, log);

	if (r != 0)
		return r;
	r = search(&a, by_time, key);
	*position = a.position;
	return r == SHMQ_ENOMEM ? fail(e, r, "no private memory to search the store") : r;
}
