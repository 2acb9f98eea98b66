/* SPDX-License-Identifier: MIT */
/* case.h - one case: a small broker, processes that use it, and one that damages its files. */
#ifndef CASE_H
#define CASE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "rng.h"
#include "shmq.h"

#define ACTORS_MAX 8
#define TOPIC      "t"
#define ACTOR_SIGBUS 70 /* exit status: the file under us was truncated */

/* What the seed decides about a case. */
struct plan {
	uint64_t seed;
	unsigned number;
	char dir[64];
	struct shmq_topic_options options;
	unsigned extents;
	unsigned before, live; /* damages before the actors start, and beside them */
	bool holes;            /* readers only, and only damage that may lead them into holes of a file */
	bool racing;           /* publishers that link all the time, and lengths that change under them */
	bool truncate;         /* a file is cut off beside them: SIGBUS is allowed */
	bool brokers;          /* the broker file is damaged as well */
	unsigned actors;
};

/* What a process of the case does, so that its parent can tell a hang. */
struct place {
	_Atomic uint64_t since_ns; /* CLOCK_MONOTONIC of the call under way; 0: none */
	_Atomic uint64_t calls;
	const char *volatile call;
	char complaint[300];
};

struct board {
	_Atomic bool damaging; /* damage goes on: errors need not end */
	struct place places[ACTORS_MAX + 2];
	_Atomic uint64_t calls, data, errors; /* totals of the run */
};
extern struct board *board;
extern struct place *here; /* of this process */

/* Ends this process: what happened must not. */
_Noreturn void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

uint64_t now_ns(void);

/* Around each call of the library. */
static inline void call_begin(const char *name)
{
	here->call = name;
	here->since_ns = now_ns();
}
int call_end(int result);
#define CALL(name, expression) (call_begin(name), call_end(expression))

/* The library's call, with the name that a complaint has. */
#define LIB(function, ...) CALL(#function, function(__VA_ARGS__))

void plan_make(struct plan *p, uint64_t seed, unsigned number, const char *dir);
void plan_say(const struct plan *p, char *text, size_t bytes);

/* Runs it: NULL, or what went wrong (valid until the next call). */
const char *case_run(const struct plan *p);

/* Runs one job in a process of its own, with its deadlines: NULL, or what went wrong. */
const char *case_alone(void (*job)(void *context), void *context);

/* Ends the processes of the case under way. Called by a signal handler. */
void case_abort(void);

void remove_tree(const char *dir);

#endif
