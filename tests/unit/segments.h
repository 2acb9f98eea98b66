/* SPDX-License-Identifier: MIT */
/*
 * segments.h - a store for tests: segments written by hand, what mqd would say of them in memory, and what was written,
 * to compare with. Everything is in memory until seg_write(), so that a test can damage what it likes.
 */
#ifndef SEGMENTS_H
#define SEGMENTS_H

#include "bulk.h"
#include "scratch.h"
#include "store_read.h"

#define WORLD_LOGS 4

/* ---- what was written ---------------------------------------------------------------- */

struct model_frame {
	uint64_t offset, bytes_before, time_ns;
	uint32_t count, length;
	unsigned char *data; /* the frame */
	bool gone;           /* not in the store any more, or never: no reader needs to tell of it */
};
struct model_log {
	struct log_id id;
	struct model_frame *frames; /* by position */
	uint64_t count, capacity;
	uint64_t offset, bytes, time_ns; /* of the next one */
};

struct world {
	int storefd, dirfd;
	struct store_place place;
	struct map map; /* of the durable file */
	struct durable durable[WORLD_LOGS];
	struct model_log logs[WORLD_LOGS];
	char store[128];
	uint64_t random;
};

static inline uint64_t world_random(struct world *w, uint64_t below)
{
	w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (w->random >> 33) % below;
}

static inline void frame_seal(struct frame *f)
{
	f->payload_hash = bulk_hash(f + 1, f->length - sizeof *f);
	f->header_hash = bulk_hash(f, offsetof(struct frame, header_hash));
}

/* The next frame of a log, with a payload of so many bytes that says which one it is. */
TAP_UNUSED static void model_add(struct world *w, unsigned log, uint32_t payload, uint32_t count)
{
	struct model_log *l = &w->logs[log];
	struct model_frame *m;
	struct frame *f;

	if (l->count == l->capacity) {
		l->capacity = l->capacity == 0 ? 64 : l->capacity * 2;
		l->frames = realloc(l->frames, l->capacity * sizeof *l->frames);
		need(l->frames == NULL);
	}
	m = &l->frames[l->count];
	*m = (struct model_frame){.offset = l->offset, .bytes_before = l->bytes, .time_ns = l->time_ns, .count = count,
	                          .length = (uint32_t)sizeof *f + payload};
	m->data = aligned_alloc(64, ALIGN_UP(m->length, 64));
	need(m->data == NULL);
	memset(m->data, 0, ALIGN_UP(m->length, 64));
	f = (struct frame *)(void *)m->data;
	*f = (struct frame){.position = l->count, .offset = l->offset, .bytes = l->bytes, .time_ns = l->time_ns,
	                    .count = count, .length = m->length, .value_bytes = payload};
	for (uint32_t i = 0; i < payload; i++)
		m->data[sizeof *f + i] = (unsigned char)(world_random(w, 251) + log);
	frame_seal(f);
	l->count++;
	l->offset += count;
	l->bytes += payload;
	l->time_ns += world_random(w, 3) * 1000; /* some have the same time */
}

TAP_UNUSED static void model_add_many(struct world *w, unsigned log, unsigned frames, uint32_t most)
{
	for (unsigned i = 0; i < frames; i++)
		model_add(w, log, (uint32_t)world_random(w, most), (uint32_t)world_random(w, 5));
}

/* ---- segments ------------------------------------------------------------------------ */

struct seg {
	uint64_t store, sequence, salt, first_commit, commit;
	unsigned char *data;
	uint64_t previous_end;
	size_t bytes, at; /* of the file; where the next commit goes */
	uint32_t used;    /* by records of the open commit */
	struct run_entry *runs;
	uint64_t run_count;
	char name[64];
};

TAP_UNUSED static void seg_head(struct seg *s)
{
	struct segment_head h = {.magic = SEGMENT_MAGIC, .format = JOURNAL_FORMAT, .block = JOURNAL_BLOCK,
	                         .store = s->store, .sequence = s->sequence, .salt = s->salt, .bytes = s->bytes,
	                         .first_commit = s->first_commit, .previous = s->sequence - 1,
	                         .previous_end = s->previous_end};

	h.hash = bulk_hash(&h, offsetof(struct segment_head, hash));
	memcpy(s->data, &h, sizeof h);
}

TAP_UNUSED static void seg_begin(struct seg *s, struct world *w, uint64_t sequence, size_t bytes)
{
	*s = (struct seg){.store = w->place.id, .sequence = sequence, .salt = 0xabc0000000000000 + sequence * 7,
	                  .first_commit = sequence * 1000, .commit = sequence * 1000, .bytes = bytes,
	                  .at = JOURNAL_BLOCK};
	s->data = aligned_alloc(4096, bytes);
	s->runs = malloc(bytes / 2);
	need(s->data == NULL || s->runs == NULL);
	memset(s->data, 0, bytes);
	snprintf(s->name, sizeof s->name, "journal.%016llx.%016llx", (unsigned long long)sequence,
	         (unsigned long long)s->salt);
	seg_head(s);
}

TAP_UNUSED static void seg_free(struct seg *s)
{
	free(s->data);
	free(s->runs);
	*s = (struct seg){0};
}

/* A record of the open commit. Returns where its data stands. */
TAP_UNUSED static unsigned char *seg_record(struct seg *s, struct record r)
{
	unsigned char *at = s->data + s->at + sizeof(struct commit_head) + s->used;

	need(s->at + sizeof(struct commit_head) + s->used + sizeof r + r.bytes > s->bytes);
	memcpy(at, &r, sizeof r);
	s->used += (uint32_t)sizeof r + ALIGN_UP(r.bytes, 64);
	return at + sizeof r;
}

TAP_UNUSED static uint32_t model_bytes(const struct model_log *l, uint64_t from, uint64_t to)
{
	uint32_t bytes = 0;

	for (uint64_t p = from; p < to; p++)
		if (!l->frames[p].gone)
			bytes += ALIGN_UP(l->frames[p].length, 64u);
	return bytes;
}

/* Frames from <= p < to of a log: those that are not gone. */
TAP_UNUSED static void seg_run(struct seg *s, struct world *w, unsigned log, uint64_t from, uint64_t to,
                               enum record_type type)
{
	const struct model_log *l = &w->logs[log];
	struct run_entry e = {.log = l->id, .first_position = from, .end_position = to,
	                      .first_offset = l->frames[from].offset,
	                      .end_offset = l->frames[to - 1].offset + l->frames[to - 1].count};
	unsigned char *at;

	e.bytes = model_bytes(l, from, to);
	if (e.bytes == 0)
		return;
	at = seg_record(s, (struct record){.type = (uint32_t)type, .bytes = e.bytes, .log = l->id, .a = from, .b = to,
	                                   .c = e.first_offset, .d = e.end_offset});
	e.at = (uint32_t)((size_t)(at - s->data) / 64);
	for (uint64_t p = from; p < to; p++) {
		if (l->frames[p].gone)
			continue;
		if (e.time_ns == 0)
			e.time_ns = l->frames[p].time_ns;
		memcpy(at, l->frames[p].data, ALIGN_UP(l->frames[p].length, 64));
		at += ALIGN_UP(l->frames[p].length, 64);
	}
	s->runs[s->run_count++] = e;
}

TAP_UNUSED static void seg_lost(struct seg *s, struct world *w, unsigned log, uint64_t from, uint64_t to)
{
	const struct model_log *l = &w->logs[log];

	seg_record(s, (struct record){.type = RECORD_LOST, .log = l->id, .a = from, .b = to,
	                              .c = l->frames[from].offset,
	                              .d = l->frames[to - 1].offset + l->frames[to - 1].count});
	for (uint64_t p = from; p < to; p++)
		l->frames[p].gone = true;
}

TAP_UNUSED static void commit_seal(struct commit_head *c)
{
	c->payload_hash = bulk_hash(c + 1, c->used);
	c->head_hash = bulk_hash(c, offsetof(struct commit_head, head_hash));
}

TAP_UNUSED static void seg_commit(struct seg *s)
{
	struct commit_head *c = (struct commit_head *)(void *)(s->data + s->at);

	*c = (struct commit_head){.magic = COMMIT_MAGIC, .salt = s->salt, .sequence = s->commit++,
	                          .length = ALIGN_UP((uint32_t)sizeof *c + s->used, JOURNAL_BLOCK), .used = s->used,
	                          .durable_upto = s->commit - 1, .time_ns = 1};
	commit_seal(c);
	s->at += c->length;
	s->used = 0;
}

TAP_UNUSED static struct segment_tail *seg_tail(const struct seg *s)
{
	return (struct segment_tail *)(void *)(s->data + s->bytes - JOURNAL_BLOCK);
}

TAP_UNUSED static void tail_seal(struct segment_tail *t)
{
	t->hash = bulk_hash(t, offsetof(struct segment_tail, hash));
}

TAP_UNUSED static void seg_seal(struct seg *s)
{
	struct segment_tail *t = seg_tail(s);

	need(s->at + s->run_count * sizeof *s->runs > s->bytes - JOURNAL_BLOCK);
	memcpy(s->data + s->at, s->runs, s->run_count * sizeof *s->runs);
	*t = (struct segment_tail){.magic = TAIL_MAGIC, .salt = s->salt, .sequence = s->sequence, .at = s->at,
	                           .count = s->run_count, .end = s->at, .last_commit = s->commit - 1,
	                           .entries_hash = bulk_hash(s->runs, s->run_count * sizeof *s->runs)};
	tail_seal(t);
}

/* Into the store, under its name or over what has it. */
TAP_UNUSED static void seg_write(const struct seg *s, const struct world *w)
{
	int fd = openat(w->storefd, s->name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	size_t at = 0;

	need(fd < 0);
	while (at < s->bytes) {
		ssize_t n = pwrite(fd, s->data + at, s->bytes - at, (off_t)at);

		need(n <= 0);
		at += (size_t)n;
	}
	close(fd);
}

TAP_UNUSED static void seg_remove(const struct seg *s, const struct world *w)
{
	need(unlinkat(w->storefd, s->name, 0));
}

/* DIR/runs.S of a segment that is being written. */
TAP_UNUSED static void runs_make(const struct seg *s, const struct world *w, struct map *out)
{
	struct runs_file *f;
	struct error e;
	struct aside a;
	char name[40];

	need(map_aside(&e, w->dirfd, sizeof *f + s->bytes / 2, sizeof *f + s->bytes / 2, &a));
	f = a.map.at;
	f->head.kind = FILE_RUNS;
	f->head.number = s->sequence;
	f->head.bytes = a.map.bytes;
	file_head_seal(&f->head);
	runs_name(name, s->sequence);
	need(map_publish(&e, &a, name));
	*out = a.map;
}

TAP_UNUSED static void runs_tell(const struct seg *s, const struct map *m)
{
	struct runs_file *f = m->at;

	memcpy(f + 1, s->runs, s->run_count * sizeof *s->runs);
	store_release(&f->count, s->run_count);
}

TAP_UNUSED static void runs_remove(const struct seg *s, const struct world *w, struct map *m)
{
	char name[40];

	map_close(m);
	runs_name(name, s->sequence);
	need(unlinkat(w->dirfd, name, 0));
}

/* ---- what memory says ---------------------------------------------------------------- */

TAP_UNUSED static struct durable_line *world_line(struct world *w, unsigned log)
{
	return &((struct durable_file *)w->map.at)->lines[log];
}

TAP_UNUSED static struct stored_entry *world_table(struct world *w, unsigned log)
{
	return (struct stored_entry *)(void *)((char *)w->map.at + durable_table_at(WORLD_LOGS)) +
	       (size_t)log * STORED_MAX;
}

/* Another line of the table: from this position on in that segment. */
TAP_UNUSED static void world_entry(struct world *w, unsigned log, uint64_t from, uint64_t sequence)
{
	uint64_t n = load_relaxed(&world_line(w, log)->entries);
	const struct model_frame *m = &w->logs[log].frames[from];

	world_table(w, log)[n] = (struct stored_entry){.first_position = from, .first_offset = m->offset,
	                                               .first_bytes = m->bytes_before, .first_ns = m->time_ns,
	                                               .segment = sequence};
	store_release(&world_line(w, log)->entries, n + 1);
}

TAP_UNUSED static void world_durable(struct world *w, unsigned log, uint64_t position)
{
	store_release(&world_line(w, log)->position, position);
}

TAP_UNUSED static void world_low(struct world *w, unsigned log, uint64_t position)
{
	store_release(&world_line(w, log)->low_position, position);
}

TAP_UNUSED static void world_forget_tables(struct world *w)
{
	for (unsigned i = 0; i < WORLD_LOGS; i++)
		memset(world_line(w, i), 0, sizeof *world_line(w, i));
}

static unsigned world_number;

TAP_UNUSED static void world_begin(struct world *w)
{
	struct error e;
	char dir[128];

	*w = (struct world){.random = 1};
	snprintf(w->store, sizeof w->store, "%s/store%u", scratch, world_number);
	snprintf(dir, sizeof dir, "%s/dir%u", scratch, world_number++);
	need(mkdir(w->store, 0700) < 0 || mkdir(dir, 0700) < 0);
	w->storefd = open(w->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	need(w->storefd < 0 || w->dirfd < 0);
	w->place = (struct store_place){.storefd = w->storefd, .dirfd = w->dirfd, .id = 0x5707e1d};
	need(durable_make(&e, w->dirfd, 5, 0, WORLD_LOGS));
	need(durable_open(&e, w->dirfd, 5, 0, WORLD_LOGS, true, &w->map));
	for (unsigned i = 0; i < WORLD_LOGS; i++) {
		w->durable[i] = durable_of(&w->map, WORLD_LOGS, i);
		w->logs[i] = (struct model_log){.id = {.topic = 5, .partition = i}, .time_ns = 1000};
	}
}

TAP_UNUSED static void world_end(struct world *w)
{
	for (unsigned i = 0; i < WORLD_LOGS; i++) {
		for (uint64_t p = 0; p < w->logs[i].count; p++)
			free(w->logs[i].frames[p].data);
		free(w->logs[i].frames);
	}
	map_close(&w->map);
	close(w->storefd);
	close(w->dirfd);
}

/* ---- reading it all, compared with what was written ----------------------------------- */

struct seen {
	uint64_t frames;  /* as they were written */
	uint64_t wrong;   /* others; or there, and passed over without a word; or no end */
	uint64_t told;    /* frames within what was said to be damaged */
	uint64_t errors;  /* how often something was */
	uint64_t overrun; /* frames let go */
	uint64_t lost;    /* messages */
	int last;         /* how it ended */
	uint64_t position;
	char text[512];   /* of the last error */
};

TAP_UNUSED static uint64_t model_there(const struct model_log *l, uint64_t from, uint64_t to)
{
	uint64_t n = 0;

	for (uint64_t p = from; p < to && p < l->count; p++)
		n += !l->frames[p].gone;
	return n;
}

static inline void seen_result(struct seen *o, const struct model_log *l, int r, uint64_t from, const struct copy *c,
                               const struct error *e)
{
	if (r == 0) {
		const struct frame *f = (const struct frame *)(const void *)c->data;
		bool same = o->position < l->count && !l->frames[o->position].gone &&
		            f->length == l->frames[o->position].length &&
		            memcmp(f, l->frames[o->position].data, f->length) == 0;

		o->frames += same;
		o->wrong += !same + model_there(l, from, o->position);
	} else if (r == SHMQ_ECORRUPT) {
		o->errors++;
		o->told += model_there(l, from, o->position);
		o->wrong += o->position <= from;
		snprintf(o->text, sizeof o->text, "%s", e->text);
	} else if (r == SHMQ_OVERRUN) {
		o->overrun += model_there(l, from, o->position);
	} else if (r == SHMQ_EMPTY) {
		o->wrong += model_there(l, from, o->position);
	}
}

/* From o->position on, with a reader that goes on from where it was, at most so many frames. */
TAP_UNUSED static void read_some(struct world *w, unsigned log, struct stored **s, struct seen *o, uint64_t most)
{
	const struct model_log *l = &w->logs[log];
	struct copy c = {0};
	struct error e;

	o->last = 0;
	for (uint64_t n = 0; n < most; n++) {
		uint64_t from = o->position, lost = 0;

		o->last = stored_read(&e, s, &w->place, &w->durable[log], l->id, &o->position, &c, &lost);
		o->lost += lost;
		seen_result(o, l, o->last, from, &c, &e);
		if (o->last != 0 && o->last != SHMQ_ECORRUPT && o->last != SHMQ_OVERRUN)
			break;
		if (o->last == 0)
			o->position++;
		if (n > 4 * l->count + 1000) {
			o->wrong++; /* it never ends */
			break;
		}
	}
	free(c.data);
}

TAP_UNUSED static struct seen read_from(struct world *w, unsigned log, uint64_t position)
{
	struct stored *s = NULL;
	struct seen o = {.position = position};

	read_some(w, log, &s, &o, UINT64_MAX);
	stored_free(s);
	return o;
}

#endif
