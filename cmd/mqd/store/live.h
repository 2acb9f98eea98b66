/* SPDX-License-Identifier: MIT */
/*
 * live.h - topics in shared memory as mqd sees them: mapped when something of them has to be looked at. When maps or
 * descriptors run out, those that were not used for long are parked: what is known of them stays, their maps go.
 */
#ifndef MQD_LIVE_H
#define MQD_LIVE_H

#include "image.h"
#include "revive.h"

struct live_log {
	struct log log;       /* read-only; not attached until publishers have made it */
	struct words words;
	uint64_t next, next_offset; /* behind what was collected, durable or in flight */
	uint64_t shown;             /* image_log.changed, as shown last */
};

struct live_group {
	uint32_t number;
	bool seen;             /* in the last look at the topic's readers */
	struct group g;        /* its topic is the live topic's */
	struct map durable;    /* writable */
	struct live_log returns;
	struct record_group told; /* as collected last; incarnation 0: never */
	uint64_t told_hash;       /* of its windows */
};

struct live_topic {
	uint64_t number; /* first: numbered.h */
	struct live_topic *older, *newer; /* by use, of those that are mapped */
	bool mapped;                      /* else it is parked: nothing of t is open */
	struct topic t; /* durable_map is writable; dirfd is -1 while it has no groups */
	bool told;      /* that it is there */
	bool ended;     /* that it is not */
	unsigned partitions;
	struct live_log *logs;
	struct live_group **groups;
	size_t group_count;
};

/* What is open: counted as the most that a topic can take, not as it is. */
struct live_use {
	size_t maps, fds;
};

struct live {
	shmq *q;
	struct image *image;
	struct live_topic **topics; /* by number, ascending */
	size_t count, capacity, found;
	struct live_topic *oldest, *newest; /* by use, of those that are mapped */
	const struct live_topic *pinned;    /* not parked now; or NULL */
	struct live_use use, most;
};

/* Maps a topic, if it is on disk. 0 and *out; SHMQ_ENOENT: it is over, or in memory; SHMQ_ESYSTEM: no maps or descriptors for
 * it now; or an error. It stays mapped until another one is, or longer while it is v->pinned. */
int live_topic(struct live *v, uint64_t number, struct live_topic **out);
/* Whether it was deleted, or moved: not only that something of it cannot be found. */
bool live_is_over(struct live *v, uint64_t number);
struct live_topic *live_find(struct live *v, uint64_t number);

/* Opens the log of a partition once it is made: 0, SHMQ_EMPTY, or an error. */
int live_log_open(struct live_topic *t, unsigned partition);

/* Looks at which groups a topic has: opens those that are new, closes those that are gone. 0 or an error. */
int live_groups(struct live *v, struct live_topic *t);
/* What opening something in shared memory has said. No memory there are as many maps as there may be: no end of mqd, but
 * to be tried again. */
static inline int live_opened(int r)
{
	return r == SHMQ_ENOMEM ? SHMQ_ESYSTEM : r;
}

/* Closes the descriptors of what was mapped for good. */
void live_group_fds(struct live_group *g);
struct live_group *live_group(const struct live_topic *t, uint32_t number);

/* What was collected and is not durable is to be collected again. */
void live_rewind(struct live *v);

/* Nothing is in flight. live_tidy() forgets what is too much, groups or not; live_rest() some of those that are more than
 * `most`, and says whether these were all. */
void live_tidy(struct live *v);
bool live_rest(struct live *v, size_t most);
void live_free(struct live *v);

/* What the image says of a topic's logs, shown to others: tables, gaps, and what is durable. 0 or an error. */
int live_show(struct live *v, const struct image_topic *it);

/* One log of the image, for revive.h. */
void live_log_of(const struct image_log *l, struct revive_log *out);

#endif
