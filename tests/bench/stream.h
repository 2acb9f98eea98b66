/* SPDX-License-Identifier: MIT */
/* stream.h - one process sends 100-byte messages as fast as it can, another takes them. */
#ifndef STREAM_H
#define STREAM_H

#include <string.h>

#include "sides.h"

#define STREAM_BYTES 100
#define STREAM_STOP  UINT64_MAX

/* The producer is side 0. */
struct stream_kind {
	struct sides sides;
	int (*produce)(void *state, uint64_t first, uint64_t n); /* messages first .. first+n-1 */
	int (*end)(void *state); /* sends STREAM_STOP and whatever is still buffered */
	int (*consume)(void *state, uint64_t *count); /* until STREAM_STOP */
};

extern const struct stream_kind stream_shmq_each, stream_shmq_batch, stream_zmq;

/* One run: *rate is messages per second, from the first send to the last receipt. */
int stream_run(struct bench *b, const struct stream_kind *kind, double *rate);

/* A message is its number at both ends, the second time inverted, and dots between. */
struct stream_message {
	unsigned char bytes[STREAM_BYTES];
};

static inline void stream_message_init(struct stream_message *m)
{
	memset(m->bytes, '.', sizeof(m->bytes));
}

static inline void stream_message_number(struct stream_message *m, uint64_t number)
{
	uint64_t inverted = ~number;

	memcpy(m->bytes, &number, sizeof(number));
	memcpy(m->bytes + sizeof(m->bytes) - sizeof(inverted), &inverted, sizeof(inverted));
}

/* Takes message *count: 0, 1 at STREAM_STOP, -1 when it is another message or damaged. */
static inline int stream_take(const void *message, size_t bytes, uint64_t *count)
{
	uint64_t number, inverted;

	if (bytes != STREAM_BYTES)
		return -1;
	memcpy(&number, message, sizeof(number));
	memcpy(&inverted, (const char *)message + bytes - sizeof(inverted), sizeof(inverted));
	if (number != ~inverted)
		return -1;
	if (number == STREAM_STOP)
		return 1;
	return number == (*count)++ ? 0 : -1;
}

#endif
