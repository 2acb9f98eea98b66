/* SPDX-License-Identifier: MIT */
/*
 * journal.h - the disk format: every file of a store, byte by byte. shmq-format(5) says the same in prose; a change
 * here is a new JOURNAL_FORMAT.
 *
 *   STORE/store                     whose store it is
 *   STORE/lock                      locked by the mqd that runs on it
 *   STORE/journal.SEQUENCE.SALT     a segment of the journal, both in 16 hexadecimal digits
 *   STORE/spare.SALT                one that is made ready
 *   STORE/snapshot.COMMIT           the state as of a commit
 *   STORE/torn.SEQUENCE.AT          what stood behind the end of a segment when it was cut
 *
 * A segment:
 *   block 0       struct segment_head
 *   commit        struct commit_head, then records, each from a multiple of 64 bytes on; padded to a whole block
 *   commit ...
 *   footer        once it is sealed: its struct run_entry, padded to a whole block
 *   last block    struct segment_tail, says where the footer is
 *
 * A block is 4,096 bytes. A commit counts if and only if its magic and salt are the segment's, its sequence follows
 * that of the commit before it, head_hash and payload_hash are right. All numbers are little-endian.
 */
#ifndef SHMQ_JOURNAL_H
#define SHMQ_JOURNAL_H

#include "layout.h"

#define JOURNAL_FORMAT 1u
#define JOURNAL_BLOCK  4096u
#define COMMIT_MAX     (1u << 30) /* bytes of a commit; larger than what it aims at only where a single frame is */
#define SEGMENT_MIN    (1u << 20)
#define SEGMENT_MAX    (1u << 30)

#define STORE_MAGIC    0x3165726f74737173ULL /* "sqstore1" in memory order */
#define SEGMENT_MAGIC  0x316765736b737173ULL
#define COMMIT_MAGIC   0x316d6f636b737173ULL
#define TAIL_MAGIC     0x316c69746b737173ULL
#define SNAPSHOT_MAGIC 0x3170616e736b7173ULL

/* STORE/store */
struct store_file {
	uint64_t magic;
	uint32_t format; /* JOURNAL_FORMAT */
	uint32_t spare;
	uint64_t id;     /* random; never 0 */
	uint64_t segment_bytes;
	uint64_t made_ns;
	uint64_t pad[2];
	uint64_t hash;   /* XXH3-64 of the fields before it */
};
_Static_assert(sizeof(struct store_file) == 64, "as drawn");

struct segment_head {
	uint64_t magic;
	uint32_t format;
	uint32_t block;           /* JOURNAL_BLOCK */
	uint64_t store;           /* its id */
	uint64_t sequence;        /* from 1 on, rising; one that could not be begun leaves a hole, and so does retention */
	uint64_t salt;            /* random; as in the name */
	uint64_t bytes;           /* of the file */
	uint64_t first_commit;    /* sequence of the commit in block 1 */
	uint64_t previous;        /* sequence of the segment written before it; 0: none */
	uint64_t previous_end;    /* where that one's last commit ends: everything before was durable */
	uint64_t snapshot;        /* commit of the newest snapshot then; 0: none */
	uint64_t made_ns;
	uint64_t hash;            /* of the fields before it */
};

struct commit_head {
	uint64_t magic;
	uint64_t salt;
	uint64_t sequence;     /* one more than the commit before it, through all segments */
	uint32_t length;       /* with head and padding: a multiple of JOURNAL_BLOCK, at most COMMIT_MAX */
	uint32_t used;         /* bytes of records, behind this head */
	uint64_t durable_upto; /* every commit up to this one was durable when this one was written */
	uint64_t time_ns;      /* CLOCK_REALTIME */
	uint64_t payload_hash; /* XXH3-64 of the `used` bytes */
	uint64_t head_hash;    /* of the fields before it */
};
_Static_assert(sizeof(struct commit_head) == 64, "one cache line");

/* Behind the last commit of a sealed segment; a footer that is missing or damaged is made again from the commits. */
struct segment_tail {
	uint64_t magic, salt, sequence;
	uint64_t at;           /* of the first entry, in the segment */
	uint64_t count;        /* of entries */
	uint64_t end;          /* of the last commit */
	uint64_t last_commit;
	uint64_t entries_hash;
	uint64_t hash;         /* of the fields before it */
};

/* One log: a partition of a topic (group 0), or a group's return log (partition 0). */
struct log_id {
	uint64_t topic;
	uint32_t group, partition;
};

/* The frames of one log in one commit. In footers, and in the runtime directory for the segment being written
 * (layout.h), in the order of the journal. */
struct run_entry {
	struct log_id log;
	uint64_t first_position, end_position; /* of its frames; holes are gone: damaged in memory, or cleaned */
	uint64_t first_offset, end_offset;
	uint64_t time_ns;  /* of its first frame */
	uint32_t at;       /* of its first frame in the segment, in 64-byte steps */
	uint32_t bytes;    /* of its frames: each from a multiple of 64 bytes on */
};
_Static_assert(sizeof(struct run_entry) == 64, "one cache line");

/* ---- records ------------------------------------------------------------------------ */

/* Everything that the store knows is the sum of its records: those of a snapshot, then those of every commit behind
 * it, in order. What a record says of a topic or a group whose end was recorded before means nothing. */
enum record_type {
	RECORD_RUN = 1,     /* frames, as in memory, each from a multiple of 64 bytes on. a, b: first and end position; c, d:
	                       first and end offset. */
	RECORD_TOPIC,       /* struct record_topic: it is there, with these options. A later one changes them. */
	RECORD_TOPIC_END,   /* it was deleted */
	RECORD_LOG,         /* struct record_log, then struct run_place: what the records before the snapshot came to */
	RECORD_GAP,         /* the log goes on at position a, offset b: what could have been read beyond its end is never
	                       written. c: log bytes; d: time of the last frame. */
	RECORD_TRIM,        /* what is below position a, offset b was let go */
	RECORD_GROUP,       /* struct record_group, then its options and name: it is there, in this incarnation */
	RECORD_GROUP_END,
	RECORD_WINDOW,      /* a: incarnation (of a return log 0); b: floor; then struct done_run: messages at or above
	                       the floor that are done. Adds to what was done before. */
	RECORD_REQUEUED,    /* of a return log: the same runs, from offset b on: dead letters that are to be delivered again */
	RECORD_NUMBERS,     /* a: topic numbers up to this one may have been given out */
	RECORD_MOVED,       /* as RUN: frames from an older segment that is to be used again. The log's end stays. */
	RECORD_LOST,        /* positions a <= p < b, offsets c <= o < d were damaged in memory, and are told as such */
};

/* Before the data of each record; 64 bytes, and padded to that. */
struct record {
	uint32_t type;
	uint32_t bytes; /* of data behind this head */
	struct log_id log;
	uint64_t a, b, c, d;
	uint64_t spare; /* 0 */
};
_Static_assert(sizeof(struct record) == 64, "one cache line");
#define RECORD_ALIGN 64u

struct record_topic {
	uint64_t created_ns, first_offset;
	uint64_t groups; /* numbers of groups up to this one may have been given out */
	uint64_t pool_bytes, keep_bytes;
	uint64_t retain_ns, retain_bytes;
	uint32_t retain_flags; /* 1: until acked */
	uint32_t partitions, slots, full;
	char name[256]; /* ended by 0 */
};

/* Of a snapshot. Then `gaps` struct offset_gap, then `entries` struct stored_entry (layout.h). */
struct record_log {
	uint64_t end_position, end_offset, end_bytes, end_ns;
	uint64_t low_position, low_offset;
	uint64_t gaps, entries;
};

struct record_group {
	uint64_t incarnation, version; /* of its windows, of its options */
	uint64_t created_ns;
	uint64_t paused;
	int64_t lease_ns, backoff_ns, backoff_max_ns, expire_ns;
	uint64_t returns_bytes;
	uint32_t mode, retries, dead, returns_rows, window, spare;
	char name[256];    /* ended by 0 */
	char filter[1024]; /* likewise */
};

/* Messages floor + skip <= o < floor + skip + count, of those behind the run before it. */
struct done_run {
	uint32_t skip; /* from the end of the run before it, or the floor */
	uint32_t count;
};
_Static_assert(sizeof(struct done_run) == 8, "as drawn");

/* STORE/snapshot.COMMIT: this, then records as in a commit. */
struct snapshot_head {
	uint64_t magic;
	uint32_t format, spare;
	uint64_t store;
	uint64_t commit;  /* the newest one that it knows */
	uint64_t segment; /* the segment that this one stands in */
	uint64_t bytes;   /* of records */
	uint64_t payload_hash;
	uint64_t hash;    /* of the fields before it */
};
_Static_assert(sizeof(struct snapshot_head) == 64, "one cache line");

#endif
