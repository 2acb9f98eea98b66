/* SPDX-License-Identifier: MIT */
/* check_segment.c - one segment of the journal: its head, every commit, its footer. */
#include "check_parts.h"

#include "commit_walk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct segment_check {
	struct check *c;
	struct segment_info *s;
	const struct segment_info *next;
	struct commit_walk w;
	struct segment_tail *tail; /* NULL: it has none that is whole */
	struct run_entry *entries; /* as the footer says; NULL: it is damaged, or not there */
	struct column runs;        /* as the commits say */
	uint64_t end;              /* everything before was durable; 0: not known */
	bool rotten;
};

static int reading_failed(struct segment_check *k, int error)
{
	if (error == -ENOMEM)
		return SHMQ_ENOMEM;
	k->rotten = true;
	PROBLEM(k->c, 0, "segment %" PRIu64 " (%s): reading it: %s", k->s->sequence, k->s->name, strerror(-error));
	return 0;
}

/* Bytes of the file, to be freed; NULL: not there, or no memory. */
static void *read_part(struct segment_check *k, uint64_t at, uint64_t bytes)
{
	void *to = bytes <= k->s->bytes && at <= k->s->bytes - bytes
	                   ? aligned_alloc(JOURNAL_BLOCK, ALIGN_UP(bytes + 1, JOURNAL_BLOCK))
	                   : NULL;

	if (to != NULL && k->w.io->ops->read(k->w.io, k->w.file, to, bytes, at) != (int64_t)bytes) {
		free(to);
		to = NULL;
	}
	return to;
}

/* ---- footers ------------------------------------------------------------------------ */

/* A missing footer is made again by who needs it; one that is there and wrong is damage. */
static void footer_read(struct segment_check *k)
{
	const struct segment_info *s = k->s;
	struct segment_tail *t;
	uint64_t last = s->bytes - JOURNAL_BLOCK;

	if (s->bytes < 2 * JOURNAL_BLOCK || s->bytes % JOURNAL_BLOCK != 0)
		return;
	t = read_part(k, last, JOURNAL_BLOCK);
	if (t == NULL || t->magic != TAIL_MAGIC || t->salt != s->salt) {
		free(t);
		return;
	}
	if (t->hash != bulk_hash(t, offsetof(struct segment_tail, hash)) || t->sequence != s->sequence || t->at > last ||
	    t->count > (last - t->at) / sizeof(struct run_entry)) {
		PROBLEM(k->c, 0, "segment %" PRIu64 " (%s), byte %" PRIu64 ": the block that says where its footer is, is damaged",
		        s->sequence, s->name, last);
		free(t);
		return;
	}
	k->tail = t;
	k->entries = read_part(k, t->at, t->count * sizeof *k->entries);
	if (k->entries != NULL && t->entries_hash == bulk_hash(k->entries, t->count * sizeof *k->entries))
		return;
	PROBLEM(k->c, 0, "segment %" PRIu64 " (%s), byte %" PRIu64 ": its footer is damaged", s->sequence, s->name, t->at);
	free(k->entries);
	k->entries = NULL;
}

/* The footer says the same as the commits. */
static void footer_compare(struct segment_check *k)
{
	const struct segment_info *s = k->s;
	uint64_t count = k->runs.used / sizeof(struct run_entry);

	if (k->tail == NULL) {
		if (k->next != NULL)
			REMARK(k->c, 0, "segment %" PRIu64 " (%s): has no footer; what it has is found by its commits", s->sequence,
			       s->name);
		return;
	}
	if (k->entries == NULL || k->rotten)
		return;
	if (k->tail->end != s->end || k->tail->last_commit != s->last_commit)
		PROBLEM(k->c, 0,
		        "segment %" PRIu64 " (%s): its footer says that it ends at byte %" PRIu64 " with commit %" PRIu64
		        ", but it ends at byte %" PRIu64 " with commit %" PRIu64,
		        s->sequence, s->name, k->tail->end, k->tail->last_commit, s->end, s->last_commit);
	else if (k->tail->count != count || memcmp(k->entries, k->runs.data, k->runs.used) != 0)
		PROBLEM(k->c, 0, "segment %" PRIu64 " (%s): its footer has other runs than its commits", s->sequence, s->name);
}

/* ---- commits ------------------------------------------------------------------------ */

/* What is wrong with the commit that should be at `at`. */
static const char *commit_wrong(const struct segment_check *k, uint64_t at, uint64_t expected)
{
	const struct commit_walk *w = &k->w;
	const struct commit_head *h;

	if (at < w->from || at + JOURNAL_BLOCK > w->from + w->have)
		return "the file ends";
	h = (const struct commit_head *)(const void *)(w->data + (at - w->from));
	if (!commit_valid(h, JOURNAL_BLOCK, w->salt, false))
		return "its head is damaged";
	if (at + h->length > w->bytes)
		return "the file ends within it";
	return commit_valid(h, h->length, w->salt, true) && h->sequence != expected ? "another one stands there"
	                                                                           : "its payload is damaged";
}

static int rot(struct segment_check *k, uint64_t from, uint64_t to, uint64_t expected)
{
	const struct segment_info *s = k->s;
	int e = 0;

	k->rotten = true;
	PROBLEM(k->c, 0,
	        "segment %" PRIu64 " (%s), byte %" PRIu64 ": commit %" PRIu64 ": %s; nothing is readable up to byte %" PRIu64,
	        s->sequence, s->name, from, expected, commit_wrong(k, from, expected), to);
	for (uint64_t i = 0; k->entries != NULL && i < k->tail->count && e == 0; i++) {
		uint64_t at = (uint64_t)k->entries[i].at * RECORD_ALIGN;

		if (at >= from && at < to)
			e = check_run_lost(k->c, s, &k->entries[i]);
	}
	return e;
}

/* No commit with the expected sequence is at *at: where it goes on; 0: that was the end. 0 or an error. */
static int step_over(struct segment_check *k, uint64_t *at, uint64_t expected)
{
	uint64_t from = *at, stop = k->end != 0 ? k->end : k->s->bytes, next;
	const struct commit_head *h;
	int error = 0;

	*at = 0;
	if (from >= stop)
		return 0;
	next = commits_search(&k->w, from, expected, &error);
	h = next != 0 && next < stop && error == 0 ? commits_at(&k->w, next, &error) : NULL;
	if (error < 0)
		return reading_failed(k, error);
	if (k->end == 0) {
		/* Was it durable? Looked at again: an mqd may just have written it. */
		bool durable = (h != NULL && h->durable_upto >= expected) ||
		               (k->next == NULL && k->c->o->store == k->c->identity.id && k->c->o->durable >= expected);

		k->w.have = 0;
		if (!durable)
			return 0;
		h = commits_at(&k->w, from, &error);
		if (h != NULL && h->sequence == expected) {
			*at = from;
			return 0;
		}
		stop = h == NULL && next == 0 ? from + JOURNAL_BLOCK : stop;
	}
	*at = next != 0 && next < stop ? next : 0;
	commits_at(&k->w, from, &error); /* for what is wrong with it */
	return rot(k, from, *at != 0 ? *at : stop, expected);
}

static int check_commits(struct segment_check *k)
{
	uint64_t at = JOURNAL_BLOCK, expected = k->s->first_commit, stop = k->end != 0 ? k->end : k->s->bytes;
	int e = 0;

	k->s->end = at;
	while (e == 0 && at != 0 && at < stop) {
		int error = 0;
		const struct commit_head *h = commits_at(&k->w, at, &error);

		if (error < 0)
			return reading_failed(k, error);
		if (h == NULL || (h->sequence != expected && expected != 0)) {
			e = step_over(k, &at, expected);
			if (e < 0 || at == 0)
				break;
			h = commits_at(&k->w, at, &error);
			if (h == NULL)
				break;
		}
		e = check_commit(k->c, k->s, h, at, &k->runs);
		if (e == 0 && h->durable_upto >= h->sequence)
			PROBLEM(k->c, 0, "segment %" PRIu64 " (%s), byte %" PRIu64 ": commit %" PRIu64 " says that %" PRIu64
			        " was durable before it", k->s->sequence, k->s->name, at, h->sequence, h->durable_upto);
		expected = h->sequence + 1;
		k->s->last_commit = h->sequence;
		at += h->length;
		k->s->end = at;
	}
	return e;
}

/* ---- segments ----------------------------------------------------------------------- */

static int check_open(struct segment_check *k)
{
	const struct segment_info *s = k->s;
	int e;

	footer_read(k);
	/* Where it ends says the one written behind it; else its own footer. */
	if (k->next != NULL && !k->next->headless && k->next->previous == s->sequence)
		k->end = k->next->previous_end;
	else if (k->tail != NULL)
		k->end = k->tail->end;
	if (k->end > s->bytes)
		PROBLEM(k->c, 0, "segment %" PRIu64 " (%s): has %" PRIu64 " bytes, and had commits up to byte %" PRIu64, s->sequence,
		        s->name, s->bytes, k->end);
	e = check_commits(k);
	if (e == 0)
		footer_compare(k);
	return e;
}

int check_segment(struct check *c, struct segment_info *s, const struct segment_info *next)
{
	struct segment_check k = {.c = c, .s = s, .next = next};
	struct io *io = c->io;
	int r, file = io->ops->open(io, s->name, IO_READ_ONLY);

	if (file < 0) {
		c->gone = c->gone || file == -ENOENT;
		return file == -ENOENT ? 0 : reading_failed(&k, file);
	}
	r = commits_begin(&k.w, io, file, s->salt);
	if (r < 0)
		r = reading_failed(&k, r);
	else
		r = check_open(&k);
	commits_end(&k.w);
	io->ops->close(io, file);
	free(k.tail);
	free(k.entries);
	column_free(&k.runs);
	file = io->ops->open(io, s->name, IO_READ_ONLY);
	if (file >= 0)
		io->ops->close(io, file);
	c->gone = c->gone || file == -ENOENT;
	return r;
}
