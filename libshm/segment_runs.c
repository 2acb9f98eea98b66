/* SPDX-License-Identifier: MIT */
/*
 * segment_runs.c - what stands in a segment: as its footer says, or its commits.
 *
 * A footer is valid if and only if all of these hold: its tail, in the last block, has the segment's salt and sequence
 * and its own hash; the entries lie between the head and the tail and have their hash; each is of a run that can stand
 * in the segment.
 */
#include "segment.h"

#include "bulk.h"

#include <stdlib.h>

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

int segment_commits(struct error *e, const struct segment *s, uint64_t end, struct run_entry **entries,
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

int segment_footer(struct error *e, const struct segment *s, struct run_entry **entries, uint64_t *count)
{
	struct segment_tail t;
	struct run_entry *read;
	size_t bytes;

	if (!tail_valid(s, &t))
		return fail(e, SHMQ_ENOENT, "%s has no footer", s->name);
	bytes = t.count * sizeof *read;
	read = malloc(bytes > 0 ? bytes : 1);
	if (read == NULL)
		return fail(e, SHMQ_ENOMEM, "no private memory for the footer of %s", s->name);
	if (segment_bytes(s, read, bytes, t.at) != bytes || !entries_valid(s, &t, read)) {
		free(read);
		return fail(e, SHMQ_ENOENT, "%s has a damaged footer", s->name);
	}
	*entries = read;
	*count = t.count;
	return 0;
}

int segment_runs(struct error *e, int storefd, const char *name, uint64_t store_id, uint64_t end,
                 struct run_entry **entries, uint64_t *count)
{
	struct segment s;
	int r = segment_open(e, storefd, name, store_id, &s);

	*entries = NULL;
	*count = 0;
	if (r < 0)
		return r;
	r = segment_footer(e, &s, entries, count);
	if (r == SHMQ_ENOENT)
		r = segment_commits(e, &s, end, entries, count);
	if (r == 0 && !segment_same(storefd, &s)) { /* used again while it was read */
		free(*entries);
		*entries = NULL;
		*count = 0;
		r = fail(e, SHMQ_ENOENT, "%s is gone", name);
	}
	segment_close(&s);
	return r;
}
