/* SPDX-License-Identifier: MIT */
/* reader.h - how much of what was written was read, where the output is a pipe. */
#ifndef MQSUB_READER_H
#define MQSUB_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	int fd;
	bool pipe;        /* else what is written counts as read */
	size_t capacity;  /* of the pipe */
	uint64_t written; /* bytes, by us */
	uint64_t read;    /* of these; what others write to the pipe makes it less, never more */
};

void reader_init(struct reader *r, int fd);

/* Looks how much was read: r->read. */
void reader_look(struct reader *r);

/* How much may be written now without waiting for the reader. Call it behind reader_look(). */
size_t reader_room(const struct reader *r);

/* Has it gone away? What it did not read until then it will not. */
bool reader_gone(const struct reader *r);

/* Waits until there may be room, the reader goes away, a signal comes, or ns are over. */
void reader_wait_room(const struct reader *r, int64_t ns);

/* Waits until the reader goes away, a signal comes, or ns are over: nothing tells that it reads. */
void reader_wait(const struct reader *r, int64_t ns);

#endif
