/* SPDX-License-Identifier: MIT */
/*
 * journal_write.h - the journal being written: batches in flight, what is durable, from segment to segment.
 *
 *   FILLING -> WRITING -> WRITTEN -> (sync) -> DURABLE -> FILLING
 *
 * A batch counts as durable when its write returned its full length, a sync that was submitted after that returned 0,
 * and every batch before it is durable. A small one on an idle disk is written as durable at once instead. No two
 * segments are written at one time: the next one begins when all of the last is durable, so that its head can say where
 * that ends.
 *
 * A write or sync that fails: nothing more is said to be durable of that file, ever. What was in flight is given up
 * (the caller has it in memory still) and the journal goes on in another segment; when that one fails, too, before a
 * commit in it was durable, the journal is broken for good.
 */
#ifndef MQD_JOURNAL_WRITE_H
#define MQD_JOURNAL_WRITE_H

#include "batch.h"
#include "io.h"
#include "image.h"

#define BATCHES 4u
#define SPARES_KEPT 2u /* segments that only what frees space may use when the disk is full */

enum batch_state { BATCH_FREE, BATCH_WRITING, BATCH_WRITTEN, BATCH_DURABLE };

struct spare {
	char name[64];
	uint64_t salt, bytes;
	uint64_t zeroed; /* up to here its blocks were written: then a write into it changes nothing else */
};

struct journal {
	struct io *io;
	uint64_t store, segment_bytes, limit; /* limit: of all segments, in bytes; 0: the filesystem's */
	uint64_t store_bytes;   /* of all segments and spares */
	struct image *image;    /* what is durable is applied to it */
	void (*durable)(void *context, const struct batch *b); /* it has been applied */
	void (*dropped)(void *context);                        /* what was in flight is given up: begin again from the image */
	void (*said)(void *context, const char *sentence);     /* for the log */
	void *context;

	/* the segment being written; file < 0: none */
	int file;
	char name[64];
	uint64_t sequence, salt, bytes;
	uint64_t zeroed;  /* up to here its blocks were written before */
	uint64_t at;      /* where the next commit goes */
	uint64_t end;     /* of what is durable in it */
	uint64_t entries; /* that its footer will have, with what is in flight */
	struct column runs; /* struct run_entry, of what is durable in it */
	uint64_t previous, previous_end;
	bool suspect;     /* a write or sync of it failed */
	bool runs_lost;   /* `runs` is not all: no footer is made of it */

	struct batch batch[BATCHES];
	enum batch_state state[BATCHES];
	size_t length[BATCHES];
	bool covered[BATCHES]; /* by the sync in flight */
	unsigned first, count; /* in flight, in order; the one behind them is being filled */
	bool syncing;
	uint64_t next_commit;

	struct spare *spares;
	size_t spare_count;
	int spare_file; /* of spares[0], while it is zeroed; -1 */

	bool full;        /* no room for another segment but what is kept */
	bool broken;      /* two segments failed one after the other */
	int error;        /* errno of the last failure */
	unsigned fresh_failures;
	uint64_t commits, written, syncs, sync_ns;
};

/* Prepares to write behind what is in the image: a new segment is begun with the first commit. 0 or an error. */
int journal_begin(struct error *e, struct journal *j);
void journal_end(struct journal *j);

/* For image.run: the segment being written has this run. 0 or SHMQ_ENOMEM: its footer will be made again. */
int journal_note_run(struct journal *j, const struct run_entry *run);

/* The batch to be filled; NULL: all are in flight. */
struct batch *journal_filling(struct journal *j);

/* Whether something is in flight. */
static inline bool journal_busy(const struct journal *j)
{
	return j->count > 0 || j->syncing;
}

/* Writes the batch that was filled. frees: it may use what is kept for when the disk is full. 0; SHMQ_FULL: no room for
 * it, it is as it was; SHMQ_EMPTY: later, something in flight comes first; SHMQ_EDAEMON: broken. */
int journal_submit(struct journal *j, bool frees);

/* Takes what the disk has done; with `wait` waits for something. 0, SHMQ_INTERRUPTED, or SHMQ_EDAEMON: broken. */
int journal_reap(struct journal *j, bool wait);

/* One step of making a spare segment ready, when there is nothing else to do: true when there may be more to do. */
bool journal_prepare(struct journal *j);

/* Whether there is something to make ready. */
static inline bool journal_unprepared(const struct journal *j)
{
	return !j->broken && !j->full && (j->spare_count <= SPARES_KEPT || j->spares[0].zeroed < j->spares[0].bytes);
}

/* A segment nobody needs any more becomes a spare. 0 or an error. */
int journal_recycle(struct journal *j, const char *name);

#endif
