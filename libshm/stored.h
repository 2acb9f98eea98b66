/* SPDX-License-Identifier: MIT */
/*
 * stored.h - a reader of one log in the store, from inside: the parts that store_read.c puts together.
 *
 *   store_read.c     which segment; looking again; what is told
 *   stored_search.c  offsets and times
 *   stored_frames.c  frame by frame through a run, and over damage
 *   stored_buffer.c  bytes of the segment: large reads, and what the disk is asked for ahead
 *   stored_holes.c   why frames are not there
 *   stored_runs.c    where in the segment the log's frames are
 *
 * What was read is believed when its hash is right and, behind the reading, the file still had its name: a frame of
 * another log at the same place and position has a right hash, too.
 */
#ifndef SHMQ_STORED_H
#define SHMQ_STORED_H

#include "store_read.h"

/* Where what is known of the runs of a segment is from. */
enum runs_from {
	RUNS_MEMORY, /* DIR/runs.S: grows */
	RUNS_FOOTER,
	RUNS_COMMITS, /* neither was there: what is not found may be damage */
};

/* Positions and messages of a RECORD_LOST. */
struct lost_range {
	uint64_t from, to, messages;
};

struct stored_buffer {
	unsigned char *data;
	size_t capacity;
	uint64_t at;  /* place of data[0] in the segment */
	size_t bytes;
	size_t chunk; /* so much is read at once: grows while one read follows the other */
	uint64_t ahead; /* the disk has been asked for what is before */
};

/* A place between two frames of a run. */
struct stored_cursor {
	uint32_t run_at;   /* of which run; 0: of none */
	uint64_t place;    /* in the segment */
	uint64_t position; /* a frame there has this one or a later one */
};

struct stored {
	struct log_id log;
	struct segment segment; /* fd -1: none */
	enum runs_from from;
	struct map live;        /* DIR/runs.S */
	uint64_t looked;        /* entries of it, at all logs */
	uint64_t end;           /* RUNS_COMMITS: of the commits; 0: not known */
	uint64_t durable;       /* the durable position when the runs were looked at last, and */
	uint64_t table_version; /* the version of the table then */
	struct run_entry *runs; /* of this log, by position */
	uint64_t run_count, run_capacity;
	uint64_t run_hint;      /* the last one found */
	uint64_t run_ahead;     /* the disk has been asked for the runs before this one */
	bool dense;             /* much of the segment is this log's: it is read as a whole */
	uint64_t holes_to;      /* below this position it is known what was lost: */
	bool whole;             /* RUNS_COMMITS: every commit that there was has been verified */
	struct lost_range *lost; /* by position */
	uint64_t lost_count, lost_capacity;
	struct stored_buffer buffer;
	struct stored_cursor cursor;
	/* What the table said, while it has not changed: positions from <= p < to are in this segment. */
	struct stored_entry entry;
	uint64_t entry_to, entry_version, entry_count;
	bool entry_known;
};

/* ---- stored_runs.c */

/* Opens a segment, and learns where the log's frames are in it. 0, SHMQ_ENOENT, SHMQ_ECORRUPT, or an error. */
int stored_open(struct error *e, struct stored *s, const struct store_place *p, uint64_t sequence, uint64_t durable,
                uint64_t version);

/* Learns what has been written since. As stored_open(). */
int stored_refresh(struct error *e, struct stored *s, const struct store_place *p, uint64_t durable, uint64_t version);

/* Forgets the segment. */
void stored_close(struct stored *s);

/* The run that has the position, else the first one behind it; NULL: there is none. */
const struct run_entry *stored_run(struct stored *s, uint64_t position);

/* ---- stored_holes.c */

/* Why positions from <= p < to, between frames, are not there: *messages that were lost. 0; SHMQ_ECORRUPT: it may be
 * damage; SHMQ_ENOENT: the file is not this segment any more; SHMQ_ENOMEM. `last`: no frame of the log is behind them in
 * this segment. */
int stored_hole(struct error *e, struct stored *s, const struct store_place *p, uint64_t from, uint64_t to, bool last,
                uint64_t *messages);

/* ---- stored_buffer.c */

/* `bytes` from a place on, which lie in run r, in *out. 0; SHMQ_ECORRUPT: they are not there, errno says why, 0: the
 * file ends; SHMQ_ENOENT: the file is not this segment any more; SHMQ_ENOMEM. */
int stored_bytes(struct stored *s, const struct store_place *p, const struct run_entry *r, uint64_t place,
                 size_t bytes, const unsigned char **out);
void stored_buffer_forget(struct stored_buffer *b);

/* ---- stored_frames.c */

/* The first frame of the run at or behind a position: its header, verified; the cursor stands before it. 0; SHMQ_END:
 * the run has none; SHMQ_ECORRUPT: what may have been it is damaged, *behind is the position behind that; SHMQ_ENOENT,
 * SHMQ_ENOMEM: as stored_bytes(). */
int stored_seek(struct error *e, struct stored *s, const struct store_place *p, const struct run_entry *r,
                uint64_t position, struct frame *f, uint64_t *behind);

/* The last frame of the run, from `from` on and below `to`, that begins at or before a key: 0 and *position, SHMQ_END,
 * SHMQ_ENOENT, SHMQ_ENOMEM. What is damaged is passed over. */
int stored_last(struct stored *s, const struct store_place *p, const struct run_entry *r, uint64_t from, uint64_t to,
                bool by_time, uint64_t key, uint64_t *position);

/* The frame that the cursor stands before, whose header is f, into c. 0; SHMQ_ECORRUPT: its payload is damaged;
 * SHMQ_ENOENT, SHMQ_ENOMEM. */
int stored_take(struct error *e, struct stored *s, const struct store_place *p, const struct run_entry *r,
                const struct frame *f, struct copy *c);

/* ---- store_read.c */

/* What a call is about. */
struct ask {
	struct error *e;
	struct stored *s;
	const struct store_place *p;
	const struct durable *d;
	uint64_t position, low, durable;
	uint64_t limit;     /* positions from `position` on and below are in the segment of s->entry */
	uint64_t behind;    /* of damage: where it goes on */
	uint64_t hole_from; /* a hole that goes on from the segment before; UINT64_MAX: none */
	uint64_t lost;
	struct frame f;
	struct copy *c; /* NULL: only the header */
};

/* Begins a call, with a reader of this log. 0; SHMQ_EMPTY: the topic is not on disk; SHMQ_ENOMEM. */
int stored_ask(struct ask *a, struct stored **s, struct log_id log);

/* What the store has of the log now: low, durable. */
void stored_bounds(struct ask *a);

/* Opens the segment of s->entry, and learns what it has of the log. As stored_open(). */
int stored_use(struct ask *a);

/* Forgets what was found wrong, before the table is asked again: the bytes, and a segment without its name. */
void stored_forget(struct ask *a);

#endif
