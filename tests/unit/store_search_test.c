/* SPDX-License-Identifier: MIT */
/* store_search_test.c - from offsets and times to positions in the store, at every boundary, against a linear scan. */
#include "segments.h"

/* The last frame from low on and below durable that begins at or before the key, else the lowest. */
static uint64_t scan(const struct model_log *l, uint64_t low, uint64_t durable, bool by_time, uint64_t key)
{
	uint64_t found = UINT64_MAX;

	for (uint64_t p = low; p < durable; p++) {
		const struct model_frame *m = &l->frames[p];

		if (!m->gone && (found == UINT64_MAX || (by_time ? m->time_ns : m->offset) <= key))
			found = p;
	}
	return found == UINT64_MAX ? durable : found;
}

struct searched {
	struct world *w;
	unsigned log;
	struct stored *s;
	unsigned tried, wrong;
};

static void search_one(struct searched *t, bool by_time, uint64_t key)
{
	struct world *w = t->w;
	const struct durable *d = &w->durable[t->log];
	uint64_t position = 12345, low = load_relaxed(&d->line->low_position);
	uint64_t durable = load_relaxed(&d->line->position);
	uint64_t want = scan(&w->logs[t->log], low, durable, by_time, key);
	struct frame f;
	struct error e;
	int r = stored_search(&e, &t->s, &w->place, d, w->logs[t->log].id, by_time, key, &position);

	if (r == 0 && (position < low || position > want))
		r = 1;
	if (r == 0) /* the lowest may be a hole */
		r = stored_peek(&e, &t->s, &w->place, d, w->logs[t->log].id, &position, &f);
	t->tried++;
	if (r != 0 || position != want) {
		t->wrong++;
		if (t->wrong < 5)
			printf("# %s %" PRIu64 ": result %d, %" PRIu64 ", should be %" PRIu64 "\n",
			       by_time ? "time" : "offset", key, r, position, want);
	}
}

static void search_all(struct world *w, unsigned log, const char *what)
{
	struct searched t = {.w = w, .log = log};
	const struct model_log *l = &w->logs[log];

	for (unsigned by_time = 0; by_time < 2; by_time++) {
		search_one(&t, by_time, 0);
		search_one(&t, by_time, UINT64_MAX);
		for (uint64_t p = 0; p < l->count; p++)
			for (uint64_t i = 0; i < 3; i++)
				search_one(&t, by_time, (by_time ? l->frames[p].time_ns : l->frames[p].offset) + i - 1);
	}
	is_u64(t.wrong, 0, "%s: %u searches of log %u", what, t.tried, log);
	stored_free(t.s);
}

int main(void)
{
	struct world w;
	struct seg s[4];
	struct map runs;

	scratch_begin(120);
	world_begin(&w);
	model_add_many(&w, 0, 400, 300);
	model_add_many(&w, 1, 400, 50);
	for (unsigned p = 0; p < 100; p++) /* cleaned */
		w.logs[0].frames[p].gone = p % 5 == 2 || (p > 33 && p < 50);
	w.logs[0].frames[0].gone = false;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t from = 100 * i;

		seg_begin(&s[i], &w, 3 + i, 1u << 20);
		for (unsigned run = 0; run < 10; run++, from += 10) {
			if (i > 0)
				seg_run(&s[i], &w, 0, from, from + 10, RECORD_RUN);
			seg_run(&s[i], &w, 1, from, from + 10, RECORD_RUN);
			if (i == 3)
				seg_run(&s[i], &w, 0, from - 300, from - 290, RECORD_MOVED);
			seg_commit(&s[i]);
		}
		world_entry(&w, 0, 100 * i, i == 0 ? 6 : 3 + i);
		world_entry(&w, 1, 100 * i, 3 + i);
		if (i < 3)
			seg_seal(&s[i]);
		seg_write(&s[i], &w);
	}
	runs_make(&s[3], &w, &runs);
	runs_tell(&s[3], &runs);
	is_u64(load_relaxed(&world_line(&w, 0)->entries), 4, "four entries");
	world_durable(&w, 0, 400);
	world_durable(&w, 1, 400);
	search_all(&w, 0, "moved, with holes");
	search_all(&w, 1, "in order");
	world_durable(&w, 0, 317); /* what is in the table, and not durable yet */
	world_durable(&w, 1, 300);
	world_low(&w, 0, 103);
	world_low(&w, 1, 200);
	search_all(&w, 0, "some let go, some to come");
	search_all(&w, 1, "let go and to come by segments");
	for (unsigned i = 0; i < 3; i++) { /* no footers */
		memset(seg_tail(&s[i]), 0, 4096);
		seg_write(&s[i], &w);
	}
	search_all(&w, 0, "without footers");
	search_all(&w, 1, "without footers");
	world_low(&w, 1, 300);
	{
		struct stored *reader = NULL;
		struct error e;
		uint64_t position = 0;

		is_i64(stored_search(&e, &reader, &w.place, &w.durable[1], w.logs[1].id, false, 5, &position),
		       SHMQ_EMPTY,
		       "nothing left to search");
		stored_free(reader);
	}
	map_close(&runs);
	for (unsigned i = 0; i < 4; i++)
		seg_free(&s[i]);
	world_end(&w);
	return done();
}
