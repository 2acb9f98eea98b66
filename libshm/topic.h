/* SPDX-License-Identifier: MIT */
/* topic.h - an open topic: its options, bell, readers, and its logs as they come into being. */
#ifndef SHMQ_TOPIC_H
#define SHMQ_TOPIC_H

#include "bell.h"
#include "broker.h"
#include "durable.h"
#include "readers.h"
#include "ring.h"

struct topic {
	shmq *q;
	char name[SHMQ_NAME_MAX + 1];
	uint64_t number;
	uint64_t first_offset; /* of every log of this incarnation */
	struct shmq_topic_options options; /* complete */
	int dirfd;                         /* of t/N */
	const struct topic_file *file;     /* mapped read-only, without a descriptor */
	struct map bell_map;
	struct bell_file *bell;            /* NULL: nobody has opened the topic for writing yet */
	struct readers readers;
	struct map durable_map;            /* of topics on disk */
};
#define TOPIC_NONE ((struct topic){.dirfd = -1, .bell_map = MAP_NONE, .durable_map = MAP_NONE})

/* mqd writes its messages to the store. */
static inline bool topic_on_disk(const struct topic *t)
{
	return t->durable_map.at != NULL;
}

static inline struct durable topic_durable(const struct topic *t, unsigned partition)
{
	return topic_on_disk(t) ? durable_of(&t->durable_map, t->options.partitions, partition) : DURABLE_NONE;
}

/* Behind a link into a topic on disk. */
static inline void topic_mark_linked(const struct topic *t)
{
	if (topic_on_disk(t))
		topic_mark(t->q->broker, &t->q->broker->linked, t->number);
}

/* Behind a change of what a group of a topic on disk has done. */
static inline void topic_mark_acked(const struct topic *t)
{
	if (topic_on_disk(t))
		topic_mark(t->q->broker, &t->q->broker->acked, t->number);
}

/* Makes t/N/topic in its directory. 0 or an error. */
int topic_file_make(shmq *q, int dirfd, const char *name, uint64_t number, const struct shmq_topic_options *o,
                    uint64_t first_offset, uint64_t created_ns);

/* Opens by name; makes the topic with default options when it is missing and `create`. *created may
 * be NULL. `writable`: the bell is made when it is missing, and mapped for writing. On an error *out is
 * closed. */
int topic_open(shmq *q, const char *name, bool create, bool writable, bool *created,
               struct topic *out);
/* Opens by number, for writing: what a name stands for now does not matter. On an error *out is closed. */
int topic_open_number(shmq *q, uint64_t number, struct topic *out);
void topic_close(struct topic *t);

/* Whether publishers have made the log of a partition. */
static inline bool topic_log_made(const struct topic *t, unsigned partition)
{
	return (load_seq(&t->bell->logs_made[partition / 64]) >> (partition % 64) & 1) != 0; /* sleep:tell */
}

/* Nobody has deleted or repaired it. Looked at behind a link: true, and the frame may be acknowledged. */
static inline bool topic_live(const struct topic *t)
{
	return load_seq(&t->file->state) == TOPIC_LIVE; /* live pairs end */
}

/* Opens a log. A publisher makes it when missing; a subscriber gets SHMQ_ENOENT. SHMQ_GONE when the topic
 * is over. */
int topic_log_open(struct topic *t, unsigned partition, bool writable, struct log *out);

/* SHMQ_GONE, with the sentence that says why. */
int topic_gone(struct topic *t);

/* SHMQ_GONE when the topic was deleted or repaired, or the runtime directory removed, else 0. */
int topic_check_linked(struct topic *t);

void log_close(struct log *l);

#endif
