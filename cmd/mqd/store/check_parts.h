/* SPDX-License-Identifier: MIT */
/* check_parts.h - the parts of verifying a store: check.c, check_segment.c, check_records.c. */
#ifndef MQD_CHECK_PARTS_H
#define MQD_CHECK_PARTS_H

#include "check.h"
#include "recover_files.h"

/* Up to where a log has been seen. */
struct seen_log {
	struct log_id id;
	uint64_t position, offset;
	bool ended; /* its topic or group was deleted */
};

struct check {
	const struct check_options *o;
	struct check_result result;
	struct error *e;
	struct io *io;
	struct store_file identity;
	struct recovered found;  /* its segments */
	struct image image;      /* what mqd would make of the store */
	struct seen_log *seen;   /* sorted */
	size_t seen_count, seen_capacity;
	struct column holes, moved; /* ranges: what was not there, and what stands elsewhere */
	struct column sentences; /* each ended by 0, behind one byte: whether it is damage */
	bool whole;              /* every commit from the first one ever has been looked at */
	bool gone;               /* a segment went away meanwhile */
};

/* topic 0: of none. */
void check_said(struct check *c, uint64_t topic, bool damage, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
#define PROBLEM(c, topic, ...) check_said(c, topic, true, __VA_ARGS__)
#define REMARK(c, topic, ...)  check_said(c, topic, false, __VA_ARGS__)

/* "topic orders, partition 3" or "topic orders, dead letters of group g". Valid until the 2nd next call. */
const char *check_log_name(struct check *c, struct log_id id);

/* ---- check_segment.c */

/* All of one segment: the commits, the footer. `next`: the one behind it, or NULL. 0 or SHMQ_ENOMEM. */
int check_segment(struct check *c, struct segment_info *s, const struct segment_info *next);

/* ---- check_records.c */

/* The records of a commit that stands at byte `at`; appends its runs as a footer has them. 0 or SHMQ_ENOMEM. */
int check_commit(struct check *c, const struct segment_info *s, const struct commit_head *h, uint64_t at,
                 struct column *runs);

/* A run is not there, though it was: as the footer says. */
int check_run_lost(struct check *c, const struct segment_info *s, const struct run_entry *run);

/* When all segments were seen: what the store knows of and has not. 0 or SHMQ_ENOMEM. */
int check_ends(struct check *c);

#endif
