/* SPDX-License-Identifier: MIT */
/* frame.h - the columns of a frame: building them, and reading them back with suspicion. */
#ifndef SHMQ_FRAME_H
#define SHMQ_FRAME_H

#include "bulk.h"
#include "error.h"
#include "layout.h"

#include <string.h>

struct column { /* a private array that grows */
	unsigned char *data;
	size_t used, capacity;
};
void column_free(struct column *c);

/* Room for `more` bytes behind the used ones: 0 or SHMQ_ENOMEM. */
int column_room(struct column *c, size_t more);

/* The rows of a frame under construction. Values go straight to their place, behind the header at
 * `frame`; the other columns wait here until the frame is sealed. */
struct rows {
	unsigned char *frame; /* where the header will stand; NULL: no frame is open */
	size_t capacity;      /* bytes from there on */
	uint32_t count;
	size_t value_bytes;
	bool has_keys, has_headers;
	bool first_hashed;   /* first_hash is that of the only row */
	uint64_t first_hash;
	struct column ends, key_ends, keys, header_ends, headers;
	struct column meta; /* items of the META section */
};

static inline void rows_begin(struct rows *r, void *frame, size_t capacity)
{
	r->frame = frame;
	r->capacity = capacity;
	r->count = 0;
	r->value_bytes = 0;
	r->has_keys = r->has_headers = r->first_hashed = false;
	r->ends.used = r->key_ends.used = r->keys.used = 0;
	r->header_ends.used = r->headers.used = r->meta.used = 0;
}
void rows_free(struct rows *r);

/* Bytes the sealed frame would take with this message added; SIZE_MAX when it cannot be. */
size_t rows_cost_with(const struct rows *r, const struct shmq_message *m);

/* rows_add() for the ordinary case: only a value, like the rows before it, and it fits. False: nothing
 * was done. */
static inline bool rows_add_value(struct rows *r, const void *value, size_t bytes)
{
	uint32_t end = (uint32_t)(r->value_bytes + bytes);

	if (r->frame == NULL || r->has_keys || r->has_headers || bytes > r->capacity ||
	    sizeof(struct frame) + r->value_bytes + bytes + 4 * ((size_t)r->count + 2) > r->capacity ||
	    r->ends.capacity - r->ends.used < sizeof end)
		return false;
	/* A message alone in its frame is hashed where it comes from: its copy has just been written in
	   pieces that no load fits, and would have to arrive in the cache first. */
	if (r->count == 0 && bytes <= BULK_SHORT)
		r->first_hash = bulk_hash(value, bytes);
	if (bytes > 0)
		memcpy(r->frame + sizeof(struct frame) + r->value_bytes, value, bytes);
	memcpy(r->ends.data + r->ends.used, &end, sizeof end);
	r->ends.used += sizeof end;
	r->value_bytes = end;
	r->first_hashed = r->count++ == 0 && bytes <= BULK_SHORT;
	return true;
}

/* Adds an item to the META section, in up to two parts. 0 or SHMQ_ENOMEM. Its cost counts in
 * rows_cost_with() from then on. */
int rows_add_meta(struct rows *r, enum meta_type type, const void *data, size_t bytes, const void *more,
                  size_t more_bytes);

/* Counts a message without storing it: for the cost of a batch. 0, or SHMQ_EDATA beyond 4 GiB. */
int rows_count(struct rows *r, const struct shmq_message *m);

/* Adds a message (the caller checked that it fits). 0 or SHMQ_ENOMEM (nothing added). */
int rows_add(struct rows *r, const struct shmq_message *m);

/* Writes the columns behind the values, and the header but for what ring_link() fills in. Returns
 * the frame. */
struct frame *rows_seal(struct rows *r);

/* A frame of delimited values that stand in their place already. */
struct frame *frame_seal_delimited(void *frame, size_t value_bytes, uint32_t count,
                                   unsigned char delimiter);

/* An empty frame; flags as enum frame_flags. */
struct frame *frame_seal_empty(void *frame, unsigned flags);

/* A verified private copy, taken apart. */
struct columns {
	const struct frame *frame;
	const unsigned char *values;
	const uint32_t *ends; /* NULL: one row, or delimited */
	const uint32_t *key_ends; /* NULL: no keys */
	const unsigned char *keys;
	const uint32_t *header_ends; /* NULL: no headers */
	const unsigned char *headers;
	const unsigned char *meta; /* NULL: none */
	uint32_t meta_bytes;
};

/* The first item of a type: its data, of at least `least` bytes (*bytes, if asked: all of them); NULL when there is
 * none. Not aligned. */
const unsigned char *columns_meta(const struct columns *c, enum meta_type type, size_t least, uint32_t *bytes);

/* Checks every length against the frame's. Checksums only prove that the bytes are as written: the
 * writer may be hostile. 0 or SHMQ_ECORRUPT. The hashes have been verified before. */
int columns_open(const struct frame *copy, struct columns *c);

/* Row r of columns; *at is the iterator's place in the values, to be 0 before row 0 and passed on.
 * key and value only. 0 or SHMQ_ECORRUPT. */
int columns_row(const struct columns *c, uint32_t r, uint64_t *at, struct shmq_message *m);

/* Headers of row r into a growing array of struct shmq_header. 0, SHMQ_ECORRUPT, SHMQ_ENOMEM. */
int columns_headers(const struct columns *c, uint32_t r, struct column *array,
                    struct shmq_message *m);

#endif
