/* SPDX-License-Identifier: MIT */
/* topics.h - the broker and the topics that mqsub reads, and may write to. */
#ifndef MQSUB_TOPICS_H
#define MQSUB_TOPICS_H

#include "args.h"
#include "names.h"
#include "out.h"
#include "shmq.h"

/* Each has a place, whose number stays the same as long as it is read. */
struct topics {
	const struct args *args;
	shmq *broker;
	shmq_pub *into; /* NULL: without --into */
	size_t count;   /* of places that were ever taken */
	const char *name[TOPICS_MAX];  /* NULL: a free place */
	shmq_sub *sub[TOPICS_MAX];     /* NULL: this one has ended, or there is a group */
	shmq_group *group[TOPICS_MAX]; /* NULL: there is none */
	uint64_t in_hand[TOPICS_MAX];  /* messages whose topic is asked for yet */

	/* patterns: follow.c */
	bool following;            /* what appears and matches is read, too */
	char *matched[TOPICS_MAX]; /* name[i], where only a pattern stands for it; NULL: it is named */
	uint64_t number[TOPICS_MAX]; /* of those that match: shmq_topic_info() */
	bool gone[TOPICS_MAX]; /* deleted; the place is free when nothing of it is in hand any more */
	uint64_t mark;         /* shmq_topic_mark() when it last listed them */
	bool again;            /* list them, whatever that says */
	bool full;             /* it was told that there is no place */
	struct names told;     /* those that cannot be read, which was told */
	uint64_t opened;       /* grows with each one that was opened late */
	int64_t look_ns;       /* CLOCK_MONOTONIC: the next look */
};

/* Is topic i there, and ours? */
static inline bool topics_has(const struct topics *t, size_t i)
{
	return t->name[i] && !t->gone[i];
}

/* Subscribes to all of them at once, or opens a consumer of the group in each, or only looks
 * whether they are there (--browse with a group); with -W waits for those that are not there, until
 * the given CLOCK_MONOTONIC time, or until nobody reads the output any more. Dies when that cannot
 * be. */
void topics_open(struct topics *t, const struct args *args, const struct out *out,
		 int64_t until_ns);

/* Waits until what the groups have done is on disk: the exit status. Told on stderr when it is not. */
int topics_sync(struct topics *t, int64_t wait_ns);

/* Whether all of them are on disk. */
bool topics_on_disk(const struct topics *t);

/* What goes wrong where topics in memory and on disk do not go together; the names: --into, and read. */
#define TOPICS_NEVER_ON_DISK "option '--ack disk': a topic in memory is never on disk"
#define TOPICS_INTO_MEMORY                                                                         \
	"topic %s is in memory, and a loss of power would take what settles messages of topic"     \
	" %s, which is on disk: '--into' a topic on disk"

/* Says which topic of which broker is read (-v). */
void topics_tell(const struct topics *t, size_t i);

/* Detaches from topic i: its place is free. */
void topics_free_place(struct topics *t, size_t i);

/* Detaches from all. */
void topics_close(struct topics *t);

/* Publishes to a topic of the same broker, which is made when it is missing. Dies when that cannot
 * be. */
shmq_pub *topics_publisher(struct topics *t, const char *name);

int64_t monotonic_ns(void);

static inline int64_t shorter(int64_t a_ns, int64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

/* since_ns + wait_ns, or the end of all time. */
int64_t deadline_ns(int64_t since_ns, int64_t wait_ns);

#endif
