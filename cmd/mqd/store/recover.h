/* SPDX-License-Identifier: MIT */
/*
 * recover.h - what a store says: its newest snapshot, and every commit behind it.
 *
 * Reads only, but for store_settle(). A block that is damaged at or below what was durable is rot: it is said, its range is missing,
 * the rest counts, nothing is deleted. Above that it is a torn tail: the end.
 */
#ifndef MQD_RECOVER_H
#define MQD_RECOVER_H

#include "image.h"
#include "io.h"

struct segment_info {
	char name[64];
	uint64_t sequence, salt, bytes; /* bytes: of the file */
	uint64_t first_commit;
	uint64_t previous, previous_end;
	uint64_t end; /* of its last commit; 0: not known (its head is damaged, or it was not looked at) */
	uint64_t last_commit;
	bool headless; /* its head is damaged: rot, if it has commits */
	bool replayed; /* its commits were read */
	bool in_flight; /* what stands behind its end is in memory, too */
};

/* One piece of news, for the log or for mqd check. */
enum found_kind { FOUND_NOTE, FOUND_TORN, FOUND_ROT };

struct recovered {
	uint64_t store, segment_bytes;
	uint64_t snapshot; /* its commit; 0: none */
	struct segment_info *segments;
	size_t segment_count;
	uint64_t rotten; /* bytes that cannot be read though they were durable */
	uint64_t torn;   /* commits that were cut */
	uint64_t replayed_bytes;
	bool sync; /* what is read is made durable first: an mqd that was killed may not have come to it */
	/* called with each */
	void (*found)(void *context, enum found_kind kind, const char *sentence);
	void *context;
};

/* Reads STORE/store. 0; SHMQ_ENOENT: there is no store; SHMQ_EFORMAT: of a newer format; SHMQ_ECORRUPT; ... */
int store_identify(struct error *e, struct io *io, struct store_file *out);

/* Makes STORE/store in an empty directory, durable. segment_bytes: of its segments. */
int store_make(struct error *e, struct io *io, uint64_t segment_bytes, struct store_file *out);

/* While the store has no segments, its identity may be there and not be durable: the last sync of its making had failed.
 * It is written once more then. 0 or an error. */
int store_make_sure(struct error *e, struct io *io, const struct store_file *s);

/* Fills an empty image. durable: the newest commit that is known to have been durable, from memory that is there: what was
 * in flight behind it does not count; 0: not known.
 * 0, SHMQ_ESTALE: the store ends before that: an older one was put in its place; or an error. */
int store_recover(struct error *e, struct io *io, const struct store_file *store, uint64_t durable, struct image *i,
                  struct recovered *out);
void recovered_free(struct recovered *r);

/* Copies what stands behind the end of the newest segment aside, cuts it, and gives segments that were not sealed their
 * footers. Before another segment is begun. 0 or an error. */
int store_settle(struct error *e, struct io *io, const struct recovered *r);

#endif
