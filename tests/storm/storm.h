/* SPDX-License-Identifier: MIT */
/*
 * storm.h - what the processes of a storm write down, outside of the library: memory that they share with the one
 * that kills them.
 */
#ifndef STORM_H
#define STORM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "rng.h"
#include "shmq.h"

#define PUBLISHERS 4u
#define CONSUMERS  8u
#define WORKERS    (PUBLISHERS + CONSUMERS)
#define IDS        (1u << 20) /* of one publisher in one round */
#define HAND_MAX   16u        /* messages in one consumer's hands */
#define PARTITIONS 3u

/* Messages of publishers 0 and 1 go in -> mid -> out, by settling; those of the others to work, whose groups are
 * `shared` and `ordered`. */
enum topic { IN, MID, OUT, WORK, TOPICS };
extern const char *const topic_names[TOPICS];

struct note { /* about one message */
	_Atomic uint8_t sent;      /* somebody began to publish it */
	_Atomic uint8_t flushed;   /* a flush that covers it returned 0 */
	_Atomic uint8_t doubtful;  /* whoever was about to finish it was killed in that call */
	_Atomic uint8_t dead;      /* shmq_group_dead() returned 0 */
	_Atomic uint8_t acked;     /* by `shared`, or at the end of the pipeline */
	_Atomic uint8_t ordered;   /* acked by `ordered` */
	_Atomic uint8_t delivered; /* by `shared`: how often, 255 is many */
	_Atomic uint8_t excused;   /* how often a delivery ended without an ack: given back, killed, late */
	_Atomic uint32_t mid, out; /* place + 1 where it was found */
};

/* What one worker has in hand: read when it was killed. */
struct worker {
	pid_t pid;
	uint64_t resume_ms;        /* stopped until then; 0: runs */
	_Atomic uint32_t hand[HAND_MAX]; /* message + 1 */
	_Atomic uint32_t finishing; /* message + 1, while the call that finishes it is under way */
	_Atomic uint64_t steps;
	char doing[24];
};

struct board {
	_Atomic bool stop_publishing, stop_consuming;
	bool pipelined; /* `ordered` acks in any order */
	_Atomic uint32_t next[PUBLISHERS]; /* the next message */
	_Atomic uint64_t ordered_done[PARTITIONS], ordered_seen[PARTITIONS];
	_Atomic uint32_t violations;
	char violation[8][200];
	_Atomic uint64_t flushed, deliveries, acks, lates, settles, redeliveries, deads, retries;
	struct worker workers[WORKERS];
	struct note notes[PUBLISHERS * IDS];
};
extern struct board *board;
extern char dir[64];
extern int64_t lease_ns;

void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Never return. */
void publisher_run(unsigned number, struct rng *r);
void consumer_run(unsigned number, struct rng *r);

/* A worker was killed: what it had in hand may come again, what it was about to finish is doubtful. */
void worker_killed(struct worker *w);

#endif
