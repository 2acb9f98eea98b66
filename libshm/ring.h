/* SPDX-License-Identifier: MIT */
/*
 * ring.h - one log in memory: an ordered sequence of immutable frames.
 *
 * Progress: everything here is lock-free; a participant that is stopped or killed anywhere costs
 * the others at most one repetition of a loop.
 */
#ifndef SHMQ_RING_H
#define SHMQ_RING_H

#include "map.h"

struct past;

struct log {
	struct map map; /* read-only for subscribers */
	unsigned partition;
	unsigned extent_count;
	unsigned slot_shift; /* N is 2^this */
	uint64_t slot_count; /* N */
	uint64_t pool_bytes;
	struct log_file *file;
	atomic_u64 *extents;
	atomic_u64 *slots;
	unsigned char *pool;
	atomic_u64 *head; /* in the bell file */
	struct log_base base; /* as the file said when it was opened */
	struct past *past;    /* readers of a topic on disk: what memory has let go (past.h); else NULL */
};
#define LOG_NONE ((struct log){.map = {.fd = -1}})

/* Points into the mapped file. SHMQ_ECORRUPT when its dimensions cannot be true. Takes over m. */
int log_attach(struct error *e, struct map *m, atomic_u64 *head, struct log *out);

/* Fills in where a new log begins. */
void log_base_set(struct log_file *f, struct log_base base);

/* The position of the newest frame of a log that ends at `end`; of an empty one something below its head. */
static inline uint64_t log_newest(const struct log *l, uint64_t end)
{
	return end > l->base.position ? end - 1 : l->base.position;
}

static inline bool log_attached(const struct log *l)
{
	return l->file != NULL;
}

/* Where the log goes on: what the next frame's header must say. */
struct tail {
	uint64_t position; /* of the next frame, as far as known; a starting point, never trusted */
	bool known;        /* the rest belongs to `position` */
	uint64_t offset, bytes, time_ns;
};

/* Links a complete private frame at the end of the log: writes position, offset, bytes, time (at
 * least now_ns) and header hash into it and publishes it by one CAS. unit: its place in the pool.
 * 0: linked, t is behind it. SHMQ_FULL: t->position - head >= N. SHMQ_ECORRUPT: the newest frame
 * is damaged. SHMQ_ENOSPACE: slot pages. Multi-producer, lock-free. */
int ring_link(struct error *e, struct log *l, struct tail *t, struct frame *f, uint64_t unit,
              uint64_t now_ns);

/* The same in steps, for a frame that may only stand at the position that was announced (settle.c):
 * ring_place() finds the end of the log and writes both headers for it, f's and that of a frame without
 * rows that others may link in its place: 0, SHMQ_FULL, or an error. */
int ring_place(struct error *e, struct log *l, struct tail *t, struct frame *f, struct frame *null,
               uint64_t now_ns);

/* The slot word of a frame at a place in the pool, were it linked at this position. */
uint64_t ring_word_at(const struct log *l, uint64_t position, uint64_t unit);

/* What a slot says of a position: this word; another frame; not linked yet; gone, and used again since. */
enum ring_at { RING_AT_THIS, RING_AT_OTHER, RING_AT_NOTHING, RING_AT_LATER };
enum ring_at ring_at(const struct log *l, uint64_t position, uint64_t word);

/* Whether a word can be a frame's at this position of this log: what stands in shared memory may be damaged. */
bool ring_word_fits(const struct log *l, uint64_t position, uint64_t word);

/* Whether an empty frame for this position stands where the word says. */
bool ring_word_empty(const struct log *l, uint64_t position, uint64_t word);

/* Links it there and nowhere else, by one CAS: false when the position is taken. Its page is backed, and
 * head was less than N below it. */
bool ring_link_at(struct log *l, uint64_t position, uint64_t word);

/* t goes on behind f, which was linked at t's position. */
void ring_linked(struct log *l, struct tail *t, const struct frame *f);

/* A private buffer that grows to the largest frame seen. */
struct copy {
	unsigned char *data; /* a struct frame, then its columns */
	size_t capacity;
};

/* Slot words that a reader has looked at: positions from <= p < to. */
#define SLOTS_PER_LINE (CACHE_LINE / 8u)
struct words {
	uint64_t from, to;
	uint64_t word[SLOTS_PER_LINE];
};

/* Copies the frame at a position out and verifies the copy. 0; SHMQ_EMPTY: not linked yet;
 * SHMQ_OVERRUN: head has passed it; SHMQ_ECORRUPT; SHMQ_ENOMEM. Any number of readers, wait-free
 * but for the length of the frame. *ws is the reader's, zero at first. */
int ring_read(struct error *e, const struct log *l, uint64_t position, struct words *ws,
              struct copy *c);

/* The slot of this position says that a lap has passed, head says that it has not: nothing behind it
 * can be told. For who met SHMQ_ECORRUPT there. */
bool ring_contradicts(const struct log *l, uint64_t position);

/* Header only. Same results. */
int ring_peek(struct error *e, const struct log *l, uint64_t position, struct frame *out);

/* Looks at a slot only: 0 linked, SHMQ_EMPTY, SHMQ_OVERRUN. Sequentially consistent, so that it can
 * be the re-check of a sleeper. */
int ring_look(const struct log *l, uint64_t position);

/* First position not linked: walks from the hint. */
uint64_t ring_end(const struct log *l);

/* The same from a position that is known to be at or before it. */
uint64_t ring_walk(const struct log *l, uint64_t from);

/* First position still there. */
uint64_t ring_head(const struct log *l, uint64_t near);

/* Place and length of a linked frame, for span scans: false when it is not (or no longer) there.
 * *bytes is the longest possible when the header is damaged. */
bool ring_span(const struct log *l, uint64_t position, uint64_t *at, uint64_t *bytes);

#endif
