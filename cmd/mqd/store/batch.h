/* SPDX-License-Identifier: MIT */
/* batch.h - one commit while it is put together, and until it is durable. */
#ifndef MQD_BATCH_H
#define MQD_BATCH_H

#include "frame.h"
#include "journal.h"

/* Large enough that the disk is busy with it for a millisecond; several are in flight. */
#define BATCH_TARGET (4u << 20)

struct batch {
	unsigned char *data; /* a struct commit_head, then records; whole blocks */
	size_t capacity, used;
	size_t run_at;       /* of the record of the open run; 0: none */
	uint64_t runs;       /* entries that its runs need in a footer */
	uint64_t rounds;     /* of acks that are in it; 0: none */
	bool spoiled;        /* the round lacks something */
};

int batch_init(struct batch *b);
void batch_free(struct batch *b);
void batch_clear(struct batch *b);

static inline bool batch_empty(const struct batch *b)
{
	return b->used == sizeof(struct commit_head);
}

/* Whether so many bytes of data fit in another record, or the batch is empty: then anything does. */
bool batch_has_room(const struct batch *b, size_t bytes);

/* Appends a record; no run may be open. 0 or SHMQ_ENOMEM. */
int batch_add(struct batch *b, enum record_type type, struct log_id log, const uint64_t numbers[4], const void *data,
              size_t bytes);

/* Appends records that were made before, as they are. */
int batch_append(struct batch *b, const struct column *records);

/* Opens a run, appends verified frames, closes it: the record says where they begin and end. */
int batch_run_begin(struct batch *b, enum record_type type, struct log_id log, const struct frame *first);
int batch_run_frame(struct batch *b, const struct frame *f);
void batch_run_end(struct batch *b, uint64_t end_position, uint64_t end_offset);

/* Fills in the head and pads to whole blocks. Returns the length. */
size_t batch_seal(struct batch *b, uint64_t salt, uint64_t sequence, uint64_t durable_upto, uint64_t now_ns);

static inline const struct commit_head *batch_head(const struct batch *b)
{
	return (const struct commit_head *)(const void *)b->data;
}

#endif
