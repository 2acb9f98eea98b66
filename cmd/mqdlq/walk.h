/* SPDX-License-Identifier: MIT */
/* walk.h - goes through the dead letters that are meant. */
#ifndef MQDLQ_WALK_H
#define MQDLQ_WALK_H

#include "mqdlq.h"

/* Called for each. True: it counts. */
typedef bool walk_each(void *context, const char *group, const struct shmq_dead_letter *letter);

struct walked {
	uint64_t counted;
	int status; /* 0, or the exit status of what went wrong; that was said */
};

/* All that match, group by group, the oldest first, until as many counted as -c says, or a signal
 * to stop came. */
struct walked walk_letters(shmq *q, const struct mqdlq_args *args, walk_each *each, void *context);

/* Is the topic there? 0, or the exit status; that was said. */
int walk_topic(shmq *q, const struct mqdlq_args *args);

/* Opens a group's dead letters. NULL: it cannot be, *status says why, and that was said. */
shmq_dlq *walk_open(shmq *q, const struct mqdlq_args *args, const char *group, int *status);

/* "dead letter ID of group 'G': what: sentence" on stderr; returns the exit status. */
int walk_complain(shmq *q, int code, const char *group, uint64_t id, const char *what);

#endif
