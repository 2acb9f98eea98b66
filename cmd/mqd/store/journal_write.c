/* SPDX-License-Identifier: MIT */
/* journal_write.c - batches in flight, and what is durable. */
#include "journal_write.h"

#include "clock.h"
#include "segment_write.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TAG_SYNC   1000u
#define SMALL_BYTES (64u << 10) /* written as durable, when nothing else is in flight: one operation less */

static void say_failure(struct journal *j, const char *what, int error)
{
	char text[256];

	snprintf(text, sizeof text, "%s %s: %s; going on in another segment", what, j->name, strerror(error));
	if (j->said != NULL)
		j->said(j->context, text);
}

/* Everything in flight is given up; nothing of this file counts any more beyond what is durable. */
static void give_up(struct journal *j)
{
	struct io_done done[IO_DEPTH];
	unsigned open = j->syncing;

	for (unsigned i = 0; i < j->count; i++)
		open += j->state[(j->first + i) % BATCHES] == BATCH_WRITING;
	/* What is in flight may be written from our memory until it is reaped. */
	while (open > 0) {
		int n = j->io->ops->reap(j->io, done, IO_DEPTH, true);

		if (n < 0 && n != -EINTR)
			break;
		open -= n > 0 ? (unsigned)n : 0;
	}
	for (unsigned i = 0; i < BATCHES; i++) {
		j->state[i] = BATCH_FREE;
		batch_clear(&j->batch[i]);
	}
	j->first = j->count = 0;
	j->syncing = false;
	j->next_commit = j->image->commit + 1;
	segment_leave(j);
	j->dropped(j->context);
}

void journal_failed(struct journal *j, const char *what, int error)
{
	j->error = error;
	j->suspect = true;
	say_failure(j, what, error);
	if (++j->fresh_failures >= 2)
		j->broken = true;
	give_up(j);
}

int journal_begin(struct error *e, struct journal *j)
{
	j->file = j->spare_file = -1;
	j->next_commit = j->image->commit + 1;
	for (unsigned i = 0; i < BATCHES; i++)
		if (batch_init(&j->batch[i]) < 0)
			return fail(e, SHMQ_ENOMEM, "no private memory for commits");
	return segment_spares_find(e, j);
}

void journal_end(struct journal *j)
{
	if (j->io != NULL)
		segment_leave(j);
	if (j->spare_file >= 0)
		j->io->ops->close(j->io, j->spare_file);
	for (unsigned i = 0; i < BATCHES; i++)
		batch_free(&j->batch[i]);
	column_free(&j->runs);
	segment_spares_free(j);
}

int journal_note_run(struct journal *j, const struct run_entry *run)
{
	if (column_room(&j->runs, sizeof *run) < 0) {
		j->runs_lost = true;
		return SHMQ_ENOMEM;
	}
	memcpy(j->runs.data + j->runs.used, run, sizeof *run);
	j->runs.used += sizeof *run;
	return 0;
}

struct batch *journal_filling(struct journal *j)
{
	return j->count < BATCHES ? &j->batch[(j->first + j->count) % BATCHES] : NULL;
}

int journal_submit(struct journal *j, bool frees)
{
	unsigned n = (j->first + j->count) % BATCHES;
	struct batch *b = &j->batch[n];
	size_t length;
	bool small;
	int r;

	if (j->broken)
		return SHMQ_EDAEMON;
	/* What is kept for what frees space is not for anything else, also where it would fit. */
	if (!frees && !segment_reserve(j)) {
		if (journal_busy(j)) /* who begins again from what is durable must not have anything in flight */
			return SHMQ_EMPTY;
		j->full = true;
		return SHMQ_FULL;
	}
	if (!segment_has_room(j, b)) {
		if (journal_busy(j))
			return SHMQ_EMPTY;
		r = segment_next(j, b, frees);
		if (r != 0)
			return r;
	}
	length = batch_seal(b, j->salt, j->next_commit, j->image->commit, clock_ns(CLOCK_REALTIME));
	small = !journal_busy(j) && length <= SMALL_BYTES;
	if (small)
		segment_zero_ahead(j, length);
	j->count++;
	j->state[n] = BATCH_WRITING;
	j->length[n] = length;
	j->covered[n] = small;
	r = j->io->ops->submit_write(j->io, j->file, b->data, length, j->at, small, n);
	if (r < 0) {
		j->state[n] = BATCH_WRITTEN; /* not in flight */
		journal_failed(j, "writing to", -r);
		return j->broken ? SHMQ_EDAEMON : SHMQ_EMPTY;
	}
	j->next_commit++;
	j->at += length;
	j->entries += b->runs;
	return 0;
}

/* The oldest ones that are durable are applied, and free again. */
static int hand_on(struct journal *j)
{
	while (j->count > 0 && j->state[j->first] == BATCH_DURABLE) {
		unsigned n = j->first;
		struct error e;

		int r = image_apply(&e, j->image, batch_head(&j->batch[n]), j->sequence, j->end);

		if (r < 0 && j->said != NULL)
			j->said(j->context, e.text);
		if (r == SHMQ_ENOMEM) { /* what the image lacks would be lacking for good */
			j->broken = true;
			j->error = ENOMEM;
			give_up(j);
			return SHMQ_EDAEMON;
		}
		j->end += j->length[n];
		j->fresh_failures = 0;
		j->commits++;
		j->written += j->length[n];
		j->first = (n + 1) % BATCHES;
		j->count--;
		j->state[n] = BATCH_FREE;
		j->durable(j->context, &j->batch[n]);
		batch_clear(&j->batch[n]);
	}
	return 0;
}

static int sync_begin(struct journal *j)
{
	bool any = false;
	int r;

	if (j->syncing || j->count == 0)
		return 0;
	for (unsigned i = 0; i < j->count; i++) {
		unsigned n = (j->first + i) % BATCHES;

		j->covered[n] = j->state[n] == BATCH_WRITTEN;
		any = any || j->covered[n];
	}
	if (!any)
		return 0;
	r = j->io->ops->submit_sync(j->io, j->file, TAG_SYNC);
	if (r < 0)
		return r;
	j->syncing = true;
	j->sync_ns -= clock_ns(CLOCK_MONOTONIC);
	return 0;
}

/* 0, or a negative errno: the file is not to be trusted any more. */
static int take_done(struct journal *j, const struct io_done *done)
{
	if (done->tag == TAG_SYNC) {
		j->syncing = false;
		j->syncs++;
		j->sync_ns += clock_ns(CLOCK_MONOTONIC);
		for (unsigned i = 0; i < j->count && done->result == 0; i++) {
			unsigned n = (j->first + i) % BATCHES;

			if (j->covered[n] && j->state[n] == BATCH_WRITTEN)
				j->state[n] = BATCH_DURABLE;
		}
		return (int)done->result;
	}
	j->state[done->tag] = j->covered[done->tag] ? BATCH_DURABLE : BATCH_WRITTEN;
	if (done->result < 0)
		return (int)done->result;
	/* Less than all: what became of the rest cannot be told. */
	return done->result == (int64_t)j->length[done->tag] ? 0 : -EIO;
}

int journal_reap(struct journal *j, bool wait)
{
	struct io_done done[IO_DEPTH];
	int n, failed = 0;

	if (j->broken)
		return SHMQ_EDAEMON;
	if (!journal_busy(j))
		return 0;
	n = j->io->ops->reap(j->io, done, IO_DEPTH, wait);
	if (n == -EINTR)
		return SHMQ_INTERRUPTED;
	if (n < 0)
		failed = n;
	for (int i = 0; i < n; i++) {
		int r = take_done(j, &done[i]);

		if (r < 0)
			failed = r;
	}
	if (failed == 0) {
		int r = hand_on(j);

		if (r < 0)
			return r;
		failed = sync_begin(j);
	}
	if (failed < 0)
		journal_failed(j, "writing to", -failed);
	return j->broken ? SHMQ_EDAEMON : 0;
}
