/* SPDX-License-Identifier: MIT */
/*
 * image.h - what the store knows: the sum of its records. In private memory.
 *
 * One and the same code makes it from a snapshot and commits when mqd starts, and keeps it while mqd runs: a commit is
 * applied when it is durable, not before. So it never says more than what a loss of power would leave; a snapshot can
 * be taken of it at any time; and after a failed write the journal goes on from it.
 */
#ifndef MQD_IMAGE_H
#define MQD_IMAGE_H

#include "frame.h"
#include "journal.h"
#include "spans.h"

struct image_log {
	struct log_id id;
	uint64_t end_position, end_offset, end_bytes, end_ns; /* behind the newest frame */
	uint64_t low_position, low_offset; /* what is below was let go */
	struct column gaps;  /* struct offset_gap */
	struct column table; /* struct stored_entry */
	uint64_t gap_sum;    /* offsets of all gaps ever */
	uint64_t changed;    /* goes up with table and gaps: who shows them elsewhere knows when to */
};

struct image_group {
	uint32_t number;
	struct record_group r;
	struct spans *windows;   /* done, by partition, in the incarnation of r */
	struct spans returned;   /* done in its return log */
	struct spans requeued;   /* in it, to be delivered again */
	struct image_log returns;
};

struct image_topic {
	uint64_t number; /* first: numbered.h */
	struct record_topic r;
	struct image_log *logs; /* by partition */
	struct image_group **groups;
	size_t group_count, group_capacity;
	void *user; /* whoever uses the image keeps something of his own here */
};

struct image {
	struct image_topic **topics; /* by number, ascending */
	size_t topic_count, topic_capacity, found;
	uint64_t numbers; /* topic numbers up to this one may have been given out */
	uint64_t commit;  /* the newest one that is in it */
	uint64_t segment; /* where that one stands */
	/* Called, when not NULL, for every run, in order: where frames stand. And before a topic is dropped. */
	void (*run)(void *context, const struct run_entry *run, uint64_t segment);
	void (*ends)(void *context, struct image_topic *t);
	void *context;
};

void image_free(struct image *i);

struct image_topic *image_topic(struct image *i, uint64_t number);
struct image_group *image_group(const struct image_topic *t, uint32_t number);
/* NULL: there is no such log. */
struct image_log *image_log(struct image *i, struct log_id id);

/* Applies a commit that stands at byte `at` of a segment; its hashes were checked. 0, SHMQ_ECORRUPT: a record
 * contradicts its commit, or SHMQ_ENOMEM. */
int image_apply(struct error *e, struct image *i, const struct commit_head *c, uint64_t segment, uint64_t at);

/* The same of the records of a snapshot. */
int image_apply_snapshot(struct error *e, struct image *i, const struct snapshot_head *h, const void *records);

/* Appends the records of a snapshot. 0 or SHMQ_ENOMEM. */
int image_write(const struct image *i, struct column *out);

/* Appends one record. 0 or SHMQ_ENOMEM. */
int record_add(struct column *out, enum record_type type, struct log_id log, const uint64_t numbers[4], const void *data,
               size_t bytes);

/* The record that says which messages are done, or requeued. */
int record_spans(struct column *out, enum record_type type, struct log_id log, uint64_t incarnation,
                 const struct spans *s);

static inline const struct stored_entry *image_table(const struct image_log *l)
{
	return (const struct stored_entry *)(const void *)l->table.data;
}
static inline size_t image_table_count(const struct image_log *l)
{
	return l->table.used / sizeof(struct stored_entry);
}
static inline const struct offset_gap *image_gaps(const struct image_log *l)
{
	return (const struct offset_gap *)(const void *)l->gaps.data;
}
static inline size_t image_gap_count(const struct image_log *l)
{
	return l->gaps.used / sizeof(struct offset_gap);
}

#endif
