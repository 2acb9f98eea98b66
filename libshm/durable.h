/* SPDX-License-Identifier: MIT */
/*
 * durable.h - what the store has of a log of a topic on disk, as mqd says it in shared memory.
 *
 * One writer, mqd; any number of readers, who never wait for it. What it says only rises, and stays true when it
 * dies.
 */
#ifndef SHMQ_DURABLE_H
#define SHMQ_DURABLE_H

#include "map.h"

struct durable { /* one line of a durable file: one log */
	const struct durable_line *line; /* NULL: the topic is not on disk */
	const struct offset_gap *gaps;
	const struct stored_entry *table;
};
#define DURABLE_NONE ((struct durable){0})

/* Makes the file of a topic's partitions (group 0), or of a group's return log. 0, SHMQ_EEXIST, or an error. */
int durable_make(struct error *e, int dirfd, uint64_t topic, uint32_t group, unsigned partitions);

/* Maps it. 0, SHMQ_ENOENT, or an error. */
int durable_open(struct error *e, int dirfd, uint64_t topic, uint32_t group, unsigned partitions, bool writable,
                 struct map *out);

/* Opens its descriptor again, for writing, when that was closed: pages are made with it. 0 or an error. */
int durable_fd(struct error *e, int dirfd, uint32_t group, struct map *m);

/* One log of a mapped file. */
struct durable durable_of(const struct map *m, unsigned partitions, unsigned partition);

/* Where the memory of a log begins. */
struct log_base durable_base(const struct map *m, unsigned partition);

static inline bool durable_is(const struct durable *d)
{
	return d->line != NULL;
}

/* Every frame below is in the store. */
static inline uint64_t durable_position(const struct durable *d)
{
	return load_seq(&d->line->position); /* stored pairs written (atomic.h) */
}

/* Whether no message has this offset, and the first one behind it that one may have. */
bool durable_in_gap(const struct durable *d, uint64_t offset, uint64_t *to);

/* How many offsets from <= o < to no message has. */
uint64_t durable_gaps_between(const struct durable *d, uint64_t from, uint64_t to);

/* The offset of the message that comes `count` before the one at `offset`; 0 when there are not so many. */
uint64_t durable_back(const struct durable *d, uint64_t offset, uint64_t count);

/* What the table is searched by. */
enum stored_by { STORED_BY_POSITION, STORED_BY_OFFSET, STORED_BY_TIME };

/* The last entry that begins at or before `key` (*out) and the one behind it (*next; its segment is 0 when there is
 * none), the first entry when all begin behind it. False: the table is empty. */
bool durable_find(const struct durable *d, enum stored_by by, uint64_t key, struct stored_entry *out,
                  struct stored_entry *next);

#endif
