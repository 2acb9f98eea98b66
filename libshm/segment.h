/* SPDX-License-Identifier: MIT */
/*
 * segment.h - a segment of the journal, to read: what its name, its head and its commits prove.
 *
 * A file in a store may be damaged, cut, another store's, or used again under another name while it is read. The salt
 * in the name is what ties the parts together: commits and footers of an earlier life have another one.
 */
#ifndef SHMQ_SEGMENT_H
#define SHMQ_SEGMENT_H

#include "error.h"
#include "journal.h"

#include <stdio.h>
#include <sys/types.h>

struct segment {
	int fd;                  /* -1: none */
	uint64_t sequence, salt; /* as in the name */
	uint64_t bytes;          /* of the file now: what is behind was cut */
	uint64_t first_commit;   /* 0: not known, the head is damaged */
	bool cut;                /* the file is shorter than its head says */
	uint64_t previous, previous_end; /* of the segment written before it: everything up to there was durable */
	dev_t dev;               /* of the file that had the name */
	ino_t ino;
	char name[64];
};
#define SEGMENT_NONE ((struct segment){.fd = -1})

/* Takes the name of a segment apart. False: it is none. */
bool segment_parse(const char *name, uint64_t *sequence, uint64_t *salt);

/* The name of the segment with a sequence: 0, SHMQ_ENOENT, or an error. */
int segment_name(struct error *e, int storefd, uint64_t sequence, char name[64]);

/* Opens it for reading. A damaged head is no obstacle, but one that is whole must be of this store and this name. 0,
 * SHMQ_ENOENT, SHMQ_EACCESS, SHMQ_ECORRUPT (it is no segment of this store), SHMQ_ESYSTEM. */
int segment_open(struct error *e, int storefd, const char *name, uint64_t store_id, struct segment *out);

/* Whether the file still has its name. It loses the name before it is written anew: what was read before this was
 * looked at, and found true, are bytes of this segment. */
bool segment_same(int storefd, const struct segment *s);

void segment_close(struct segment *s);

/* As many bytes of these as are there: fewer at the end of the file, or where the disk cannot read (errno, else 0). */
size_t segment_bytes(const struct segment *s, void *to, size_t bytes, uint64_t at);

/* What stands in a segment, in the order of the journal: from its footer, or, where that is missing or damaged, from
 * its commits. *entries is malloc'ed. `end`: where commits end as far as is known; 0: not known. 0; SHMQ_ENOENT: it is
 * gone; or an error. */
int segment_runs(struct error *e, int storefd, const char *name, uint64_t store_id, uint64_t end,
                 struct run_entry **entries, uint64_t *count);

/* The same, of one that is open: from its footer, 0, SHMQ_ENOENT (there is none that is valid) or SHMQ_ENOMEM; from its
 * commits, 0 or SHMQ_ENOMEM. */
int segment_footer(struct error *e, const struct segment *s, struct run_entry **entries, uint64_t *count);
int segment_commits(struct error *e, const struct segment *s, uint64_t end, struct run_entry **entries,
                    uint64_t *count);

/* Where the commits of a segment end, as the one written behind it says; 0: not known. */
uint64_t segment_end(int storefd, uint64_t store_id, uint64_t sequence);

/* Follows the commits to the first that is not valid, or to `end` (0: of the file), and hands over every record: `data`
 * is its first 64 bytes, NULL when it has fewer, `at` their place in the segment. `payload`: reads whole commits and
 * stops at one that does not verify; else only heads are read. *stopped: where it did. 0, or what `visit` or memory
 * said. *whole, with `payload`: it came to `end`, or nothing says that there was more. */
typedef int record_visit(void *arg, const struct commit_head *c, const struct record *r, const void *data,
                         uint64_t at);
struct walk {
	uint64_t stopped;
	uint64_t next_commit; /* its sequence; 0: not known */
	bool whole;
};
int segment_walk(struct error *e, const struct segment *s, uint64_t end, bool payload, record_visit *visit, void *arg,
                 struct walk *w);

/* Whether a commit stands at this place of a buffer that has `bytes` from there on: its head and payload are right.
 * With `payload` false, only its head. */
bool commit_valid(const void *at, uint64_t bytes, uint64_t salt, bool payload);

/* Goes through the records of a commit that is valid: each must lie inside. *at: 0 at first. NULL at the end, or, with
 * *damaged, where a record contradicts its commit. */
const struct record *commit_record(const struct commit_head *c, uint32_t *at, bool *damaged);

/* Where the record behind this one begins, of `used` bytes of records: false when it does not lie inside. */
static inline bool record_next(uint32_t used, uint32_t at, uint32_t data_bytes, uint32_t *next)
{
	uint64_t end = (uint64_t)at + sizeof(struct record) + data_bytes;

	if (end > used)
		return false;
	end = ALIGN_UP(end, (uint64_t)RECORD_ALIGN);
	*next = end < used ? (uint32_t)end : used; /* the last one need not be padded */
	return true;
}

/* Whether a run can stand in a segment of so many bytes. */
static inline bool run_possible(const struct run_entry *r, uint64_t segment_bytes)
{
	uint64_t at = (uint64_t)r->at * FRAME_ALIGN;

	return r->first_position < r->end_position && r->bytes >= sizeof(struct frame) && r->bytes < COMMIT_MAX &&
	       at >= JOURNAL_BLOCK + sizeof(struct commit_head) + sizeof(struct record) && at <= segment_bytes &&
	       r->bytes <= segment_bytes - at;
}

static inline bool log_same(const struct log_id *a, const struct log_id *b)
{
	return a->topic == b->topic && a->group == b->group && a->partition == b->partition;
}

/* Of the file in the runtime directory that says what stands in the segment being written. */
static inline void runs_name(char name[40], uint64_t sequence)
{
	snprintf(name, 40, "runs.%llu", (unsigned long long)sequence);
}

#endif
