/* SPDX-License-Identifier: MIT */
/*
 * collect.h - what is new in shared memory, into the next commit.
 *
 * Order, without which a loss of power would tear apart what belongs together:
 *   1. What groups have done is read before the ends of logs are, and written when everything up to those ends is
 *      written: so no ack is durable without the message that was made from it.
 *   2. A frame that settles a message waits until that message is written.
 *   3. A topic or group is written before what speaks of it.
 */
#ifndef MQD_COLLECT_H
#define MQD_COLLECT_H

#include "batch.h"
#include "live.h"

struct barrier { /* everything of this log below `position` comes first */
	struct log_id log;
	uint64_t position;
};

struct collector {
	struct live *live;
	struct daemon_file *daemon; /* writable */
	uint64_t *pending; /* topics that may have frames that are not collected */
	size_t pending_count, pending_capacity;
	uint64_t pending_bits[TOPIC_BITS / 64]; /* set: one of that bit is among them */
	uint64_t numbers_seen; /* topic numbers given out, when last looked at */
	uint64_t numbers_ns;   /* when there were others: their makers may take a while to enter them */
	uint64_t *known;       /* numbers of all topics when the registry was last looked through, by bit */
	uint64_t known_to;     /* among them is every topic up to this number */
	size_t known_count, known_capacity;
	uint64_t reserved;     /* numbers that a record says may have been given out */

	/* acks: one round at a time */
	struct column acks;     /* records, ready to be written when the barriers are passed */
	struct column barriers; /* struct barrier */
	uint64_t round;         /* 0: none */
	bool spoiled;           /* it does not have everything that was marked: nobody is told that it is durable */
	bool round_written;     /* it is in flight */
	uint64_t *marked;       /* topics whose groups have done something, taken for this round */
	size_t marked_count, marked_capacity;
	bool stuck;             /* what is pending waits for something, when last looked at */
	void (*troubled)(void *context, uint64_t topic); /* a topic cannot be written now: q->error says why */
	void *context;
	bool frees_only;        /* the disk is full: only acks and return logs */
};

void collector_free(struct collector *c);

/* Takes the marks that publishers have left. 0 or SHMQ_ENOMEM. */
int collect_marks(struct collector *c);

/* Fills the batch as far as it goes: 0, or an error. */
int collect_frames(struct collector *c, struct batch *b);

/* Everything that was collected and not durable is to be collected again. */
void collect_rewind(struct collector *c);

/* Whether there is something to be done. */
bool collect_has_work(const struct collector *c);

/* Whether any topic is marked in these bits. */
bool bits_any(const struct topic_bits *bits);

/* Calls each() for every known topic whose bit is set, and clears them: before anything is looked at. 0 or an error. */
int collect_bits(struct collector *c, struct topic_bits *bits, int (*each)(struct collector *c, uint64_t number));

/* A set of numbers that grows: 0 or SHMQ_ENOMEM. */
int numbers_add(uint64_t **at, size_t *count, size_t *capacity, uint64_t number);

/* ---- acks.c ------------------------------------------------------------------------- */

/* Whether groups have done something that was not looked at, and whether somebody waits for it. */
bool acks_marked(const struct collector *c);
bool acks_wanted(const struct collector *c);

/* That a group is there, with what options and in which incarnation, when that is not known yet, or has changed: into the
 * batch. 0 or an error. */
int group_tell_first(struct collector *c, struct live_topic *t, struct live_group *g, struct batch *b);

/* Begins a round: reads what groups of marked topics have done. 0 or an error. */
int acks_begin(struct collector *c);

/* Whether the round can be finished. */
bool acks_ready(const struct collector *c);

/* Appends the round's records when everything that they build on is in this batch or before: true. */
bool acks_finish(struct collector *c, struct batch *b);

#endif
