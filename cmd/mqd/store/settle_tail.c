/* SPDX-License-Identifier: MIT */
/* settle_tail.c - before an mqd writes: what stands behind the end is set aside and cut, what was not sealed is sealed. */
#include "recover_files.h"
#include "commit_walk.h"
#include "segment_write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TORN_MAX (128u << 20) /* kept of what is cut: more than can be in flight, but for single huge frames */

/* Whether a commit of this segment was begun at its end: then it was being written when the power went, or mqd died.
 * Of a file that was used before, and of zeros, nothing is to be kept. */
static bool is_torn(struct io *io, int file, const struct segment_info *s)
{
	struct commit_head *h = aligned_alloc(JOURNAL_BLOCK, JOURNAL_BLOCK);
	bool torn = h != NULL && io->ops->read(io, file, h, JOURNAL_BLOCK, s->end) == (int64_t)JOURNAL_BLOCK &&
	            h->magic == COMMIT_MAGIC && h->salt == s->salt;

	free(h);
	return torn;
}

static int copy_torn(struct io *io, int file, const struct segment_info *s, char name[64])
{
	uint64_t bytes = s->bytes - s->end < TORN_MAX ? s->bytes - s->end : TORN_MAX;
	void *data = aligned_alloc(JOURNAL_BLOCK, ALIGN_UP(bytes, JOURNAL_BLOCK));
	int64_t n = data == NULL ? -ENOMEM : io->ops->read(io, file, data, bytes, s->end);
	int copy;

	snprintf(name, 64, "torn.%016llx.%llx", (unsigned long long)s->sequence, (unsigned long long)s->end);
	io->ops->remove(io, name); /* of an earlier try */
	copy = n < 0 ? (int)n : io->ops->open(io, name, IO_CREATE);
	if (copy >= 0) {
		n = io_write_whole(io, copy, data, (size_t)n, 0);
		if (n >= 0)
			n = io->ops->sync(io, copy);
		io->ops->close(io, copy);
	}
	free(data);
	if (copy >= 0 && n >= 0)
		n = io->ops->sync_dir(io);
	return copy < 0 ? copy : n < 0 ? (int)n : 0;
}

/* What its commits have, in their order. */
static int runs_collect(struct io *io, int file, const struct segment_info *s, struct column *runs)
{
	struct commit_walk w;
	int error = commits_begin(&w, io, file, s->salt);

	for (uint64_t at = JOURNAL_BLOCK; error == 0 && at < s->end;) {
		const struct commit_head *c = commits_at(&w, at, &error);
		const struct record *r;
		bool damaged = false;
		uint32_t next = 0;

		if (c == NULL) {
			at = error == 0 ? commits_search(&w, at, 0, &error) : 0;
			if (at == 0)
				break;
			continue;
		}
		while ((r = commit_record(c, &next, &damaged)) != NULL) {
			struct run_entry run = {.log = r->log,
			                        .first_position = r->a,
			                        .end_position = r->b,
			                        .first_offset = r->c,
			                        .end_offset = r->d,
			                        .bytes = r->bytes};

			if (r->type != RECORD_RUN && r->type != RECORD_MOVED)
				continue;
			run.at = (uint32_t)((at + (uint64_t)((const char *)(r + 1) - (const char *)c)) / RECORD_ALIGN);
			run.time_ns = ((const struct frame *)(const void *)(r + 1))->time_ns;
			if (column_room(runs, sizeof run) < 0)
				error = -ENOMEM;
			else
				memcpy(runs->data + runs->used, &run, sizeof run);
			runs->used += error == 0 ? sizeof run : 0;
		}
		at += c->length;
	}
	commits_end(&w);
	return error;
}

static bool is_sealed(struct io *io, int file, const struct segment_info *s)
{
	struct segment_tail *t = aligned_alloc(JOURNAL_BLOCK, JOURNAL_BLOCK);
	bool sealed = t != NULL && s->bytes >= 2 * JOURNAL_BLOCK &&
	              io->ops->read(io, file, t, JOURNAL_BLOCK, s->bytes - JOURNAL_BLOCK) == (int64_t)JOURNAL_BLOCK &&
	              t->magic == TAIL_MAGIC && t->salt == s->salt && t->sequence == s->sequence &&
	              t->hash == bulk_hash(t, offsetof(struct segment_tail, hash)) && t->end == s->end;

	free(t);
	return sealed;
}

/* Cut behind its footer: what a dead mqd still had in flight may land there, and changes nothing. */
static int seal_one(struct io *io, int file, const struct segment_info *s)
{
	struct column runs = {0};
	uint64_t bytes;
	int r = runs_collect(io, file, s, &runs);

	bytes = s->end + ALIGN_UP(runs.used, JOURNAL_BLOCK) + JOURNAL_BLOCK;
	if (r == 0)
		r = io->ops->resize(io, file, bytes);
	if (r == 0)
		r = segment_seal(io, file, bytes, s->sequence, s->salt, s->end, s->last_commit, &runs);
	if (r == 0)
		r = io->ops->sync(io, file);
	column_free(&runs);
	return r;
}

static int settle_one(struct error *e, struct io *io, const struct segment_info *s, const struct recovered *out)
{
	char name[64];
	int r = 0, file = io->ops->open(io, s->name, 0);

	if (file < 0) {
		errno = -file;
		return fail_errno(e, "opening %s", s->name);
	}
	if (!is_sealed(io, file, s)) {
		if (!s->in_flight && is_torn(io, file, s)) {
			r = copy_torn(io, file, s, name);
			if (r == 0)
				recover_found(out, FOUND_TORN,
				              "segment %llu (%s): cut at byte %llu, behind commit %llu; what was being written there is "
				              "kept in %s",
				              (unsigned long long)s->sequence, s->name, (unsigned long long)s->end,
				              (unsigned long long)s->last_commit, name);
		}
		if (r == 0)
			r = seal_one(io, file, s);
	}
	io->ops->close(io, file);
	if (r == 0)
		return 0;
	errno = -r;
	return fail_errno(e, "cutting %s", s->name);
}

int store_settle(struct error *e, struct io *io, const struct recovered *out)
{
	int r = 0;

	for (size_t k = 0; k < out->segment_count && r == 0; k++) {
		const struct segment_info *s = &out->segments[k];

		if (s->replayed && s->end != 0)
			r = settle_one(e, io, s, out);
		else if (s->headless && s->first_commit == 0) /* it was being begun: nothing was ever in it */
			io->ops->remove(io, s->name);
	}
	return r;
}
