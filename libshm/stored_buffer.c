/* SPDX-License-Identifier: MIT */
/*
 * stored_buffer.c - bytes of a segment: large reads, and what the disk is asked for ahead.
 *
 * Buffered reading: what one reader has read, the next finds in memory. A log that has much of the segment is read
 * through, gaps and all; else run by run, and the disk is told of the next ones, so that it can work on many at once.
 */
#include "stored.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define CHUNK_MIN  (256u << 10)
#define CHUNK_MAX  (4u << 20)
#define AHEAD      (8u << 20) /* bytes */
#define RUNS_AHEAD 32u

void stored_buffer_forget(struct stored_buffer *b)
{
	b->at = b->ahead = 0;
	b->bytes = 0;
	b->chunk = 0;
}

/* Room for `bytes`; those that the buffer has from offset `from` on go to its beginning. */
static int buffer_room(struct stored_buffer *b, size_t bytes, size_t from)
{
	size_t kept = b->bytes - from, capacity = b->capacity == 0 ? CHUNK_MIN : b->capacity;
	unsigned char *grown;

	if (bytes <= b->capacity) {
		memmove(b->data, b->data + from, kept);
	} else {
		while (capacity < bytes)
			capacity *= 2;
		grown = aligned_alloc(PAGE, capacity);
		if (grown == NULL)
			return SHMQ_ENOMEM;
		if (kept > 0)
			memcpy(grown, b->data + from, kept);
		free(b->data);
		b->data = grown;
		b->capacity = capacity;
	}
	b->at += from;
	b->bytes = kept;
	return 0;
}

/* Up to where it pays to read at once. */
static uint64_t read_limit(const struct stored *s, const struct run_entry *r)
{
	const struct run_entry *last = s->dense ? &s->runs[s->run_count - 1] : r;
	uint64_t run_end = (uint64_t)r->at * FRAME_ALIGN + r->bytes;
	uint64_t end = (uint64_t)last->at * FRAME_ALIGN + last->bytes;

	return end > run_end ? end : run_end; /* moved runs need not be in the order of their places */
}

/* Hints; what they return is of no interest. */
static void ask_ahead(struct stored *s, const struct run_entry *r, uint64_t place, bool follows)
{
	struct stored_buffer *b = &s->buffer;
	uint64_t i = (uint64_t)(r - s->runs), limit = read_limit(s, r), to = place + AHEAD;

	if (s->dense) {
		if (!follows)
			b->ahead = 0;
		if (to > limit)
			to = limit;
		if (b->ahead < place)
			b->ahead = place;
		if (follows && to > b->ahead + AHEAD / 2) {
			(void)posix_fadvise(s->segment.fd, (off_t)b->ahead, (off_t)(to - b->ahead),
			                    POSIX_FADV_WILLNEED);
			b->ahead = to;
		}
		return;
	}
	if (s->run_ahead > i + RUNS_AHEAD + 1) /* it went back */
		s->run_ahead = 0;
	if (s->run_ahead < i + 1)
		s->run_ahead = i + 1;
	for (; follows && s->run_ahead < s->run_count && s->run_ahead <= i + RUNS_AHEAD; s->run_ahead++) {
		const struct run_entry *next = &s->runs[s->run_ahead];

		(void)posix_fadvise(s->segment.fd, (off_t)((uint64_t)next->at * FRAME_ALIGN), (off_t)next->bytes,
		                    POSIX_FADV_WILLNEED);
	}
}

/* Reads on at the end of what the buffer has from `place` on, or anew. */
static int fill(struct stored *s, const struct run_entry *r, uint64_t place, size_t bytes)
{
	struct stored_buffer *b = &s->buffer;
	bool inside = place >= b->at && place - b->at <= b->bytes;
	/* The next run of a log that has little of the segment follows, too. */
	bool follows = b->bytes > 0 && (inside || (!s->dense && place > b->at));
	uint64_t limit = read_limit(s, r), want;
	size_t from = inside ? (size_t)(place - b->at) : b->bytes;

	b->chunk = !follows ? CHUNK_MIN : b->chunk >= CHUNK_MAX ? CHUNK_MAX : b->chunk * 2;
	if (b->chunk < CHUNK_MIN)
		b->chunk = CHUNK_MIN;
	want = limit > place ? limit - place : 0;
	if (want > b->chunk)
		want = b->chunk;
	if (want < bytes)
		want = bytes;
	if (buffer_room(b, (size_t)want, from) < 0)
		return SHMQ_ENOMEM;
	b->at = place;
	ask_ahead(s, r, place + want, follows);
	errno = 0;
	if (want > b->bytes)
		b->bytes += segment_bytes(&s->segment, b->data + b->bytes, (size_t)want - b->bytes, place + b->bytes);
	return bytes <= b->bytes ? 0 : SHMQ_ECORRUPT;
}

int stored_bytes(struct stored *s, const struct store_place *p, const struct run_entry *r, uint64_t place,
                 size_t bytes, const unsigned char **out)
{
	struct stored_buffer *b = &s->buffer;

	if (place < b->at || place - b->at > b->bytes || bytes > b->bytes - (place - b->at)) {
		int result = fill(s, r, place, bytes), err = errno;

		if (result == SHMQ_ENOMEM)
			return result;
		/* Behind the reading: the name goes before the bytes do. */
		if (!segment_same(p->storefd, &s->segment)) {
			stored_buffer_forget(b);
			return SHMQ_ENOENT;
		}
		errno = err;
		if (result < 0)
			return result;
	}
	*out = b->data + (place - b->at);
	return 0;
}
