/* SPDX-License-Identifier: MIT */
/* group_read.c - verified private copies of frames, and the rows in them, for consumers. */
#include "group.h"
#include "past.h"

#include <stdlib.h>
#include <string.h>

/* ---- reading ------------------------------------------------------------------------ */

void frame_read_free(struct frame_read *r)
{
	free(r->copy.data);
	column_free(&r->headers);
	*r = (struct frame_read){0};
}

/* What is known of another log says nothing of this one: positions and offsets are the same. */
static void read_turn_to(struct frame_read *read, const struct log *log)
{
	if (read->log == log)
		return;
	read->log = log;
	read->open = false;
	read->words.from = read->words.to = 0;
}

int frame_load(struct group *g, const struct log *log, uint64_t position, struct frame_read *read)
{
	uint64_t at;
	int r;

	read_turn_to(read, log);
	if (read->open && read->position == position)
		return 0;
	read->open = false;
	at = position;
	r = log_read(&g->q->error, log, &at, &read->words, &read->copy);
	if (r == 0 && at != position)
		r = fail(&g->q->error, SHMQ_ECORRUPT, "topic %s: the frame at position %llu was damaged, and is not stored",
		         g->topic.name, (unsigned long long)position);
	if (r != 0)
		return r;
	if (columns_open((const struct frame *)(const void *)read->copy.data, &read->columns) < 0)
		return fail(&g->q->error, SHMQ_ECORRUPT, "topic %s: the frame at position %llu contradicts itself",
		            g->topic.name, (unsigned long long)position);
	read->position = position;
	read->open = true;
	return 0;
}

/* Row `row`; *at is the place of a row before it, of `from`, and is moved behind it. */
int row_at(struct group *g, struct frame_read *read, uint64_t from, uint64_t row, uint64_t *at,
                  struct shmq_message *m)
{
	const struct frame *f = read->columns.frame;
	int r = 0;

	*m = (struct shmq_message){.offset = f->offset + row, .time_ns = f->time_ns};
	if (!(f->flags & FRAME_DELIMITED))
		from = row;
	for (uint64_t i = from; i <= row && r == 0; i++)
		r = columns_row(&read->columns, (uint32_t)i, at, m);
	if (r == 0 && read->columns.header_ends != NULL)
		r = columns_headers(&read->columns, (uint32_t)row, &read->headers, m);
	if (r != 0)
		return fail(&g->q->error, r, "topic %s: message %llu contradicts its frame", g->topic.name,
		            (unsigned long long)m->offset);
	return 0;
}

static bool has_row(const struct frame_read *read, uint64_t offset)
{
	const struct frame *f = read->open ? read->columns.frame : NULL;

	return f != NULL && offset >= f->offset && offset - f->offset < f->count;
}

#define SEARCHES 100 /* what is searched in memory may leave it for the store meanwhile */

/* Opens the frame that has the row, or the one where it was to be. 0, SHMQ_OVERRUN, or an error. */
static int frame_find(struct group *g, const struct log *log, uint64_t offset, struct frame_read *read)
{
	for (unsigned tries = 0;; tries++) {
		uint64_t end = ring_end(log), head = ring_head(log, end), first = log_first(log, end);
		int r;

		if (first >= end)
			return SHMQ_OVERRUN;
		r = frame_load(g, log, log_search(log, first, end, false, offset), read);
		if (r != 0 || has_row(read, offset) || log->past == NULL || tries == SEARCHES || ring_head(log, end) == head)
			return r;
	}
}

int row_read(struct group *g, const struct log *log, uint64_t offset, struct frame_read *read, struct shmq_message *m)
{
	uint64_t end, at = 0;
	const struct frame *f;
	int r;

	read_turn_to(read, log);
	if (!has_row(read, offset)) {
		r = frame_find(g, log, offset, read);
		if (r != 0)
			return r;
	}
	f = read->columns.frame;
	if (offset < f->offset)
		return SHMQ_OVERRUN; /* head has passed it */
	if (offset - f->offset >= f->count) {
		/* Also where the search found nothing any more, and we have the frame that it began at. */
		if (read->position < log_first(log, end = ring_end(log)))
			return SHMQ_OVERRUN;
		return fail(&g->q->error, SHMQ_ECORRUPT, "topic %s: message %llu is in no frame", g->topic.name,
		            (unsigned long long)offset);
	}
	return row_at(g, read, 0, offset - f->offset, &at, m);
}
