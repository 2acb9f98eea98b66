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
/* And how often something may be found wrong, while the table says another segment each time. */
#define WRONG_MAX 16u

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

void stored_bounds(struct ask *a)
{
	/* In this order: what is below `durable` was in the table, and in the runs, before. */
	a->durable = durable_position(a->d);
	a->low = load_acquire(&a->d->line->low_position); /* stored pairs written */
}

/* The entry for the position: from the table only when that may have changed. */
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

/* All that the segment should have. */
static int name_positions(struct ask *a)
{
	struct error why = *a->e;

	return fail(a->e, SHMQ_ECORRUPT, "%s: positions %llu to %llu", why.text, (unsigned long long)a->position,
	            (unsigned long long)(a->limit - 1));
}

int stored_use(struct ask *a)
{
	struct stored *s = a->s;
	bool open = s->segment.fd >= 0 && s->segment.sequence == s->entry.segment;
	/* Behind the finding of the entry, before its runs are looked at: those were told before the table said so. */
	uint64_t version = load_acquire(&a->d->line->version); /* stored pairs written */
	int r = open ? stored_refresh(a->e, s, a->p, a->durable, version)
	             : stored_open(a->e, s, a->p, s->entry.segment, a->durable, version);
	uint64_t from = a->hole_from;

	if (r == SHMQ_ECORRUPT) /* of all that it should have */
		return name_positions(a);
	if (r != 0 || from == UINT64_MAX)
		return r;
	a->hole_from = UINT64_MAX;
	r = stored_hole(a->e, s, a->p, from, a->position, false, &a->lost); /* what was lost is told where it went on */
	return r == SHMQ_ECORRUPT ? 0 : r; /* of the other segment: it was believed there */
}

/* ---- a frame ------------------------------------------------------------------------ */

/* Nothing stands from the position on up to `to`. 0; SHMQ_OVERRUN: because it was let go; or why not. */
static int hole(struct ask *a, uint64_t to, bool last)
{
	uint64_t from = a->position, lost = a->lost;
	int r;

	if (to >= a->limit)
		to = a->limit;
	if (to <= from)
		return 0;
	r = stored_hole(a->e, a->s, a->p, from, to, last, &lost);
	if (r < 0) {
		a->behind = to;
		return r;
	}
	/* Again, behind the table: low rises before the table forgets what is below. */
	stored_bounds(a);
	if (a->low > from) {
		a->position = a->low;
		return SHMQ_OVERRUN;
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

void stored_forget(struct ask *a)
{
	stored_buffer_forget(&a->s->buffer);
	if (a->s->segment.fd >= 0 && !segment_same(a->p->storefd, &a->s->segment))
		stored_close(a->s);
	if (a->s->from == RUNS_MEMORY)
		a->s->durable = a->s->holes_to = 0; /* look at all of it again */
}

static int look_once(struct ask *a)
{
	int r = entry_find(a);

	a->behind = a->limit;
	if (r == 0)
		r = stored_use(a);
	return r == 0 ? find_here(a) : r;
}

/* What is wrong for good; the position goes behind it. */
static int tell(struct ask *a, int r)
{
	uint64_t from = a->position;

	if (r == SHMQ_END)
		a->behind = a->limit = a->durable;
	a->position = a->behind < a->limit ? a->behind : a->limit;
	if (r == SHMQ_ENOENT)
		fail(a->e, SHMQ_ECORRUPT, "segment %llu of the store is missing: positions %llu to %llu",
		     (unsigned long long)a->s->entry.segment, (unsigned long long)from,
		     (unsigned long long)(a->position - 1));
	return r == SHMQ_END ? fail(a->e, SHMQ_ECORRUPT, "the table of the store leads nowhere") : SHMQ_ECORRUPT;
}

/* 0, SHMQ_OVERRUN, SHMQ_EMPTY, or an error; the position is where to go on. */
static int find(struct ask *a)
{
	uint64_t wrong_segment = 0, wrong_position = UINT64_MAX;
	unsigned wrong = 0;
	int r = SHMQ_END;

	for (uint64_t steps = 0; steps < STEPS_MAX; steps++) {
		stored_bounds(a);
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
		if ((wrong_segment == a->s->entry.segment && wrong_position == a->position) || wrong++ == WRONG_MAX)
			break; /* the table still says this one */
		wrong_segment = a->s->entry.segment;
		wrong_position = a->position;
		stored_forget(a);
	}
	return tell(a, r);
}

int stored_ask(struct ask *a, struct stored **s, struct log_id log)
{
	a->hole_from = UINT64_MAX;
	if (!durable_is(a->d))
		return SHMQ_EMPTY;
	a->s = begin(s, log);
	return a->s != NULL ? 0 : fail(a->e, SHMQ_ENOMEM, "no private memory to read the store");
}

static int ask(struct ask *a, struct stored **s, struct log_id log, uint64_t *position)
{
	int r = stored_ask(a, s, log);

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
