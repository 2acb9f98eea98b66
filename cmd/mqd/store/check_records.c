/* SPDX-License-Identifier: MIT */
/* check_records.c - the records of the journal: frames, and that nothing is missing between them. */
#include "check_parts.h"

#include "store_read.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- where each log is -------------------------------------------------------------- */

static int log_order(const struct log_id *a, const struct log_id *b)
{
	if (a->topic != b->topic)
		return a->topic < b->topic ? -1 : 1;
	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	return a->partition < b->partition ? -1 : a->partition > b->partition;
}

/* Of the first log that is not before id. */
static size_t seen_place(const struct check *c, struct log_id id)
{
	size_t low = 0, high = c->seen_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (log_order(&c->seen[middle].id, &id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* *known: it was there. NULL: no memory. */
static struct seen_log *seen_log(struct check *c, struct log_id id, bool *known)
{
	size_t at = seen_place(c, id);

	*known = at < c->seen_count && log_same(&c->seen[at].id, &id);
	if (*known)
		return &c->seen[at];
	if (c->seen_count == c->seen_capacity) {
		size_t more = c->seen_capacity == 0 ? 64 : 2 * c->seen_capacity;
		struct seen_log *grown = realloc(c->seen, more * sizeof *grown);

		if (grown == NULL)
			return NULL;
		c->seen = grown;
		c->seen_capacity = more;
	}
	memmove(&c->seen[at + 1], &c->seen[at], (c->seen_count - at) * sizeof *c->seen);
	c->seen_count++;
	c->seen[at] = (struct seen_log){.id = id};
	return &c->seen[at];
}

/* All logs of a topic, or of one of its groups (else 0). */
static void seen_end(struct check *c, uint64_t topic, uint32_t group)
{
	for (size_t k = seen_place(c, (struct log_id){.topic = topic, .group = group}); k < c->seen_count; k++) {
		if (c->seen[k].id.topic != topic || (group != 0 && c->seen[k].id.group != group))
			break;
		c->seen[k].ended = true;
	}
}

/* ---- what is missing ---------------------------------------------------------------- */

static bool segment_is_there(const struct check *c, uint64_t sequence)
{
	for (size_t k = 0; k < c->found.segment_count; k++)
		if (c->found.segments[k].sequence == sequence)
			return true;
	return false;
}

/* Whether the table says that the range begins in a segment that is not there: that is told of the table. */
static bool is_of_missing_segment(const struct check *c, const struct image_log *l, uint64_t from, uint64_t to)
{
	for (size_t k = 0; k < image_table_count(l); k++)
		if (image_table(l)[k].first_position >= from && image_table(l)[k].first_position < to &&
		    !segment_is_there(c, image_table(l)[k].segment))
			return true;
	return false;
}

/* Offsets from <= o < to that a message could have. */
static uint64_t offsets_of_messages(const struct image_log *l, uint64_t from, uint64_t to)
{
	uint64_t n = to - from;

	for (size_t k = 0; k < image_gap_count(l); k++) {
		const struct offset_gap *g = &image_gaps(l)[k];
		uint64_t low = g->from > from ? g->from : from, high = g->to < to ? g->to : to;

		n -= high > low ? high - low : 0;
	}
	return n;
}

static void tell_missing(struct check *c, const struct image_log *l, uint64_t from, uint64_t to, uint64_t from_offset,
                         uint64_t to_offset)
{
	if (from >= to || from_offset >= to_offset || offsets_of_messages(l, from_offset, to_offset) == 0 ||
	    is_of_missing_segment(c, l, from, to))
		return;
	PROBLEM(c, l->id.topic, "%s: offsets %" PRIu64 " to %" PRIu64 " are missing (positions %" PRIu64 " to %" PRIu64 ")",
	        check_log_name(c, l->id), from_offset, to_offset - 1, from, to - 1);
}

/* Positions and offsets of a log: what is missing, or was moved. */
struct range {
	struct log_id id;
	uint64_t from, to, from_offset, to_offset;
};

static int range_add(struct column *to, const struct range *r)
{
	if (column_room(to, sizeof *r) < 0)
		return SHMQ_ENOMEM;
	memcpy(to->data + to->used, r, sizeof *r);
	to->used += sizeof *r;
	return 0;
}

static int range_order(const void *a, const void *b)
{
	const struct range *x = a, *y = b;
	int order = log_order(&x->id, &y->id);

	return order != 0 ? order : x->from < y->from ? -1 : x->from > y->from;
}

/* What was let go is not missing, nor what was moved behind it. `moved`: sorted. */
static void tell_hole(struct check *c, struct range h, const struct range *moved, size_t count)
{
	const struct image_log *l = image_log(&c->image, h.id);
	size_t low = 0, high = count;

	if (l == NULL || h.to <= l->low_position || h.to_offset <= l->low_offset)
		return;
	if (h.from < l->low_position) {
		h.from = l->low_position;
		h.from_offset = l->low_offset;
	}
	while (low < high) { /* the first of the log */
		size_t middle = low + (high - low) / 2;

		if (log_order(&moved[middle].id, &h.id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < count && log_same(&moved[low].id, &h.id) && moved[low].from < h.to; low++) {
		if (moved[low].to <= h.from)
			continue;
		tell_missing(c, l, h.from, moved[low].from, h.from_offset, moved[low].from_offset);
		h.from = moved[low].to;
		h.from_offset = moved[low].to_offset;
	}
	tell_missing(c, l, h.from, h.to, h.from_offset, h.to_offset);
}

/* A log goes on at a position and an offset, and then is at another one. `may_skip`: what is between never was there. */
static int log_goes_on(struct check *c, const struct segment_info *s, uint64_t at, const struct record *r, uint64_t to,
                       uint64_t to_offset)
{
	const struct image_log *l = image_log(&c->image, r->log);
	uint64_t first = r->a, first_offset = r->c;
	bool known, may_skip = r->type == RECORD_GAP;
	struct seen_log *seen = seen_log(c, r->log, &known);
	int e = 0;

	if (seen == NULL)
		return SHMQ_ENOMEM;
	if (!known && l != NULL) {
		seen->position = l->low_position < first ? l->low_position : first;
		seen->offset = l->low_position < first ? l->low_offset : first_offset;
	} else if (!known) {
		seen->position = first;
		seen->offset = first_offset;
	}
	if (first < seen->position || first_offset < seen->offset)
		PROBLEM(c, r->log.topic,
		        "segment %" PRIu64 " (%s), byte %" PRIu64 ": %s goes on at offset %" PRIu64 " (position %" PRIu64
		        "), but was at offset %" PRIu64 " (position %" PRIu64 ") before",
		        s->sequence, s->name, at, check_log_name(c, r->log), first_offset, first, seen->offset, seen->position);
	else if (!may_skip && (first > seen->position || first_offset > seen->offset))
		e = range_add(&c->holes, &(struct range){r->log, seen->position, first, seen->offset, first_offset});
	if (to > seen->position)
		seen->position = to;
	if (to_offset > seen->offset)
		seen->offset = to_offset;
	return e;
}

/* Whether a position is looked for in this segment: it may have been let go, or moved. */
static bool is_looked_for(const struct image_log *l, uint64_t position, uint64_t segment)
{
	size_t at = image_table_count(l);

	while (at > 0 && image_table(l)[at - 1].first_position > position)
		at--;
	return at > 0 && position >= l->low_position && image_table(l)[at - 1].segment == segment;
}

int check_run_lost(struct check *c, const struct segment_info *s, const struct run_entry *run)
{
	const struct image_log *l = image_log(&c->image, run->log);
	bool known;
	struct seen_log *seen = seen_log(c, run->log, &known);

	if (seen == NULL)
		return SHMQ_ENOMEM;
	if (l != NULL && is_looked_for(l, run->end_position - 1, s->sequence))
		PROBLEM(c, run->log.topic, "%s: offsets %" PRIu64 " to %" PRIu64 " are damaged (positions %" PRIu64 " to %" PRIu64 ")",
		        check_log_name(c, run->log), run->first_offset, run->end_offset - 1, run->first_position,
		        run->end_position - 1);
	if (run->end_position > seen->position) {
		seen->position = run->end_position;
		seen->offset = run->end_offset;
	}
	return 0;
}

int check_ends(struct check *c)
{
	struct range *holes, *moved;
	size_t count;

	for (size_t k = 0; k < c->seen_count; k++) {
		const struct seen_log *s = &c->seen[k];
		const struct image_log *l = image_log(&c->image, s->id);

		if (l != NULL && l->end_position > s->position &&
		    range_add(&c->holes, &(struct range){s->id, s->position, l->end_position, s->offset, l->end_offset}) < 0)
			return SHMQ_ENOMEM;
		if (l == NULL && !s->ended && c->whole)
			PROBLEM(c, s->id.topic, "%s: has messages, but what it is has been lost", check_log_name(c, s->id));
	}
	holes = (struct range *)(void *)c->holes.data;
	moved = (struct range *)(void *)c->moved.data;
	count = c->moved.used / sizeof *moved;
	if (count > 0)
		qsort(moved, count, sizeof *moved, range_order);
	for (size_t k = 0; k < c->holes.used / sizeof *holes; k++)
		tell_hole(c, holes[k], moved, count);
	return 0;
}

/* ---- frames ------------------------------------------------------------------------- */

struct run_walk {
	uint64_t position, offset; /* behind the frame before */
	bool dense;                /* a run as it was written: nothing is missing in it */
};

/* NULL: right; else what is wrong. */
static const char *frame_wrong(const struct frame *f, uint32_t left, const struct record *r, const struct run_walk *w)
{
	struct columns columns;

	if (left < sizeof *f || f->header_hash != bulk_hash(f, offsetof(struct frame, header_hash)))
		return "its header is damaged";
	if (f->length < sizeof *f || f->length > left)
		return "it is longer than its run";
	if (f->payload_hash != bulk_hash(f + 1, f->length - sizeof *f))
		return "its payload is damaged";
	if (f->position < w->position || f->position >= r->b || (w->dense && f->position != w->position))
		return "its position does not fit";
	if (f->offset < w->offset || f->offset + f->count > r->d || (w->dense && f->offset != w->offset))
		return "its offset does not fit";
	return columns_open(f, &columns) < 0 ? "its columns do not fit" : NULL;
}

static void check_frames(struct check *c, const struct segment_info *s, const struct record *r, uint64_t at)
{
	const unsigned char *data = (const unsigned char *)(r + 1);
	struct run_walk w = {.position = r->a, .offset = r->c, .dense = r->type == RECORD_RUN};
	const char *wrong = NULL;
	uint32_t next = 0;

	while (next < r->bytes && wrong == NULL) {
		const struct frame *f = (const struct frame *)(const void *)(data + next);

		wrong = frame_wrong(f, r->bytes - next, r, &w);
		if (wrong != NULL) {
			PROBLEM(c, r->log.topic,
			        "segment %" PRIu64 " (%s), byte %" PRIu64 ": %s: the frame of position %" PRIu64 ", offset %" PRIu64
			        ": %s",
			        s->sequence, s->name, at + next, check_log_name(c, r->log), w.position, w.offset, wrong);
			return;
		}
		w.position = f->position + 1;
		w.offset = f->offset + f->count;
		c->result.messages += f->count;
		next += (uint32_t)ALIGN_UP((uint64_t)f->length, RECORD_ALIGN);
	}
	if (w.dense && (w.position != r->b || w.offset != r->d))
		PROBLEM(c, r->log.topic,
		        "segment %" PRIu64 " (%s), byte %" PRIu64 ": %s: a run ends at position %" PRIu64 ", offset %" PRIu64
		        ", and says %" PRIu64 ", %" PRIu64,
		        s->sequence, s->name, at, check_log_name(c, r->log), w.position, w.offset, r->b, r->d);
}

/* ---- records ------------------------------------------------------------------------ */

static int note_run(struct column *runs, const struct record *r, uint64_t at)
{
	struct run_entry run = {.log = r->log,
	                        .first_position = r->a,
	                        .end_position = r->b,
	                        .first_offset = r->c,
	                        .end_offset = r->d,
	                        .at = (uint32_t)(at / RECORD_ALIGN),
	                        .bytes = r->bytes};

	if (r->bytes >= sizeof(struct frame))
		run.time_ns = ((const struct frame *)(const void *)(r + 1))->time_ns;
	if (column_room(runs, sizeof run) < 0)
		return SHMQ_ENOMEM;
	memcpy(runs->data + runs->used, &run, sizeof run);
	runs->used += sizeof run;
	return 0;
}

/* The first record of a topic says where its logs begin, when none before it was let go. */
static int topic_begins(struct check *c, const struct record *r)
{
	const struct record_topic *t = (const struct record_topic *)(const void *)(r + 1);
	struct log_id id = {.topic = r->log.topic};
	bool known = false;

	if (r->bytes < sizeof *t || !c->whole || t->partitions > SHMQ_PARTITIONS_MAX)
		return 0;
	for (; id.partition < t->partitions && !known; id.partition++) {
		struct seen_log *s = seen_log(c, id, &known);

		if (s == NULL)
			return SHMQ_ENOMEM;
		if (!known)
			s->offset = t->first_offset;
	}
	return 0;
}

static int check_record(struct check *c, const struct segment_info *s, const struct record *r, uint64_t at,
                        struct column *runs)
{
	struct record gap;
	int e;

	switch ((enum record_type)r->type) {
	case RECORD_RUN:
	case RECORD_MOVED:
		check_frames(c, s, r, at + sizeof *r);
		e = note_run(runs, r, at + sizeof *r);
		if (e == 0 && r->type == RECORD_MOVED)
			return range_add(&c->moved, &(struct range){r->log, r->a, r->b, r->c, r->d});
		return e == 0 ? log_goes_on(c, s, at, r, r->b, r->d) : e;
	case RECORD_LOST:
		REMARK(c, r->log.topic, "%s: offsets %" PRIu64 " to %" PRIu64 " were damaged in memory before they could be written",
		       check_log_name(c, r->log), r->c, r->d - 1);
		return log_goes_on(c, s, at, r, r->b, r->d);
	case RECORD_GAP:
		gap = *r;
		gap.c = r->b;
		REMARK(c, r->log.topic, "%s: goes on at offset %" PRIu64 ": memory was lost", check_log_name(c, r->log), r->b);
		return log_goes_on(c, s, at, &gap, r->a, r->b);
	case RECORD_TOPIC:
		return topic_begins(c, r);
	case RECORD_TOPIC_END:
		seen_end(c, r->log.topic, 0);
		return 0;
	case RECORD_GROUP_END:
		seen_end(c, r->log.topic, r->log.group);
		return 0;
	case RECORD_LOG:
	case RECORD_TRIM:
	case RECORD_GROUP:
	case RECORD_WINDOW:
	case RECORD_REQUEUED:
	case RECORD_NUMBERS:
		return 0;
	}
	PROBLEM(c, 0, "segment %" PRIu64 " (%s), byte %" PRIu64 ": a record of the unknown type %u", s->sequence, s->name, at,
	        r->type);
	return 0;
}

int check_commit(struct check *c, const struct segment_info *s, const struct commit_head *h, uint64_t at,
                 struct column *runs)
{
	bool damaged = false;
	const struct record *r;
	uint32_t next = 0;
	int e = 0;

	c->result.commits++;
	c->result.bytes += h->length;
	while (e == 0 && (r = commit_record(h, &next, &damaged)) != NULL)
		e = check_record(c, s, r, at + (uint64_t)((const char *)r - (const char *)h), runs);
	if (damaged)
		PROBLEM(c, 0, "segment %" PRIu64 " (%s), byte %" PRIu64 ": a record of commit %" PRIu64 " is longer than it",
		        s->sequence, s->name, at, h->sequence);
	return e;
}
