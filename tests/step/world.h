/* SPDX-License-Identifier: MIT */
/*
 * world.h - what one case of the harness stands in: memory that its processes share, a runtime
 * directory of its own, its verdict and its deadlines.
 *
 * A case is one process (the harness side: "the others") and the traced children that it forks
 * before it opens anything itself.
 */
#ifndef STEP_WORLD_H
#define STEP_WORLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WRITERS      16   /* publishers of one case, numbered */
#define WRITER_MAX   1024 /* messages of one of them */
#define OFFSETS_MAX  8192 /* messages of one case */
#define CHILDREN     2
#define FATES_MAX    1024 /* messages of one group */

enum verdict { VERDICT_NONE = 0, VERDICT_PASS, VERDICT_FAIL, VERDICT_UNREACHED };

/* What a case reports to the program that started it. */
struct outcome {
	enum verdict verdict;
	uint64_t pc[CHILDREN]; /* where the children stood */
	uint32_t capacity;     /* how many large messages the topic took at the end */
	char text[1024];       /* which invariant broke, and how */
};

/* What became of one message of a group, as its consumers were told (group_crowd.h). */
struct fate {
	_Atomic bool sent;
	_Atomic uint8_t partition;
	_Atomic uint8_t ended;           /* enum end; 0: to be delivered */
	_Atomic uint8_t tried[CHILDREN]; /* enum end: what that child is about to do, or died in */
	_Atomic int16_t charged_min, charged_max; /* deliveries that count */
	_Atomic bool may_be_skipped;     /* it was there before the group, or before where that was moved to */
};

/* Shared by the processes of one case; all zero when it begins. */
struct shared {
	_Atomic uint64_t now_ns;   /* the clock that the library sees (clock.c) */
	_Atomic uint32_t sleeps;   /* futex waits that found their value */
	_Atomic uint32_t timeouts; /* of those: in a child, and nobody woke it */
	_Atomic uint32_t wakes[64]; /* futex wakes, by the cache line in the page of the word */
	_Atomic bool stopped;      /* a child was stopped, the others went on */
	char complaint[512];       /* of a child, before it ends itself */

	/* The record of what was published, made by who published it. */
	_Atomic uint32_t sent[WRITERS];  /* handed to the library: 0 .. sent - 1 */
	_Atomic uint32_t acked[WRITERS]; /* of those, flush returned 0 */
	_Atomic uint32_t ack_count;
	uint32_t ack_order[OFFSETS_MAX]; /* acks of the harness side, writer << 16 | sequence */

	/* The record of what was delivered: which message stands at which offset. 0: not seen. */
	uint32_t at_offset[OFFSETS_MAX]; /* (writer << 16 | sequence) + 1 */
	uint32_t offset_of[WRITERS][WRITER_MAX]; /* offset + 1 */
	uint32_t end_seen;                       /* highest offset that was delivered + 1 */

	/* The record of the group. */
	struct fate fate[FATES_MAX];
	_Atomic uint32_t inputs;        /* messages of the topic with the group */
	_Atomic int32_t loose_charges;  /* children that take a message, nobody knows which */

	int64_t number[8]; /* for a scenario */
};

enum variant { CONTROL = 0, KILL = 1, STOP = 2, STOP_KILL = 4 };

struct world {
	struct shared *shared;
	struct outcome *outcome;
	char dir[64];          /* runtime directory; not there yet */
	enum variant variant;
	int child;             /* in a child: which; on the harness side: -1 */
	uint32_t baseline;     /* capacity of the control run; 0: not known yet */
	char doing[400];       /* what the deadline is for */
};

extern struct world world;

/* An invariant is broken: ends this process; the case fails with that sentence. */
_Noreturn __attribute__((format(printf, 1, 2))) void broken(const char *format, ...);

/* Starts the deadline for what comes next: it took too long if it is not followed by another
 * deadline() or by calm() within ten seconds. Not for children. */
__attribute__((format(printf, 1, 2))) void deadline(const char *format, ...);
void calm(void);

/* Time goes by. */
void world_pass(uint64_t ns);

/* Makes world for one case: shared memory, name of the directory. */
void world_begin(struct outcome *outcome, const char *dir, enum variant variant);

/* Removes a directory and everything in it. */
void remove_tree(const char *dir);

/* How many names stand in a directory of the runtime directory. */
unsigned world_count_files(const char *subdirectory);

#endif
