/* SPDX-License-Identifier: MIT */
/* store_damage_test.c - a store that is damaged, cut, another's, or nonsense: the rest of it is read, and no other. */
#include "segments.h"
#include "stored.h"

/* ---- every byte of a small segment ------------------------------------------------------ */

struct small {
	struct world w;
	struct seg s;
};

/* Two logs in three commits, one run moved. */
static void small_begin(struct small *t)
{
	world_begin(&t->w);
	seg_begin(&t->s, &t->w, 4, 7 * 4096);
	model_add_many(&t->w, 0, 14, 200);
	model_add_many(&t->w, 1, 14, 200);
	seg_run(&t->s, &t->w, 0, 8, 12, RECORD_RUN);
	seg_run(&t->s, &t->w, 1, 0, 7, RECORD_RUN);
	seg_commit(&t->s);
	seg_run(&t->s, &t->w, 0, 12, 14, RECORD_RUN);
	seg_run(&t->s, &t->w, 1, 7, 10, RECORD_RUN);
	seg_commit(&t->s);
	seg_run(&t->s, &t->w, 1, 10, 14, RECORD_RUN);
	seg_run(&t->s, &t->w, 0, 0, 8, RECORD_MOVED);
	seg_commit(&t->s);
	for (unsigned l = 0; l < 2; l++) {
		world_entry(&t->w, l, 0, 4);
		world_durable(&t->w, l, 14);
	}
}

static void small_end(struct small *t)
{
	seg_free(&t->s);
	world_end(&t->w);
}

static void put_byte(const struct small *t, int fd, size_t at, unsigned char flip)
{
	unsigned char byte = t->s.data[at] ^ flip;

	need(pwrite(fd, &byte, 1, (off_t)at) != 1);
}

/* Flips a bit of each byte, one after the other: at most `most` frames may be missing, and only with a word. */
static void flip_all(struct small *t, uint64_t most, const char *what)
{
	int fd = openat(t->w.storefd, t->s.name, O_RDWR | O_CLOEXEC);
	uint64_t wrong = 0, missing = 0, told = 0, worst = 0, silent = 0;

	need(fd < 0);
	for (size_t at = 0; at < t->s.bytes; at++) {
		put_byte(t, fd, at, (unsigned char)(1 << at % 8));
		for (unsigned l = 0; l < 2; l++) {
			struct seen o = read_from(&t->w, l, 0);

			wrong += o.wrong;
			missing += o.frames + o.told != 14 || o.last != SHMQ_EMPTY;
			told += o.told;
			silent += o.told > 0 && o.errors == 0;
			worst = o.told > worst ? o.told : worst;
		}
		put_byte(t, fd, at, 0);
	}
	close(fd);
	is_u64(wrong, 0, "%s, a bit flipped in each byte: nothing wrong is read, or passed over silently", what);
	is_u64(missing + silent, 0, "%s: each frame is read, or told to be damaged", what);
	ok(worst <= most, "%s: at most %" PRIu64 " frames are told of one bit (%" PRIu64 ")", what, most, worst);
	ok(told > 1000, "%s: damage is found at all (%" PRIu64 " times)", what, told);
}

static void test_flips(void)
{
	struct small t;
	struct map runs;

	small_begin(&t);
	seg_write(&t.s, &t.w);
	flip_all(&t, 14, "no footer");
	runs_make(&t.s, &t.w, &runs);
	runs_tell(&t.s, &runs);
	flip_all(&t, 1, "runs in memory");
	runs_remove(&t.s, &t.w, &runs);
	seg_seal(&t.s);
	seg_write(&t.s, &t.w);
	flip_all(&t, 1, "footer");
	small_end(&t);
}

/* ---- what is told ------------------------------------------------------------------------ */

static void test_told(void)
{
	struct small t;
	struct stored *s = NULL;
	struct seen o = {0};
	struct copy c = {0};
	struct error e;
	uint64_t position = 3, lost;
	struct frame *f;
	const struct run_entry *run;
	char want[128];

	small_begin(&t);
	seg_seal(&t.s);
	run = &t.s.runs[5]; /* log 0, positions 0..7 */
	f = (struct frame *)(void *)(t.s.data + (size_t)run->at * 64 + model_bytes(&t.w.logs[0], 0, 3));
	f->count ^= 1;
	seg_write(&t.s, &t.w);
	snprintf(want, sizeof want, "segment 4 of the store is damaged at byte %zu: positions 3 to 3 (checksum)",
	         (size_t)((unsigned char *)f - t.s.data));
	is_i64(stored_read(&e, &s, &t.w.place, &t.w.durable[0], t.w.logs[0].id, &position, &c, &lost), SHMQ_ECORRUPT,
	       "a damaged header");
	is_str(e.text, want, "says which segment, where, and what");
	is_u64(position, 4, "and is passed");
	read_some(&t.w, 0, &s, &o, UINT64_MAX);
	ok(o.frames == 13 && o.told == 1 && o.errors == 1 && o.wrong == 0, "the frames around it are read");

	/* A longer one: no length is believed, and the next frame is found. */
	f->length = UINT32_MAX;
	memset((unsigned char *)f + model_bytes(&t.w.logs[0], 3, 4), 0xff, 64);
	seg_write(&t.s, &t.w);
	stored_free(s);
	o = read_from(&t.w, 0, 0);
	ok(o.frames == 12 && o.told == 2 && o.errors == 1, "two headers in a row are one damage");
	memset((unsigned char *)f, 0xff, (size_t)run->bytes - model_bytes(&t.w.logs[0], 0, 3));
	seg_write(&t.s, &t.w);
	o = read_from(&t.w, 0, 0);
	ok(o.frames == 9 && o.told == 5 && o.errors == 1 && o.wrong == 0, "the rest of a run, and no more");
	free(c.data);
	small_end(&t);
}

/* With every hash right, a frame does not go beyond its run. */
static void test_too_long(void)
{
	struct small t;
	struct seen o;
	struct frame *f;

	small_begin(&t);
	seg_seal(&t.s);
	f = (struct frame *)(void *)(t.s.data + (size_t)t.s.runs[0].at * 64 + model_bytes(&t.w.logs[0], 8, 11));
	f->length += 256; /* what follows is log 1's */
	frame_seal(f);
	seg_write(&t.s, &t.w);
	o = read_from(&t.w, 0, 0);
	ok(o.frames == 13 && o.told == 1 && o.wrong == 0, "a frame that goes beyond its run is damage (%s)", o.text);
	small_end(&t);
}

/* A frame in the value of another one is only a value. */
static void test_frame_in_value(uint64_t offset)
{
	struct world w;
	struct seg s;
	struct model_frame *m;
	struct frame *outer, *inner;
	struct seen o;

	world_begin(&w);
	seg_begin(&s, &w, 1, 1u << 20);
	w.logs[0].offset = 10;
	model_add(&w, 0, 100, 1);
	model_add(&w, 0, 640, 1);
	model_add(&w, 0, 100, 1);
	m = &w.logs[0].frames[1];
	outer = (struct frame *)(void *)m->data;
	inner = (struct frame *)(void *)(m->data + 128);
	*inner = (struct frame){.position = 1, .offset = offset, .count = 1, .length = 128, .value_bytes = 64};
	frame_seal(inner);
	frame_seal(outer);
	world_entry(&w, 0, 0, 1);
	world_durable(&w, 0, 3);
	seg_run(&s, &w, 0, 0, 3, RECORD_RUN);
	seg_commit(&s);
	seg_seal(&s);
	s.data[(size_t)s.runs[0].at * 64 + 192 + 20] ^= 1; /* outer's header */
	seg_write(&s, &w);
	o = read_from(&w, 0, 0);
	ok(o.frames == 2 && o.wrong == 0 && o.told == 1,
	   "a frame in a value whose header is damaged is not taken for one (offset %" PRIu64 ")", offset);
	seg_free(&s);
	world_end(&w);
}

/* ---- cut, and others' -------------------------------------------------------------------- */

static void test_cut(void)
{
	struct small t;
	struct map runs = MAP_NONE;
	uint64_t wrong = 0, missing = 0;
	char path[256];

	small_begin(&t);
	seg_seal(&t.s);
	snprintf(path, sizeof path, "%s/%s", t.w.store, t.s.name);
	for (unsigned with_runs = 0; with_runs < 2; with_runs++) {
		if (with_runs) {
			runs_make(&t.s, &t.w, &runs);
			runs_tell(&t.s, &runs);
		}
		for (size_t bytes = 0; bytes < t.s.bytes; bytes += 32) {
			seg_write(&t.s, &t.w);
			need(truncate(path, (off_t)bytes));
			for (unsigned l = 0; l < 2; l++) {
				struct seen o = read_from(&t.w, l, 0);

				wrong += o.wrong;
				missing += o.frames + o.told != 14 || o.last != SHMQ_EMPTY;
			}
		}
	}
	is_u64(wrong, 0, "cut anywhere: nothing wrong is read, or passed over silently");
	is_u64(missing, 0, "cut anywhere: each frame is read, or told to be damaged");
	map_close(&runs);
	small_end(&t);
}

static void test_foreign(void)
{
	struct small t;
	struct seen o;
	struct seg other;
	struct map runs;
	struct error e;
	struct run_entry *entries;
	uint64_t count;

	small_begin(&t);
	seg_seal(&t.s);
	t.s.store ^= 1;
	seg_head(&t.s);
	seg_write(&t.s, &t.w);
	o = read_from(&t.w, 0, 0);
	ok(o.frames == 0 && o.told == 14 && o.errors == 1 && strstr(o.text, "another store") != NULL,
	   "a segment of another store is not read (%s)", o.text);
	is_i64(segment_runs(&e, t.w.storefd, t.s.name, t.w.place.id, 0, &entries, &count), SHMQ_ECORRUPT,
	       "and has no runs");
	/* Under this name there is something else. */
	t.s.store ^= 1;
	seg_head(&t.s);
	seg_begin(&other, &t.w, 5, t.s.bytes);
	memcpy(other.data, t.s.data, t.s.bytes);
	seg_write(&other, &t.w);
	for (unsigned l = 0; l < 2; l++)
		world_table(&t.w, l)[0].segment = 5;
	o = read_from(&t.w, 0, 0);
	ok(o.frames == 0 && o.told == 14 && o.errors == 1, "a copy under another name is not read (%s)", o.text);
	other.runs = realloc(other.runs, t.s.run_count * sizeof *t.s.runs);
	need(other.runs == NULL);
	memcpy(other.runs, t.s.runs, t.s.run_count * sizeof *t.s.runs);
	other.run_count = t.s.run_count;
	runs_make(&other, &t.w, &runs);
	runs_tell(&other, &runs);
	o = read_from(&t.w, 0, 0);
	ok(o.frames == 0 && o.told == 14, "also when memory says what stands in it");
	runs_remove(&other, &t.w, &runs);
	memset(other.data, 0, 4096);
	seg_write(&other, &t.w);
	o = read_from(&t.w, 0, 0);
	ok(o.frames == 0 && o.told == 14, "nor without its head: the salt is another one (%s)", o.text);
	seg_free(&other);
	for (unsigned l = 0; l < 2; l++)
		world_table(&t.w, l)[0].segment = 6;
	need(symlinkat("/dev/zero", t.w.storefd, "journal.0000000000000006.0000000000000006"));
	o = read_from(&t.w, 0, 0);
	ok(o.told == 14 && o.errors == 1, "a symbolic link is no segment (%s)", o.text);
	need(unlinkat(t.w.storefd, "journal.0000000000000006.0000000000000006", 0));
	need(mkfifoat(t.w.storefd, "journal.0000000000000006.0000000000000006", 0600));
	o = read_from(&t.w, 0, 0);
	ok(o.told == 14 && o.errors == 1, "nor is a pipe (%s)", o.text);
	need(unlinkat(t.w.storefd, "journal.0000000000000006.0000000000000006", 0));
	small_end(&t);
}

/* ---- segments from outside --------------------------------------------------------------- */

static void test_segment(void)
{
	struct small t;
	struct error e;
	struct run_entry *entries;
	const struct commit_head *c;
	uint64_t count, second;
	uint32_t at = 0;
	unsigned records = 0;
	char name[64];
	bool damaged;

	small_begin(&t);
	seg_write(&t.s, &t.w);
	c = (const struct commit_head *)(const void *)(t.s.data + 4096);
	second = 4096 + c->length;
	is_i64(segment_name(&e, t.w.storefd, 4, name), 0, "a segment by its sequence");
	is_str(name, t.s.name, "its name");
	is_i64(segment_name(&e, t.w.storefd, 5, name), SHMQ_ENOENT, "another is not there");
	is_i64(segment_runs(&e, t.w.storefd, t.s.name, t.w.place.id, 0, &entries, &count), 0, "runs from commits");
	ok(count == 6 && memcmp(entries, t.s.runs, 6 * sizeof *entries) == 0,
	   "all of them, in the order of the journal");
	free(entries);
	is_i64(segment_runs(&e, t.w.storefd, t.s.name, t.w.place.id, second, &entries, &count), 0, "up to an end");
	is_u64(count, 2, "and no further");
	free(entries);
	seg_seal(&t.s);
	seg_write(&t.s, &t.w);
	is_i64(segment_runs(&e, t.w.storefd, t.s.name, t.w.place.id, second, &entries, &count), 0,
	       "runs from the footer");
	ok(count == 6 && memcmp(entries, t.s.runs, 6 * sizeof *entries) == 0, "the same");
	free(entries);
	seg_remove(&t.s, &t.w);
	is_i64(segment_runs(&e, t.w.storefd, t.s.name, t.w.place.id, 0, &entries, &count), SHMQ_ENOENT, "gone");

	ok(commit_valid(c, c->length, t.s.salt, true) && commit_valid(c, sizeof *c, t.s.salt, false), "a commit");
	ok(!commit_valid(c, c->length - 1, t.s.salt, true), "of which a byte is not there");
	ok(!commit_valid(c, sizeof *c - 1, t.s.salt, false), "or not even its head");
	ok(!commit_valid(c, c->length, t.s.salt + 1, true), "or of another segment");
	while (commit_record(c, &at, &damaged) != NULL)
		records++;
	ok(records == 2 && !damaged, "its records");
	t.s.data[4096 + 300] ^= 1;
	ok(!commit_valid(c, c->length, t.s.salt, true) && commit_valid(c, c->length, t.s.salt, false),
	   "a payload that is damaged");
	((struct record *)(void *)(t.s.data + 4096 + 64))->bytes = c->used - 63;
	at = 0;
	ok(commit_record(c, &at, &damaged) == NULL && damaged, "a record that is longer than its commit");
	small_end(&t);
}

/* A commit that is not the next one, with everything else right, ends the walk. */
static void test_sequence(void)
{
	struct small t;
	struct commit_head *c;
	struct error e;
	struct run_entry *entries;
	uint64_t count;

	small_begin(&t);
	c = (struct commit_head *)(void *)(t.s.data + 4096);
	c = (struct commit_head *)(void *)(t.s.data + 4096 + c->length);
	c->sequence++;
	commit_seal(c);
	seg_write(&t.s, &t.w);
	need(segment_runs(&e, t.w.storefd, t.s.name, t.w.place.id, 0, &entries, &count));
	is_u64(count, 2, "a commit out of sequence does not count");
	free(entries);
	small_end(&t);
}

/* A segment used again has the footer of its last life until it is sealed: another salt. And counts may be anything. */
static void test_footer(void)
{
	struct small t;
	struct segment_tail *tail;
	struct seen o;

	small_begin(&t);
	seg_seal(&t.s);
	tail = seg_tail(&t.s);
	tail->count = 0; /* of which nothing is there any more */
	tail->entries_hash = bulk_hash("", 0);
	tail->salt++;
	tail_seal(tail);
	seg_write(&t.s, &t.w);
	o = read_from(&t.w, 0, 0);
	ok(o.frames == 14 && o.errors == 0, "the footer of an earlier life is none");
	seg_seal(&t.s);
	tail->count += 1ULL << 58; /* as many bytes, modulo 2^64 */
	tail_seal(tail);
	seg_write(&t.s, &t.w);
	o = read_from(&t.w, 0, 0);
	ok(o.frames == 14 && o.errors == 0, "nor is one with more entries than bytes");
	tail->count = UINT64_MAX / 64;
	tail_seal(tail);
	seg_write(&t.s, &t.w);
	o = read_from(&t.w, 0, 0);
	ok(o.frames == 14 && o.errors == 0, "of whatever number");
	small_end(&t);
}

/* ---- nonsense ---------------------------------------------------------------------------- */

static uint64_t nonsense(struct world *w)
{
	static const uint64_t edges[] = {0, 1, 2, 63, 64, 4095, 4096, UINT32_MAX, 1ULL << 53,
	                                 UINT64_MAX - 1, UINT64_MAX};
	uint64_t n = world_random(w, 4);

	if (n == 0)
		return edges[world_random(w, sizeof edges / sizeof *edges)];
	return n == 1 ? world_random(w, 20) : n == 2 ? world_random(w, 30000) : world_random(w, 1u << 31) << 33;
}

static void nonsense_run(struct world *w, struct run_entry *r)
{
	uint64_t *fields[] = {&r->first_position, &r->end_position, &r->first_offset, &r->end_offset, &r->time_ns};

	*fields[world_random(w, 5)] = nonsense(w);
	if (world_random(w, 2) == 0)
		r->at = (uint32_t)nonsense(w);
	if (world_random(w, 2) == 0)
		r->bytes = (uint32_t)nonsense(w);
}

/* Damages something, and makes every hash right again. */
static void nonsense_segment(struct small *t)
{
	struct world *w = &t->w;
	struct seg *s = &t->s;
	struct commit_head *c = (struct commit_head *)(void *)(s->data + 4096);
	struct segment_tail *tail = seg_tail(s);

	nonsense_run(w, &s->runs[world_random(w, s->run_count)]);
	seg_seal(s);
	if (world_random(w, 3) == 0)
		*(uint64_t *[]){&tail->at, &tail->count, &tail->end}[world_random(w, 3)] = nonsense(w);
	tail_seal(tail);
	if (world_random(w, 2) == 0)
		tail->hash++;
	for (unsigned i = 0; i < 3; i++, c = (struct commit_head *)(void *)((char *)c + 4096)) {
		struct record *r = (struct record *)(void *)(c + 1);

		if (c->magic != COMMIT_MAGIC)
			continue;
		if (world_random(w, 3) == 0)
			*(uint64_t *[]){&r->a, &r->b, &r->c, &r->d}[world_random(w, 4)] = nonsense(w);
		if (world_random(w, 3) == 0)
			r->bytes = (uint32_t)nonsense(w);
		if (world_random(w, 4) == 0)
			*(uint32_t *[]){&c->length, &c->used}[world_random(w, 2)] = (uint32_t)nonsense(w);
		if (world_random(w, 3) == 0) {
			struct frame *f = (struct frame *)(void *)(r + 1);

			*(uint64_t *[]){&f->position, &f->offset}[world_random(w, 2)] = nonsense(w);
			f->length = world_random(w, 2) == 0 ? f->length : (uint32_t)nonsense(w);
			f->header_hash = bulk_hash(f, offsetof(struct frame, header_hash));
		}
		if (c->used < 8192)
			c->payload_hash = bulk_hash(c + 1, c->used);
		c->head_hash = bulk_hash(c, offsetof(struct commit_head, head_hash));
	}
}

static void nonsense_table(struct world *w)
{
	for (unsigned l = 0; l < 2; l++) {
		for (unsigned i = 0; i < 8; i++) {
			struct stored_entry *s = &world_table(w, l)[i];

			*s = (struct stored_entry){.first_position = nonsense(w), .first_offset = nonsense(w),
			                           .first_ns = nonsense(w), .segment = world_random(w, 2) == 0 ? 4 : 3};
		}
		world_table(w, l)[0].segment = 4;
		store_relaxed(&world_line(w, l)->entries, world_random(w, 9));
		store_relaxed(&world_line(w, l)->position, nonsense(w));
		store_relaxed(&world_line(w, l)->low_position, world_random(w, 2) == 0 ? 0 : nonsense(w));
	}
}

/* No crash, nothing out of bounds (under sanitizers), an end, and every call goes on. */
static void test_nonsense(void)
{
	unsigned stuck = 0, frames = 0;

	for (unsigned n = 0; n < 300; n++) {
		struct small t;
		struct map runs = MAP_NONE;

		small_begin(&t);
		t.w.random = n;
		for (unsigned i = 0; i < 8; i++) {
			seg_seal(&t.s);
			nonsense_segment(&t);
			seg_write(&t.s, &t.w);
			if (n % 3 == 0 && runs.at == NULL)
				runs_make(&t.s, &t.w, &runs);
			if (runs.at != NULL) {
				runs_tell(&t.s, &runs);
				store_relaxed(&((struct runs_file *)runs.at)->count,
				              world_random(&t.w, 2) == 0 ? 6 : UINT64_MAX);
			}
			if (i >= 4)
				nonsense_table(&t.w);
			for (unsigned l = 0; l < 2; l++) {
				struct stored *s = NULL;
				struct error e;
				uint64_t key = nonsense(&t.w);
				uint64_t position = world_random(&t.w, 2) == 0 ? 0 : nonsense(&t.w);
				struct seen o = {.position = position};

				stored_search(&e, &s, &t.w.place, &t.w.durable[l], t.w.logs[l].id, n % 2 == 0,
				              key, &position);
				for (unsigned call = 0; call < 60; call++) {
					uint64_t from = o.position;

					read_some(&t.w, l, &s, &o, 1);
					frames += o.last == 0;
					if (o.last != 0 && o.last != SHMQ_ECORRUPT && o.last != SHMQ_OVERRUN)
						break;
					stuck += o.position <= from && o.position != 0;
				}
				stored_free(s);
			}
		}
		map_close(&runs);
		small_end(&t);
	}
	is_u64(stuck, 0, "nonsense with right hashes: each call goes on");
	ok(frames > 1000, "and what is no nonsense is read (%u frames)", frames);
}

int main(void)
{
	scratch_begin(300);
	test_flips();
	test_told();
	test_too_long();
	test_frame_in_value(9);
	test_frame_in_value(13);
	test_cut();
	test_foreign();
	test_segment();
	test_sequence();
	test_footer();
	test_nonsense();
	return done();
}
