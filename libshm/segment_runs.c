/* SPDX-License-Identifier: MIT */
/*
 * segment_runs.c - what stands in a segment: its footer, and its commits one after the other.
 *
 * A footer is valid if and only if all of these hold: its tail, in the last block, has the segment's salt and sequence
 * and its own hash; the entries lie between the commits and the tail and have their hash; each is of a run that can
 * stand in the segment. Else the commits are followed, as far as they verify.
 */
#include "segment.h"

#include "bulk.h"

#include <errno.h>
#include <stdlib.h>

/* ---- commits ------------------------------------------------------------------------ */

bool commit_valid(const void *at, uint64_t bytes, uint64_t salt, bool payload)
{
	struct commit_head c;

	if (bytes < sizeof c)
		return false;
	memcpy(&c, at, sizeof c);
	if (c.magic != COMMIT_MAGIC || c.salt != salt || c.head_hash != bulk_hash(&c, offsetof(struct commit_head, head_hash)))
		return false;
	if (c.length < JOURNAL_BLOCK || c.length > COMMIT_MAX || c.length % JOURNAL_BLOCK != 0 ||
	    c.used > c.length - sizeof c)
		return false;
	return !payload ||
	       (c.length <= bytes && c.payload_hash == bulk_hash((const char *)at + sizeof c, c.used));
}

const struct record *commit_record(const struct commit_head *c, uint32_t *at, bool *damaged)
{
	const struct record *r = (const struct record *)(const void *)((const char *)(c + 1) + *at);

	*damaged = false;
	if (*at >= c->used)
		return NULL;
	*damaged = c->used - *at < sizeof *r || !record_next(c->used, *at, r->bytes, at);
	return *damaged ? NULL : r;
}

/* What is read of a segment while its commits are followed: a window that moves up. */
struct window {
	const struct segment *s;
	unsigned char *data;
	size_t capacity;
	uint64_t at;
	size_t bytes;
};
#define WINDOW_BYTES (64u << 10)

/* The bytes at a place; NULL when they are not all there. */
static const void *window_get(struct window *w, uint64_t at, size_t bytes)
{
	if (at < w->at || at - w->at > w->bytes || bytes > w->bytes - (at - w->at)) {
		w->at = at;
		w->bytes = segment_bytes(w->s, w->data, w->capacity, at);
	}
	return bytes <= w->bytes - (at - w->at) ? w->data + (at - w->at) : NULL;
}

static int walk_records(struct window *win, const struct commit_head *c, uint64_t at, record_visit *visit, void *arg,
                        struct walk *w)
{
	uint32_t place = 0;
	int r = 0;

	while (r == 0 && place < c->used) {
		uint64_t here = at + sizeof *c + place;
		const void *p = window_get(win, here, sizeof(struct record));
		struct record record;

		if (p == NULL || c->used - place < sizeof record) {
			w->whole = false;
			return 0;
		}
		memcpy(&record, p, sizeof record);
		if (!record_next(c->used, place, record.bytes, &place)) {
			w->whole = false;
			return 0;
		}
		here += sizeof record;
		r = visit(arg, c, &record, record.bytes < 64 ? NULL : window_get(win, here, 64), here);
	}
	return r;
}

/* Whether it was damage that stopped the walk: a commit of this segment stands there, or behind it. What is left of an
 * earlier life has another salt, and is right but for that. */
static bool damage_stopped(struct window *win, const struct walk *w, uint64_t end, uint64_t sequence)
{
	for (uint64_t at = w->stopped; at < end; at += JOURNAL_BLOCK) {
		const void *p = window_get(win, at, sizeof(struct commit_head));
		struct commit_head c;

		if (p == NULL)
			break;
		memcpy(&c, p, sizeof c);
		if (c.sequence >= sequence && commit_valid(&c, sizeof c, win->s->salt, false))
			return true;
		if (at == w->stopped && (c.salt == win->s->salt ||
		                         (c.magic == COMMIT_MAGIC && !commit_valid(&c, sizeof c, c.salt, false))))
			return true;
	}
	return win->s->cut;
}

static int walk(struct window *win, uint64_t end, bool payload, record_visit *visit, void *arg, struct walk *w)
{
	uint64_t sequence = win->s->first_commit;
	int r = 0;

	*w = (struct walk){.stopped = JOURNAL_BLOCK, .whole = true};
	while (r == 0 && w->stopped < end) {
		const void *p = window_get(win, w->stopped, sizeof(struct commit_head));
		struct commit_head c;

		if (p == NULL)
			break;
		memcpy(&c, p, sizeof c);
		if (!commit_valid(&c, sizeof c, win->s->salt, false) || c.length > end - w->stopped ||
		    (sequence != 0 && c.sequence != sequence))
			break;
		if (payload) {
			p = window_get(win, w->stopped, c.length);
			if (p == NULL || !commit_valid(p, c.length, win->s->salt, true))
				break;
		}
		r = walk_records(win, &c, w->stopped, visit, arg, w);
		w->stopped += c.length;
		sequence = c.sequence + 1;
	}
	if (r == 0 && payload && damage_stopped(win, w, end, sequence))
		w->whole = false;
	return r;
}

int segment_walk(struct error *e, const struct segment *s, uint64_t end, bool payload, record_visit *visit, void *arg,
                 struct walk *w)
{
	struct window win = {.s = s, .capacity = payload ? COMMIT_MAX : WINDOW_BYTES};
	int r;

	win.data = malloc(win.capacity);
	if (win.data == NULL)
		return fail(e, SHMQ_ENOMEM, "no private memory to follow the commits of %s", s->name);
	r = walk(&win, end != 0 && end < s->bytes ? end : s->bytes, payload, visit, arg, w);
	free(win.data);
	return r == SHMQ_ENOMEM ? fail(e, r, "no private memory for what stands in %s", s->name) : r;
}

/* ---- runs --------------------------------------------------------------------------- */

struct found {
	struct run_entry *entries;
	uint64_t count, capacity;
	uint64_t segment_bytes;
};

/* Grows with what is in the segment: a run takes 128 bytes of it at least. */
static int found_add(struct found *f, const struct run_entry *entry)
{
	if (f->count == f->capacity) {
		uint64_t capacity = f->capacity == 0 ? 64 : f->capacity * 2;
		struct run_entry *grown = realloc(f->entries, capacity * sizeof *grown);

		if (grown == NULL)
			return SHMQ_ENOMEM;
		f->entries = grown;
		f->capacity = capacity;
	}
	f->entries[f->count++] = *entry;
	return 0;
}

static int visit_run(void *arg, const struct commit_head *c, const struct record *r, const void *data, uint64_t at)
{
	struct found *f = arg;
	struct run_entry entry = {.log = r->log, .first_position = r->a, .end_position = r->b, .first_offset = r->c,
	                          .end_offset = r->d, .time_ns = c->time_ns, .bytes = r->bytes};
	struct frame first;

	if (r->type != RECORD_RUN && r->type != RECORD_MOVED)
		return 0;
	entry.at = (uint32_t)(at / FRAME_ALIGN);
	if (!run_possible(&entry, f->segment_bytes))
		return 0;
	if (data != NULL) {
		memcpy(&first, data, sizeof first);
		if (first.header_hash == bulk_hash(&first, offsetof(struct frame, header_hash)))
			entry.time_ns = first.time_ns;
	}
	return found_add(f, &entry);
}

static int runs_of_commits(struct error *e, const struct segment *s, uint64_t end, struct run_entry **entries,
                           uint64_t *count)
{
	struct found f = {.segment_bytes = s->bytes};
	struct walk w;
	int r = segment_walk(e, s, end, false, visit_run, &f, &w);

	if (r < 0) {
		free(f.entries);
		return r;
	}
	*entries = f.entries;
	*count = f.count;
	return 0;
}

static bool tail_valid(const struct segment *s, struct segment_tail *t)
{
	uint64_t last;

	if (s->bytes < 3 * JOURNAL_BLOCK || s->bytes % JOURNAL_BLOCK != 0)
		return false;
	last = s->bytes - JOURNAL_BLOCK;
	if (segment_bytes(s, t, sizeof *t, last) != sizeof *t || t->magic != TAIL_MAGIC || t->salt != s->salt ||
	    t->sequence != s->sequence || t->hash != bulk_hash(t, offsetof(struct segment_tail, hash)))
		return false;
	return t->at % JOURNAL_BLOCK == 0 && t->at >= JOURNAL_BLOCK && t->at <= last &&
	       t->count <= (last - t->at) / sizeof(struct run_entry);
}

static bool entries_valid(const struct segment *s, const struct segment_tail *t, const struct run_entry *entries)
{
	if (t->entries_hash != bulk_hash(entries, t->count * sizeof *entries))
		return false;
	for (uint64_t i = 0; i < t->count; i++)
		if (!run_possible(&entries[i], s->bytes))
			return false;
	return true;
}

/* 0; SHMQ_ENOENT: there is none that is valid; SHMQ_ENOMEM. */
static int runs_of_footer(const struct segment *s, struct run_entry **entries, uint64_t *count)
{
	struct segment_tail t;
	struct run_entry *read;
	size_t bytes;

	if (!tail_valid(s, &t))
		return SHMQ_ENOENT;
	bytes = t.count * sizeof *read;
	read = malloc(bytes > 0 ? bytes : 1);
	if (read == NULL)
		return SHMQ_ENOMEM;
	if (segment_bytes(s, read, bytes, t.at) != bytes || !entries_valid(s, &t, read)) {
		free(read);
		return SHMQ_ENOENT;
	}
	*entries = read;
	*count = t.count;
	return 0;
}

int segment_entries(struct error *e, const struct segment *s, uint64_t end, struct run_entry **entries,
                    uint64_t *count, bool *footer)
{
	int r = runs_of_footer(s, entries, count);

	*footer = r == 0;
	if (r == SHMQ_ENOENT)
		return runs_of_commits(e, s, end, entries, count);
	return r == 0 ? 0 : fail(e, r, "no private memory for the footer of %s", s->name);
}

int segment_runs(struct error *e, int storefd, const char *name, uint64_t store_id, uint64_t end,
                 struct run_entry **entries, uint64_t *count)
{
	struct segment s;
	bool footer;
	int r = segment_open(e, storefd, name, store_id, &s);

	*entries = NULL;
	*count = 0;
	if (r < 0)
		return r;
	r = segment_entries(e, &s, end, entries, count, &footer);
	if (r == 0 && !segment_same(storefd, &s)) { /* used again while it was read */
		free(*entries);
		*entries = NULL;
		*count = 0;
		r = fail(e, SHMQ_ENOENT, "%s is gone", name);
	}
	segment_close(&s);
	return r;
}
