/* SPDX-License-Identifier: MIT */
/*
 * store_race_test.c - a reader beside a writer that appends, lets go, and uses segments again, as fast as it can.
 *
 * What log 0 has in a segment, log 1 has at the same places, at the same positions, when that file is used again: only
 * the name of the file tells one from the other.
 */
#include "segments.h"

#include <time.h>

#define KEPT       4u  /* segments */
#define PER_RUN    16u /* frames */
#define RUNS       8u  /* of each log in a segment */
#define PER_SEG    (PER_RUN * RUNS)
#define PAYLOAD    192u
#define RACE_BYTES (512u << 10)
#define RACE_MS    1500

struct shared {
	atomic_u64 stop, segments;
};

static unsigned char payload_byte(unsigned log, uint64_t position, unsigned i)
{
	return (unsigned char)(position * 31 + i * 7 + (log + 1) * 101);
}

static void race_frame(struct frame *f, unsigned log, uint64_t position)
{
	unsigned char *data = (unsigned char *)(f + 1);

	*f = (struct frame){.position = position, .offset = position, .time_ns = position, .count = 1,
	                    .length = sizeof *f + PAYLOAD, .value_bytes = PAYLOAD};
	for (unsigned i = 0; i < PAYLOAD; i++)
		data[i] = payload_byte(log, position, i);
	frame_seal(f);
}

static void race_run(struct seg *s, struct world *w, unsigned log, uint64_t from)
{
	uint32_t bytes = PER_RUN * (sizeof(struct frame) + PAYLOAD);
	unsigned char *at = seg_record(s, (struct record){.type = RECORD_RUN, .bytes = bytes, .log = w->logs[log].id,
	                                                  .a = from, .b = from + PER_RUN, .c = from,
	                                                  .d = from + PER_RUN});

	s->runs[s->run_count++] = (struct run_entry){
	        .log = w->logs[log].id, .first_position = from, .end_position = from + PER_RUN, .first_offset = from,
	        .end_offset = from + PER_RUN, .time_ns = from, .bytes = bytes,
	        .at = (uint32_t)((size_t)(at - s->data) / 64)};
	for (unsigned i = 0; i < PER_RUN; i++, at += sizeof(struct frame) + PAYLOAD)
		race_frame((struct frame *)(void *)at, log, from + i);
}

static void write_at(const struct seg *s, int fd, size_t from, size_t to)
{
	need(pwrite(fd, s->data + from, to - from, (off_t)from) != (ssize_t)(to - from));
}

/* The table without its first entry, and low: before the segment goes. */
static void let_go(struct world *w, uint64_t number)
{
	for (unsigned l = 0; l < 2; l++) {
		struct durable_line *line = world_line(w, l);
		struct stored_entry *table = world_table(w, l);
		uint64_t entries = load_relaxed(&line->entries);

		if (entries == 0 || table[0].segment != number)
			continue;
		world_low(w, l, table[0].first_position + PER_SEG);
		store_release(&line->version, load_relaxed(&line->version) + 1);
		fence_release();
		memmove(table, table + 1, (size_t)(entries - 1) * sizeof *table);
		store_release(&line->entries, entries - 1);
		store_release(&line->version, load_relaxed(&line->version) + 1);
	}
}

/* Segment `number`: of log 0 positions from (number - 1) * PER_SEG on, of log 1 those that log 0 had when the file was
 * used last, at its places. */
static void race_segment(struct world *w, uint64_t number, char last_name[64])
{
	struct seg s;
	struct map runs;
	int fd;
	uint64_t at[2] = {(number - 1) * PER_SEG, number > KEPT ? (number - 1 - KEPT) * PER_SEG : UINT64_MAX};

	seg_begin(&s, w, number, RACE_BYTES);
	if (number > KEPT) {
		let_go(w, number - KEPT);
		need(renameat(w->storefd, last_name, w->storefd, s.name));
	}
	fd = openat(w->storefd, s.name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	need(fd < 0);
	write_at(&s, fd, 0, RACE_BYTES);
	runs_make(&s, w, &runs);
	for (unsigned run = 0; run < RUNS; run++) {
		size_t from = s.at;

		for (unsigned i = 0; i < 2; i++) {
			unsigned l = (number / KEPT + i) % 2;

			if (at[l] != UINT64_MAX)
				race_run(&s, w, l, at[l] + run * PER_RUN);
			else /* the places are the same */
				seg_record(&s, (struct record){.type = RECORD_NUMBERS,
				                               .bytes = PER_RUN * (sizeof(struct frame) + PAYLOAD)});
		}
		seg_commit(&s);
		write_at(&s, fd, from, s.at);
		runs_tell(&s, &runs);
		for (unsigned l = 0; l < 2; l++) {
			struct durable_line *line = world_line(w, l);
			uint64_t entries = load_relaxed(&line->entries);

			if (at[l] == UINT64_MAX)
				continue;
			if (run == 0) {
				world_table(w, l)[entries] = (struct stored_entry){
				        .first_position = at[l], .first_offset = at[l], .first_ns = at[l], .segment = number};
				store_release(&line->entries, entries + 1);
			}
			world_durable(w, l, at[l] + (run + 1) * PER_RUN);
		}
	}
	seg_seal(&s);
	write_at(&s, fd, s.at, RACE_BYTES);
	close(fd);
	runs_remove(&s, w, &runs);
	seg_free(&s);
}

struct race {
	struct world *w;
	struct shared *shared;
};

static void writer(void *argument)
{
	struct race *race = argument;
	struct world *w = race->w;
	char names[KEPT][64] = {{0}};
	struct error e;

	w->map = MAP_NONE; /* of the parent; not inherited */
	need(durable_open(&e, w->dirfd, 5, 0, WORLD_LOGS, true, &w->map));
	for (uint64_t n = 1; load_relaxed(&race->shared->stop) == 0; n++) {
		struct seg named;

		race_segment(w, n, names[n % KEPT]);
		seg_begin(&named, w, n, 8192);
		memcpy(names[n % KEPT], named.name, 64);
		seg_free(&named);
		store_relaxed(&race->shared->segments, n);
	}
}

static bool race_right(const struct frame *f, unsigned log, uint64_t position)
{
	const unsigned char *data = (const unsigned char *)(f + 1);

	if (f->position != position || f->length != sizeof *f + PAYLOAD)
		return false;
	for (unsigned i = 0; i < PAYLOAD; i++)
		if (data[i] != payload_byte(log, position, i))
			return false;
	return true;
}

struct raced {
	uint64_t frames, wrong, errors, overruns, searched;
	char text[540];
};

/* Reads on for a while. */
static void race_read(struct world *w, unsigned log, struct stored **s, uint64_t *position, struct copy *c,
                      struct raced *o)
{
	const struct durable *d = &w->durable[log];
	struct error e;

	for (unsigned n = 0; n < 100; n++) {
		uint64_t from = *position, lost;
		int r = stored_read(&e, s, &w->place, d, w->logs[log].id, position, c, &lost);

		if (r == SHMQ_EMPTY)
			break;
		o->overruns += r == SHMQ_OVERRUN;
		if (r < 0) {
			o->errors++;
			snprintf(o->text, sizeof o->text, "%d: %s", r, e.text);
		}
		if (r != 0)
			continue;
		o->frames++;
		o->wrong += *position != from || !race_right((const struct frame *)(const void *)c->data, log, from);
		++*position;
	}
}

static void race_search(struct world *w, unsigned log, struct stored **s, uint64_t key, struct raced *o)
{
	struct error e;
	uint64_t position;
	int r = stored_search(&e, s, &w->place, &w->durable[log], w->logs[log].id, key % 2 == 0, key, &position);

	o->searched += r == 0;
	/* What is there now may begin behind it. */
	o->wrong += r == 0 && position > key && position > load_relaxed(&w->durable[log].line->low_position);
	o->errors += r < 0;
}

int main(void)
{
	struct world w;
	struct race race = {.w = &w};
	struct stored *s[2] = {NULL, NULL};
	struct copy c = {0};
	uint64_t position[2] = {0}, turns = 0;
	struct raced o = {0};
	pid_t pid;
	int64_t end;

	scratch_begin(60);
	world_begin(&w);
	race.shared = shared_page();
	pid = start(writer, &race);
	for (end = now_ms() + RACE_MS; now_ms() < end; turns++) {
		unsigned log = turns % 2;

		if (turns % 7 == 0) { /* one that lags: at the lowest, where segments go */
			stored_free(s[log]);
			s[log] = NULL;
			position[log] = load_relaxed(&w.durable[log].line->low_position);
		}
		race_read(&w, log, &s[log], &position[log], &c, &o);
		if (turns % 5 == 0)
			race_search(&w, log, &s[log], position[log] + turns % 11, &o);
	}
	store_relaxed(&race.shared->stop, 1);
	is_i64(finish(pid), 0, "a writer that uses %u segments again and again", KEPT);
	ok(load_relaxed(&race.shared->segments) > 10 * KEPT, "has used each 10 times and more (%" PRIu64 " segments)",
	   load_relaxed(&race.shared->segments));
	ok(o.frames > 1000 && o.overruns > 10 && o.searched > 10,
	   "a reader beside it (%" PRIu64 " frames, %" PRIu64 " overruns, %" PRIu64 " searches)", o.frames, o.overruns,
	   o.searched);
	is_u64(o.wrong, 0, "never sees anything but its log");
	is_u64(o.errors, 0, "and takes nothing for damage (%s)", o.text);
	stored_free(s[0]);
	stored_free(s[1]);
	free(c.data);
	world_end(&w);
	return done();
}
