/* SPDX-License-Identifier: MIT */
/*
 * record.h - input of any framing, taken apart into messages. The reader owns a buffer that
 * its user fills from wherever the bytes come from; which bytes arrive together makes no
 * difference to what comes out.
 *
 *     record_reader_init(&r, &options);
 *     while (there is input) {
 *             size_t room;
 *             void *to = record_room(&r, &room);
 *             record_fed(&r, read(fd, to, room));
 *             while ((result = record_next(&r, &record)) == RECORD_READY)
 *                     use(&record);
 *     }
 *     record_end(&r);          and once more: while (record_next() == RECORD_READY)
 */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "headers.h"
#include "json_read.h"
#include "shmq.h"

enum record_framing {
	RECORD_DELIMITED, /* each ends with the delimiter; an unterminated last one counts too */
	RECORD_WHOLE,  /* everything up to record_end() is one record, even when that is nothing */
	RECORD_LEN32,  /* records_format.h: a length, then the value */
	RECORD_BINARY, /* records_format.h: everything that a message has */
	RECORD_JSON,   /* json_read.h: one envelope a line */
};

struct record_options {
	enum record_framing framing;
	const void *delim;     /* RECORD_DELIMITED */
	size_t delim_len;      /* at least 1 */
	const void *key_delim; /* not RECORD_BINARY, RECORD_JSON: what stands before its first */
	size_t key_delim_len;  /* occurrence is the key; 0: there are no keys */
	size_t max_bytes;      /* of a message: bounds the memory that a record may take */
};

struct record {
	struct shmq_message message; /* partition: the source's, -1 where the input has none */
	const void *raw;             /* as it was read, with its framing */
	size_t raw_len;
};

enum record_result {
	RECORD_MORE,      /* no further record is complete */
	RECORD_READY,     /* here is one; valid until the next call with this reader */
	RECORD_BAD,       /* what stands there is none: error says why. Nothing follows. */
	RECORD_TOO_LARGE, /* it can never be published: above max_bytes. Nothing follows. */
};

struct record_reader {
	struct record_options options;
	struct bytes in;
	size_t pos;  /* where in `in` the next record begins */
	size_t scan; /* no delimiter ends before here: a long record is not searched twice */
	bool ended;
	uint64_t number; /* of the record that was returned last, or that is bad; from 1 */
	uint64_t byte;   /* where in the input it begins, from 0 */
	uint64_t base;   /* where in the input in.data begins */
	struct headers headers;
	struct envelope envelope;
	char error[256]; /* for RECORD_BAD: a sentence without subject: "is ..." */
};

void record_reader_init(struct record_reader *r, const struct record_options *options);
void record_reader_free(struct record_reader *r);

/* Where the next bytes go, and how many fit: at least 1. */
void *record_room(struct record_reader *r, size_t *room);
/* So many were stored there. */
void record_fed(struct record_reader *r, size_t bytes);
/* The input is over. When record_next() has then said RECORD_MORE, another may follow. */
void record_end(struct record_reader *r);

/* Forgets what was fed and belongs to no record yet. */
void record_drop(struct record_reader *r);

enum record_result record_next(struct record_reader *r, struct record *record);

/* Bytes that were fed and belong to no record yet. */
size_t record_unused(const struct record_reader *r);

/* Makes key and value of the bytes in m->value: see record_options.key_delim. */
void record_split_key(const struct record_options *options, struct shmq_message *m);

#endif
