/* SPDX-License-Identifier: MIT */
/* store_read_test.c - frames read back from the journal: what is there, what was let go, and what comes meanwhile. */
#include "segments.h"
#include "stored.h"

/* All frames, nothing else, and then SHMQ_EMPTY. */
static void is_all(struct world *w, unsigned log, const char *what)
{
	struct seen o = read_from(w, log, 0);
	uint64_t durable = load_relaxed(&world_line(w, log)->position);

	ok(o.frames == model_there(&w->logs[log], 0, durable) && o.wrong == 0 && o.errors == 0 && o.overrun == 0 &&
	           o.last == SHMQ_EMPTY && o.position == durable,
	   "%s: every frame of log %u", what, log);
	if (o.wrong != 0 || o.errors != 0)
		printf("# frames %" PRIu64 " wrong %" PRIu64 " errors %" PRIu64 " last %d: %s\n", o.frames, o.wrong,
		       o.errors, o.last, o.text);
}

/* ---- three logs in three segments ----------------------------------------------------- */

struct three {
	struct world w;
	struct seg seg[3];
	struct map runs; /* of the last one */
};
#define THREE_BYTES (1u << 20)

/* 40 commits with a few frames of each log; the first segments sealed, the last one being written. */
static void three_begin(struct three *t)
{
	uint64_t done[3] = {0};

	world_begin(&t->w);
	for (unsigned i = 0; i < 3; i++) {
		struct seg *s = &t->seg[i];

		seg_begin(s, &t->w, i + 1, THREE_BYTES);
		for (unsigned l = 0; l < 3; l++) {
			model_add_many(&t->w, l, 40 * (l + 1), 600);
			world_entry(&t->w, l, done[l], i + 1);
		}
		for (unsigned c = 0; c < 40; c++) {
			for (unsigned l = 0; l < 3; l++, done[l - 1] += l)
				seg_run(s, &t->w, l, done[l], done[l] + l + 1, RECORD_RUN);
			seg_commit(s);
		}
		if (i < 2)
			seg_seal(s);
		seg_write(s, &t->w);
	}
	runs_make(&t->seg[2], &t->w, &t->runs);
	runs_tell(&t->seg[2], &t->runs);
	for (unsigned l = 0; l < 3; l++)
		world_durable(&t->w, l, done[l]);
}

static void three_end(struct three *t)
{
	map_close(&t->runs);
	for (unsigned i = 0; i < 3; i++)
		seg_free(&t->seg[i]);
	world_end(&t->w);
}

static void three_are_all(struct three *t, const char *what)
{
	for (unsigned l = 0; l < 3; l++)
		is_all(&t->w, l, what);
}

/* In any order, headers and frames, with one reader. */
static void random_reads(struct three *t)
{
	struct stored *s = NULL;
	struct copy c = {0};
	unsigned wrong = 0;

	for (unsigned n = 0; n < 20000; n++) {
		uint64_t want = world_random(&t->w, t->w.logs[1].count), position = want, lost;
		const struct model_frame *m = &t->w.logs[1].frames[want];
		struct frame f = {0};
		struct error e;

		if (n % 2 == 0) {
			wrong += stored_peek(&e, &s, &t->w.place, &t->w.durable[1], t->w.logs[1].id, &position,
			                     &f) != 0 ||
			         memcmp(&f, m->data, sizeof f) != 0;
		} else {
			wrong += stored_read(&e, &s, &t->w.place, &t->w.durable[1], t->w.logs[1].id, &position, &c,
			                     &lost) != 0 ||
			         memcmp(c.data, m->data, m->length) != 0;
		}
		wrong += position != want;
	}
	is_u64(wrong, 0, "20,000 frames and headers in random order");
	free(c.data);
	stored_free(s);
}

static void test_three(void)
{
	struct three t;

	three_begin(&t);
	three_are_all(&t, "two sealed, one in memory");
	is_i64(read_from(&t.w, 3, 0).last, SHMQ_EMPTY, "a log of which the store has nothing is empty");
	random_reads(&t);
	runs_remove(&t.seg[2], &t.w, &t.runs);
	three_are_all(&t, "the last one neither in memory nor sealed");
	memset(seg_tail(&t.seg[0]), 0, sizeof(struct segment_tail));
	seg_tail(&t.seg[1])->count ^= 1;
	for (unsigned i = 0; i < 2; i++)
		seg_write(&t.seg[i], &t.w);
	three_are_all(&t, "one footer missing, one damaged");
	seg_seal(&t.seg[0]);
	t.seg[0].data[t.seg[0].at + 70] ^= 4; /* an entry */
	seg_write(&t.seg[0], &t.w);
	three_are_all(&t, "an entry of a footer damaged");
	memset(t.seg[0].data, 0, 64); /* the head; salt and sequence are in the name */
	seg_write(&t.seg[0], &t.w);
	three_are_all(&t, "a head damaged, too");
	three_end(&t);
}

/* ---- while it is written ---------------------------------------------------------------- */

static void test_grows(void)
{
	struct world w;
	struct seg s;
	struct map runs;
	struct stored *reader = NULL;
	struct seen o = {0};

	world_begin(&w);
	seg_begin(&s, &w, 1, 1u << 20);
	runs_make(&s, &w, &runs);
	for (unsigned i = 0; i < 100; i++) {
		uint64_t from = w.logs[0].count;

		model_add_many(&w, 0, 3, 500);
		if (i == 0)
			world_entry(&w, 0, 0, 1);
		seg_run(&s, &w, 0, from, from + 3, RECORD_RUN);
		seg_commit(&s);
		seg_write(&s, &w);
		if (i == 80) { /* it is sealed: from here on the reader has what it has mapped */
			seg_seal(&s);
			seg_write(&s, &w);
			runs_tell(&s, &runs);
			runs_remove(&s, &w, &runs);
			world_durable(&w, 0, from + 3);
			break;
		}
		runs_tell(&s, &runs);
		world_durable(&w, 0, from + 3);
		if (i % 3 == 0) /* not at every commit */
			read_some(&w, 0, &reader, &o, UINT64_MAX);
	}
	read_some(&w, 0, &reader, &o, UINT64_MAX);
	is_u64(o.frames, 243, "a reader goes on with what is appended");
	is_u64(o.wrong + o.errors, 0, "and sees nothing else");
	stored_free(reader);
	/* A segment whose runs are neither here nor there is followed again. */
	world_durable(&w, 0, 30);
	memset(seg_tail(&s), 0, 4096);
	{
		struct seg part = s;

		part.bytes = JOURNAL_BLOCK;
		for (unsigned c = 0; c < 10; c++)
			part.bytes += ((struct commit_head *)(void *)(s.data + part.bytes))->length;
		seg_remove(&s, &w);
		seg_write(&part, &w);
		reader = NULL;
		o = (struct seen){0};
		read_some(&w, 0, &reader, &o, UINT64_MAX);
		seg_write(&s, &w);
	}
	world_durable(&w, 0, 243);
	read_some(&w, 0, &reader, &o, UINT64_MAX);
	ok(o.frames == 243 && o.wrong + o.errors == 0, "without footer and runs, commits are followed again");
	stored_free(reader);
	seg_free(&s);
	world_end(&w);
}

/* What was in the buffer before it was written is read again. */
static void test_too_early(void)
{
	struct world w;
	struct seg s;
	struct map runs;
	struct stored *reader = NULL;
	struct seen o = {0};
	unsigned char saved[4096];
	size_t second;

	world_begin(&w);
	seg_begin(&s, &w, 1, 1u << 20);
	runs_make(&s, &w, &runs);
	model_add_many(&w, 0, 10, 300);
	world_entry(&w, 0, 0, 1);
	seg_run(&s, &w, 0, 0, 5, RECORD_RUN);
	seg_commit(&s);
	second = s.at;
	seg_run(&s, &w, 0, 5, 10, RECORD_RUN);
	seg_commit(&s);
	memcpy(saved, s.data + second, 4096);
	memset(s.data + second, 0x55, 4096); /* told of, on its way */
	seg_write(&s, &w);
	runs_tell(&s, &runs);
	world_durable(&w, 0, 5);
	read_some(&w, 0, &reader, &o, UINT64_MAX);
	memcpy(s.data + second, saved, 4096);
	seg_write(&s, &w);
	world_durable(&w, 0, 10);
	read_some(&w, 0, &reader, &o, UINT64_MAX);
	ok(o.frames == 10 && o.errors == 0 && o.wrong == 0, "what was read before it was written is read again");
	stored_free(reader);
	map_close(&runs);
	seg_free(&s);
	world_end(&w);
}

/* ---- moved, cleaned, lost ---------------------------------------------------------------- */

/* Log 0: positions 0..99 moved to segment 9 with holes, 100..199 in segment 2, 200..299 again in 9. Log 1: 0..49 in
 * segment 2, 50..59 lost, 60..99 in 9; 97..99 lost at the end. */
static void holes_begin(struct world *w, struct seg *a, struct seg *b)
{
	world_begin(w);
	model_add_many(w, 0, 300, 400);
	model_add_many(w, 1, 100, 400);
	seg_begin(a, w, 2, 1u << 20);
	seg_begin(b, w, 9, 1u << 20);
	for (unsigned p = 0; p < 100; p++)
		w->logs[0].frames[p].gone = p % 7 == 3 || (p >= 40 && p < 60) || p >= 95;
	seg_run(a, w, 0, 100, 200, RECORD_RUN);
	seg_run(a, w, 1, 0, 50, RECORD_RUN);
	seg_commit(a);
	seg_seal(a);
	seg_run(b, w, 0, 200, 250, RECORD_RUN);
	seg_lost(b, w, 1, 50, 60);
	seg_lost(b, w, 1, 97, 100);
	seg_run(b, w, 1, 60, 97, RECORD_RUN);
	seg_commit(b);
	seg_run(b, w, 0, 50, 100, RECORD_MOVED);
	seg_run(b, w, 0, 0, 50, RECORD_MOVED);
	seg_commit(b);
	seg_run(b, w, 0, 250, 300, RECORD_RUN);
	seg_commit(b);
	seg_seal(b);
	seg_write(a, w);
	seg_write(b, w);
	world_entry(w, 0, 0, 9);
	world_entry(w, 0, 100, 2);
	world_entry(w, 0, 200, 9);
	world_entry(w, 1, 0, 2);
	world_entry(w, 1, 60, 9);
	world_durable(w, 0, 300);
	world_durable(w, 1, 100);
}

static uint64_t model_messages(const struct model_log *l, uint64_t from, uint64_t to)
{
	return l->frames[to - 1].offset + l->frames[to - 1].count - l->frames[from].offset;
}

static void test_holes(void)
{
	struct world w;
	struct seg a, b;
	uint64_t lost;

	holes_begin(&w, &a, &b);
	is_all(&w, 0, "moved runs, in no order, beside fresh ones");
	is_all(&w, 1, "lost ranges");
	is_u64(read_from(&w, 0, 0).lost, 0, "what was cleaned is not lost");
	lost = model_messages(&w.logs[1], 50, 60) + model_messages(&w.logs[1], 97, 100);
	is_u64(read_from(&w, 1, 0).lost, lost, "messages that were lost are counted");
	is_u64(read_from(&w, 1, 60).lost, model_messages(&w.logs[1], 97, 100), "where a reader comes to them");

	memset(seg_tail(&b), 0, 4096);
	seg_write(&b, &w);
	is_u64(read_from(&w, 1, 0).lost, lost, "without a footer, too");
	ok(read_from(&w, 1, 0).errors == 0, "a lost end is no damage");
	ok(read_from(&w, 0, 0).frames == model_there(&w.logs[0], 0, 300), "every frame of log 0");
	ok(read_from(&w, 0, 0).errors <= 1, "whose cleaned end may be damage, there");
	seg_free(&a);
	seg_free(&b);
	world_end(&w);
}

/* A loss of power: a segment without a footer, a torn commit behind its end, positions that were never stored. Only the
 * segment behind it says where it ended. */
static void test_gap(void)
{
	struct world w;
	struct seg a, b;
	struct seen o;
	size_t last;

	world_begin(&w);
	seg_begin(&a, &w, 1, 1u << 20);
	seg_begin(&b, &w, 2, 1u << 20);
	model_add_many(&w, 0, 40, 300);
	for (unsigned p = 10; p < 20; p++)
		w.logs[0].frames[p].gone = true;
	seg_run(&a, &w, 0, 0, 5, RECORD_RUN);
	seg_commit(&a);
	last = a.at;
	seg_run(&a, &w, 0, 5, 10, RECORD_RUN);
	seg_commit(&a);
	b.previous_end = a.at;
	seg_head(&b);
	seg_record(&a, (struct record){.type = RECORD_TOPIC, .bytes = 100});
	seg_commit(&a);
	a.data[b.previous_end + 100] ^= 1;
	seg_run(&b, &w, 0, 20, 40, RECORD_RUN);
	seg_commit(&b);
	seg_seal(&b);
	seg_write(&a, &w);
	seg_write(&b, &w);
	world_entry(&w, 0, 0, 1);
	world_entry(&w, 0, 20, 2);
	world_durable(&w, 0, 40);
	is_all(&w, 0, "a gap behind a segment without a footer is no damage");
	a.data[last] ^= 1; /* the last commit that counts */
	seg_write(&a, &w);
	o = read_from(&w, 0, 0);
	ok(o.frames == 25 && o.told == 5 && o.wrong == 0, "its last commit is (%s)", o.text);
	a.data[last] ^= 1;
	seg_write(&a, &w);
	seg_remove(&b, &w);
	o = read_from(&w, 0, 0);
	ok(o.frames == 10 && o.told == 20 && o.wrong == 0 && o.errors == 2,
	   "nor is the end believed when nothing says it");
	seg_free(&a);
	seg_free(&b);
	world_end(&w);
}

/* What mqd counts as durable and does not find in its own list is not passed over. */
static void test_contradiction(void)
{
	struct three t;
	struct seen o;

	three_begin(&t);
	store_release(&((struct runs_file *)t.runs.at)->count, t.seg[2].run_count - 1); /* the last one: of log 2 */
	o = read_from(&t.w, 2, 0);
	ok(o.wrong == 0 && o.told == 3 && o.errors == 1 && o.last == SHMQ_EMPTY,
	   "runs that are not told of (%s)", o.text);
	world_durable(&t.w, 2, 357);
	is_all(&t.w, 2, "before them");
	store_release(&world_line(&t.w, 0)->entries, 0);
	o = read_from(&t.w, 0, 0);
	ok(o.wrong == 0 && o.told == 120 && o.errors == 1, "nor a table without segments (%s)", o.text);
	three_end(&t);
}

/* ---- retention, cleaning, recycling ------------------------------------------------------ */

static void test_retention(void)
{
	struct three t;
	struct stored *s = NULL;
	struct seen o = {0};
	uint64_t first, there;

	three_begin(&t);
	read_some(&t.w, 0, &s, &o, 10);
	world_low(&t.w, 0, 50); /* in the second segment */
	seg_remove(&t.seg[0], &t.w);
	read_some(&t.w, 0, &s, &o, 1);
	first = o.position;
	is_i64(o.last, SHMQ_OVERRUN, "retention goes past a reader");
	is_u64(first, 50, "who goes on at the lowest there is");
	read_some(&t.w, 0, &s, &o, UINT64_MAX);
	there = model_there(&t.w.logs[0], 50, 120);
	ok(o.frames == 10 + there && o.wrong == 0 && o.errors == 0, "and reads what is left");
	is_i64(o.last, SHMQ_EMPTY, "to the end");
	world_low(&t.w, 1, UINT64_MAX);
	o = read_from(&t.w, 1, 0);
	is_i64(o.last, SHMQ_EMPTY, "everything let go: empty");
	stored_free(s);
	three_end(&t);
}

/* The first segment becomes one of log 1 with the same positions at the same places: every hash is right. */
static void recycle(struct three *t, struct seg *as)
{
	struct seg *s = &t->seg[0];
	char from[256], to[256];

	seg_begin(as, &t->w, 77, THREE_BYTES);
	memcpy(as->data + 4096, s->data + 4096, THREE_BYTES - 4096);
	for (uint64_t i = 0; i < s->run_count; i++) {
		if (s->runs[i].log.partition != 0)
			continue;
		for (size_t at = (size_t)s->runs[i].at * 64, end = at + s->runs[i].bytes; at < end;) {
			struct frame *f = (struct frame *)(void *)(as->data + at);

			memset(f + 1, 'X', f->length - sizeof *f);
			frame_seal(f);
			at += ALIGN_UP(f->length, 64);
		}
	}
	snprintf(from, sizeof from, "%s/%s", t->w.store, s->name);
	snprintf(to, sizeof to, "%s/%s", t->w.store, as->name);
	need(rename(from, to));
	seg_write(as, &t->w);
}

static void test_recycling(void)
{
	struct three t;
	struct stored *s = NULL;
	struct seen o = {0};
	struct seg as, moved;

	/* Retention: low rises, then the name goes, then the bytes. */
	three_begin(&t);
	read_some(&t.w, 0, &s, &o, 1);
	stored_buffer_forget(&s->buffer);
	recycle(&t, &as);
	world_low(&t.w, 0, 40);
	read_some(&t.w, 0, &s, &o, UINT64_MAX);
	is_u64(o.wrong, 0, "used again while it is read: nothing of another log is seen");
	ok(o.errors == 0 && o.overrun == 39 && o.frames == 81, "and no damage is told of");
	stored_free(s);
	seg_free(&as);
	three_end(&t);

	/* Nobody says where the frames are now. */
	s = NULL;
	o = (struct seen){0};
	three_begin(&t);
	read_some(&t.w, 0, &s, &o, 1);
	stored_buffer_forget(&s->buffer);
	recycle(&t, &as);
	read_some(&t.w, 0, &s, &o, UINT64_MAX);
	is_u64(o.wrong, 0, "the table still says it: nothing wrong is seen");
	ok(o.errors == 1 && o.told == 39 && o.frames == 81 && strstr(o.text, "segment 1 ") != NULL &&
	           strstr(o.text, "missing") != NULL,
	   "a missing segment is told of (%s)", o.text);
	stored_free(s);
	seg_free(&as);
	three_end(&t);

	/* Cleaning: the table says another segment, then the name goes. */
	s = NULL;
	o = (struct seen){0};
	three_begin(&t);
	read_some(&t.w, 0, &s, &o, 1);
	stored_buffer_forget(&s->buffer);
	seg_begin(&moved, &t.w, 50, THREE_BYTES);
	seg_run(&moved, &t.w, 0, 0, 40, RECORD_MOVED);
	seg_commit(&moved);
	seg_seal(&moved);
	seg_write(&moved, &t.w);
	store_release(&world_line(&t.w, 0)->version, 1);
	world_table(&t.w, 0)[0].segment = 50;
	store_release(&world_line(&t.w, 0)->version, 2);
	recycle(&t, &as);
	read_some(&t.w, 0, &s, &o, UINT64_MAX);
	ok(o.wrong == 0 && o.errors == 0 && o.overrun == 0 && o.frames == 120,
	   "moved while it is read: all of it is seen");
	stored_free(s);
	seg_free(&as);
	seg_free(&moved);
	three_end(&t);
}

int main(void)
{
	scratch_begin(120);
	test_three();
	test_grows();
	test_too_early();
	test_holes();
	test_gap();
	test_contradiction();
	test_retention();
	test_recycling();
	return done();
}
