/* SPDX-License-Identifier: MIT */
/*
 * disk.h - a storm over topics on disk: what its processes write down, outside of the library, in memory that they share
 * with the one that kills them, their mqd, and all that was in memory.
 */
#ifndef STORM_DISK_H
#define STORM_DISK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "rng.h"
#include "shmq.h"

#define PUBLISHERS 5u
#define CONSUMERS  7u
#define REREADERS  2u
#define WORKERS    (PUBLISHERS + CONSUMERS + REREADERS)
#define IDS        (1u << 17) /* of one publisher in one round */
#define ALL_IDS    (PUBLISHERS * IDS)
#define HAND_MAX   16u /* messages in one consumer's hands */
#define PARTITIONS 3u
#define LIVES_MAX  200u
#define BODY_MAX   3000u
#define PATH_BYTES 128u

/* Publishers 0 and 1 fill `in`, whose messages are settled into `out`; 2 and 3 `work`, with the groups `shared` and
 * `ordered`; 4 `log`, which is only read, and has the least memory. */
enum topic { IN, OUT, WORK, LOG, TOPICS };
extern const char *const topic_names[TOPICS];
enum job { TO_OUT, AT_OUT, SHARED, ORDERED, JOBS };
extern const char *const group_names[JOBS];
extern const enum topic group_topics[JOBS];

/* What was done with a message in one of its two groups: `to-out` and `at-out`, or `shared` and `ordered`. What has a
 * life says in which one, plus 1, it was done: the memory of that life may be lost, and the message comes again. */
struct side {
	_Atomic uint8_t done;      /* life: ack, settle or death returned 0 */
	_Atomic uint8_t durable;   /* and a shmq_group_sync() behind it */
	_Atomic uint8_t ever;      /* it was done, or whoever was about to was killed in that call */
	_Atomic uint8_t cut;       /* somebody was killed in the call that was to say so */
	_Atomic uint8_t delivered; /* in this life: how often, 255 is many */
	_Atomic uint8_t excused;   /* in this life: deliveries that ended without an ack: given back, killed, late */
};

struct note { /* about one message */
	_Atomic uint8_t sent;    /* somebody began to publish it */
	_Atomic uint8_t flushed; /* life: a flush that covers it returned 0 */
	_Atomic uint8_t durable; /* so did a sync */
	_Atomic uint8_t dead;    /* life: shmq_group_dead() returned 0 */
	_Atomic uint8_t dead_ever;
	_Atomic uint16_t instance; /* of its publisher: each is killed once */
	struct side side[2];
	_Atomic uint64_t place[2]; /* + 1: where it was seen; in `out` */
};

struct worker {
	_Atomic pid_t pid;
	uint64_t resume_ms;             /* stopped until then; 0: runs */
	_Atomic uint32_t hand[HAND_MAX]; /* message + 1 */
	_Atomic uint32_t finishing;     /* message + 1, while the call that finishes it is under way */
	_Atomic uint64_t steps;
	uint16_t instance;              /* goes up with each start of any */
	enum job job;
	char doing[24];
};

#define SEEN_BITS 22 /* places that a round may have */
#define JUMPS     4096

struct board {
	_Atomic bool stop_publishing, stop_consuming;
	bool pipelined; /* `ordered` acks in any order */
	_Atomic uint8_t life;
	_Atomic uint32_t next[PUBLISHERS]; /* the next message */
	uint16_t instances;
	uint64_t ordered_ever[PARTITIONS]; /* of all lives before */
	_Atomic uint64_t ordered_done[PARTITIONS], ordered_durable[PARTITIONS], ordered_seen[PARTITIONS];
	_Atomic uint32_t jump_count;
	struct jump { /* `ordered` went from one offset to a later one: nobody may stand between */
		uint32_t partition;
		uint64_t from, to;
	} jumps[JUMPS];
	_Atomic uint32_t violations;
	char violation[8][240];
	_Atomic uint64_t flushed, syncs, sync_timeouts, deliveries, acks, lates, settles, redeliveries, deads, retries, group_syncs,
	        passes, reread;
	struct worker workers[WORKERS];
	_Atomic uint64_t seen[1u << SEEN_BITS]; /* topic, partition, offset -> message: over all lives */
	struct note notes[ALL_IDS];
};
extern struct board *board;
extern char dir[PATH_BYTES], store[PATH_BYTES];
extern int64_t lease_ns;

uint64_t now_ms(void);

/* ---- notes.c ------------------------------------------------------------------------ */

void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
void up(_Atomic uint8_t *count);
void raise_to(_Atomic uint64_t *word, uint64_t to);

/* "NUMBER:xxxxx...": all bytes follow from the number. */
size_t message_make(char *to, uint32_t id);
unsigned partition_of(uint32_t id);
/* Its number: it was published, to this topic, and stands in one place, where nothing else ever stood. */
uint32_t message_check(enum topic topic, const struct shmq_message *m);
static inline struct side *side_of(enum job job, uint32_t id)
{
	return &board->notes[id].side[job == AT_OUT || job == ORDERED];
}

/* A worker was killed: what it had in hand may come again, what it was about to finish may be done. */
void worker_killed(struct worker *w);

/* The memory is lost, nobody lives: what was not durable is forgotten. */
void life_end(void);

/* ---- one pass through a topic: read.c ------------------------------------------------- */

struct pass {
	enum topic topic;
	uint32_t last[PUBLISHERS][PARTITIONS]; /* message + 1 */
	uint64_t next_offset[PARTITIONS];
	uint8_t must[ALL_IDS], seen[ALL_IDS];
	uint64_t messages;
};

/* What has to be there: noted before the topic is opened. */
void pass_begin(struct pass *p, enum topic topic);
void pass_message(struct pass *p, const struct shmq_message *m);
/* Nothing that had to be there was missing. How much was. */
uint64_t pass_end(const struct pass *p);

/* ---- workers: never return ------------------------------------------------------------ */

void publisher_run(unsigned number, struct rng *r);
void consumer_run(unsigned number, struct rng *r);
void rereader_run(unsigned number, struct rng *r);

/* of workers.c */
extern struct worker *me;
extern struct rng *rng;
extern shmq *q;
void doing(const char *what);
_Noreturn void fatal(const char *what, int result);
/* Opens the broker, and waits until the topic is there: after a loss of memory mqd brings it back. */
void broker_open(enum topic topic);

/* ---- chaos.c ------------------------------------------------------------------------ */

struct chaos {
	struct rng rng;
	const char *mqd, *io;
	unsigned calm; /* pauses between two disturbances, at most, in 0.1 ms; 1: nobody is disturbed but mqd */
	bool losses;   /* of memory */
	pid_t daemon;  /* 0: it does not run */
	bool daemon_stopped;
	uint64_t daemon_ms, loss_ms; /* when something happens to it; to everything */
	unsigned kills, stops, daemon_kills, daemon_stops, lost;
};

void daemon_start(struct chaos *c);
void daemon_kill(struct chaos *c);
void workers_start(struct chaos *c);
void worker_reap(struct chaos *c, unsigned i, bool again);
void look_for_ended(struct chaos *c, bool again);
void rage(struct chaos *c, unsigned seconds);
/* Everybody is killed, and the runtime directory removed. */
void memory_lose(struct chaos *c);
void tree_remove(const char *path);

/* ---- judge.c ------------------------------------------------------------------------ */

/* With an mqd and nobody else. */
void judge(void);
uint64_t left_everywhere(void);
void left_say(void);

#endif
