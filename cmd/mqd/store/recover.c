/* SPDX-License-Identifier: MIT */
/* recover.c - replaying the journal: which commits count, what is rot, and what a torn tail. */
#include "recover.h"

#include "recover_files.h"
#include "commit_walk.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void recover_found(const struct recovered *r, enum found_kind kind, const char *format, ...)
{
	char text[512];
	va_list ap;

	if (r->found == NULL)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	r->found(r->context, kind, text);
}

struct replay {
	struct error *e;
	struct recovered *out;
	struct image *image;
	uint64_t durable; /* what is known to have been durable */
	struct segment_info *s;
	struct commit_walk w;
	bool last; /* nothing was written behind this segment */
};

static void rot(struct replay *p, uint64_t from, uint64_t to, uint64_t sequence)
{
	p->out->rotten += to - from;
	recover_found(p->out, FOUND_ROT,
	              "segment %llu (%s): bytes %llu to %llu are damaged, commit %llu at least is missing; the rest is served",
	              (unsigned long long)p->s->sequence, p->s->name, (unsigned long long)from, (unsigned long long)to,
	              (unsigned long long)sequence);
}

/* The newest commit that any of those from `at` on says was durable: the one behind the damage was put together while
 * that was in flight. */
static uint64_t proven_behind(struct replay *p, uint64_t at, int *error)
{
	uint64_t proven = 0;

	while (at != 0 && *error == 0) {
		const struct commit_head *c = commits_at(&p->w, at, error);

		if (c == NULL) {
			at = *error == 0 ? commits_search(&p->w, at, 0, error) : 0;
			continue;
		}
		if (c->durable_upto > proven)
			proven = c->durable_upto;
		at += c->length;
	}
	return proven;
}

/* No commit that counts is at `at`. Where the next one is: 0: this is the end. */
static uint64_t step_over(struct replay *p, uint64_t at, uint64_t expected, int *error)
{
	uint64_t stop = p->last ? p->w.bytes : p->s->end;
	uint64_t next = at < stop ? commits_search(&p->w, at, expected, error) : 0;
	const struct commit_head *c = next != 0 && next < stop ? commits_at(&p->w, next, error) : NULL;
	uint64_t proven;

	if (*error < 0)
		return 0;
	if (!p->last) { /* all of it was durable */
		if (at < stop)
			rot(p, at, c != NULL ? next : stop, expected);
		return c != NULL ? next : 0;
	}
	proven = c != NULL ? proven_behind(p, next, error) : 0;
	if (*error < 0)
		return 0;
	if (c != NULL && (proven >= expected || p->durable >= expected)) {
		rot(p, at, next, expected);
		return next;
	}
	return 0; /* what stands behind it was written, but not before the power was lost */
}

static int read_failed(struct replay *p, int error)
{
	errno = -error;
	return fail_errno(p->e, "reading %s", p->s->name);
}

/* Whether a commit was in flight when mqd was killed, and memory is there: all that it says is in memory, too. Reading it
 * proves nothing: a write or sync of it may have failed, and what is in the page cache then is not on the disk, though
 * another sync says so ("Can Applications Recover from fsync Failures?", Rebello et al., ATC 2020). */
static bool was_in_flight(const struct replay *p, uint64_t sequence)
{
	return p->last && p->durable != 0 && sequence > p->durable;
}

/* The commits of one segment, from the first one on that is not in the image. */
static int replay_segment(struct replay *p)
{
	uint64_t at = JOURNAL_BLOCK, expected = p->s->first_commit;
	int error = 0;

	for (;;) {
		const struct commit_head *c = commits_at(&p->w, at, &error);

		if (error == 0 && was_in_flight(p, c != NULL ? c->sequence : expected)) {
			p->s->in_flight = true;
			break;
		}
		if (error == 0 && (c == NULL || (c->sequence != expected && expected != 0))) {
			at = step_over(p, at, expected, &error);
			c = at != 0 && error == 0 ? commits_at(&p->w, at, &error) : NULL;
		}
		if (error < 0)
			return read_failed(p, error);
		if (c == NULL || (!p->last && at >= p->s->end))
			break;
		if (c->sequence > p->image->commit) {
			struct error why;
			int r = image_apply(&why, p->image, c, p->s->sequence, at);

			if (r == SHMQ_ENOMEM)
				return fail(p->e, r, "%s", why.text);
			if (r < 0)
				recover_found(p->out, FOUND_ROT, "segment %llu (%s), byte %llu: %s",
				              (unsigned long long)p->s->sequence, p->s->name, (unsigned long long)at, why.text);
		}
		p->out->replayed_bytes += c->length;
		expected = c->sequence + 1;
		p->s->last_commit = c->sequence;
		at += c->length;
		p->s->end = p->last ? at : p->s->end;
	}
	return 0;
}

static int replay_one(struct replay *p)
{
	struct io *io = p->w.io;
	/* Direct: what the page cache has of a write that failed is not on the disk. */
	int r, file = io->ops->open(io, p->s->name, p->out->sync ? IO_DIRECT : IO_READ_ONLY);

	if (file < 0)
		return read_failed(p, file);
	r = p->out->sync ? io->ops->sync(io, file) : 0;
	if (r == 0)
		r = commits_begin(&p->w, io, file, p->s->salt);
	if (r < 0)
		r = read_failed(p, r);
	if (p->last && p->s->end == 0)
		p->s->end = JOURNAL_BLOCK;
	if (r == 0)
		r = replay_segment(p);
	p->s->replayed = true;
	commits_end(&p->w);
	io->ops->close(io, file);
	return r;
}

/* A segment whose head is damaged counts when it has commits: its name says the rest. One without any was being begun. */
static int look_at_headless(struct replay *p)
{
	struct io *io = p->w.io;
	int error = 0, file = io->ops->open(io, p->s->name, IO_READ_ONLY);
	const struct commit_head *c;
	uint64_t at;

	if (file < 0)
		return read_failed(p, file);
	if (commits_begin(&p->w, io, file, p->s->salt) == 0) {
		at = commits_at(&p->w, JOURNAL_BLOCK, &error) != NULL ? JOURNAL_BLOCK
		                                                        : commits_search(&p->w, JOURNAL_BLOCK, 0, &error);
		c = at != 0 ? commits_at(&p->w, at, &error) : NULL;
		p->s->first_commit = c != NULL ? c->sequence : 0;
	}
	commits_end(&p->w);
	io->ops->close(io, file);
	if (error < 0)
		return read_failed(p, error);
	if (p->s->first_commit != 0)
		recover_found(p->out, FOUND_ROT, "segment %llu (%s): its head is damaged; its commits are served",
		              (unsigned long long)p->s->sequence, p->s->name);
	return 0;
}

/* Where each segment ends is said by the one written behind it. */
static void ends_fill(struct recovered *out)
{
	for (size_t k = 0; k + 1 < out->segment_count; k++) {
		const struct segment_info *next = &out->segments[k + 1];

		if (!next->headless && next->previous == out->segments[k].sequence)
			out->segments[k].end = next->previous_end;
	}
}

/* Whether a segment has nothing behind the snapshot. */
static bool is_past(const struct recovered *out, size_t k, uint64_t commit)
{
	return k + 1 < out->segment_count && out->segments[k + 1].first_commit != 0 &&
	       out->segments[k + 1].first_commit <= commit + 1;
}

static int replay_all(struct error *e, struct io *io, uint64_t durable, struct image *i, struct recovered *out)
{
	struct replay p = {.e = e, .out = out, .image = i, .durable = durable};

	for (size_t k = 0; k < out->segment_count; k++) {
		struct segment_info *s = &out->segments[k];
		int r = 0;

		p.s = s;
		p.w.io = io;
		p.last = k + 1 == out->segment_count || (s->end == 0 && !is_past(out, k, i->commit));
		if (s->headless)
			r = look_at_headless(&p);
		if (r < 0)
			return r;
		if ((s->headless && s->first_commit == 0) || is_past(out, k, i->commit))
			continue;
		if (s->first_commit > i->commit + 1 && s->first_commit != 0) {
			out->rotten += JOURNAL_BLOCK; /* how much is not known */
			recover_found(out, FOUND_ROT, "commits %llu to %llu are missing: a segment, or the snapshot, is gone or damaged",
			              (unsigned long long)i->commit + 1, (unsigned long long)s->first_commit - 1);
		}
		p.w.io = io;
		r = replay_one(&p);
		if (r < 0)
			return r;
	}
	return 0;
}

int store_recover(struct error *e, struct io *io, const struct store_file *store, uint64_t durable, struct image *i,
                  struct recovered *out)
{
	int r;

	out->store = store->id;
	out->segment_bytes = store->segment_bytes;
	r = out->sync ? io->ops->sync_dir(io) : 0;
	if (r < 0) {
		errno = -r;
		return fail_errno(e, "syncing the store");
	}
	r = segments_list(e, io, store->id, out);
	if (r < 0)
		return r;
	ends_fill(out);
	r = snapshot_load(e, io, store->id, i, out);
	if (r == 0)
		r = replay_all(e, io, durable, i, out);
	if (r < 0)
		return r;
	if (durable > i->commit)
		return fail(e, SHMQ_ESTALE,
		            "the store ends at commit %llu, but up to %llu was durable: an older copy of it was put in its place, "
		            "or its newest segment is gone or damaged",
		            (unsigned long long)i->commit, (unsigned long long)durable);
	return 0;
}

void recovered_free(struct recovered *r)
{
	free(r->segments);
	r->segments = NULL;
	r->segment_count = 0;
}
