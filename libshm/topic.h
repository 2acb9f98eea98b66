/* SPDX-License-Identifier: MIT */
/* topic.h - an open topic: its options, bell, readers, and its logs as they come into being. */
#ifndef SHMQ_TOPIC_H
#define SHMQ_TOPIC_H

#include "bell.h"
#include "broker.h"
#include "readers.h"
#include "ring.h"

struct topic {
	shmq *q;
	char name[SHMQ_NAME_MAX + 1];
	uint64_t number;
	uint64_t first_offset; /* of every log of this incarnation */
	struct shmq_topic_options options; /* complete */
	int dirfd;                         /* of t/N */
	struct map bell_map;
	struct bell_file *bell;
	struct readers readers;
};

/* Opens by name; makes the topic with default options when it is missing and `create`. *created may
 * be NULL. `writable`: the bell is mapped for writing. */
int topic_open(shmq *q, const char *name, bool create, bool writable, bool *created,
               struct topic *out);
void topic_close(struct topic *t);

/* Whether publishers have made the log of a partition. */
static inline bool topic_log_made(const struct topic *t, unsigned partition)
{
	return (load_seq(&t->bell->logs_made[partition / 64]) >> (partition % 64) & 1) != 0; /* sleep:tell */
}

/* Opens a log. A publisher makes it when missing; a subscriber gets SHMQ_ENOENT. */
int topic_log_open(struct topic *t, unsigned partition, bool writable, struct log *out);

/* SHMQ_GONE when the topic was deleted or the runtime directory removed, else 0. */
int topic_check_linked(struct topic *t);

void log_close(struct log *l);

/* The file name of a partition's log. */
void log_name(char name[32], unsigned partition);

#endif
