/* SPDX-License-Identifier: MIT */
/*
 * trace.h - runs a child process to exactly its k-th instruction.
 *
 * A child says where its operation begins and ends with step_mark(). The instructions between
 * are recorded once by single steps; from then on a fresh child is brought to instruction k by
 * one breakpoint and a few steps. Only x86-64 Linux.
 *
 * One instruction: also one system call, and one string instruction with all its repetitions
 * (what is between them is a store to private memory).
 */
#ifndef STEP_TRACE_H
#define STEP_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum mark {
	MARK_READY = 1, /* the child has prepared itself: it stops there once */
	MARK_BEGIN,     /* the operation begins */
	MARK_END,       /* and has ended; what it returned stands in shared memory */
	MARK_SLEEP,     /* it would fall asleep now (clock.c) */
};

/* In the child: stops there and tells its tracer. Dies of SIGTRAP when there is none. */
void step_mark(enum mark code);

/* Run by the tracer whenever the child reaches MARK_SLEEP; the child wakes when it returns. */
struct tracee;
typedef void (*step_asleep_fn)(struct tracee *t, void *context);

struct tracee {
	pid_t pid; /* 0: none, or gone and reaped */
	uint64_t pc;
	int status;  /* as of waitpid, when it is gone or a signal stopped it */
	step_asleep_fn asleep;
	void *context;
};

enum event {
	EVENT_MARK = 1, /* at a mark: tracee_mark() says which */
	EVENT_POINT,    /* at the breakpoint that was asked for */
	EVENT_GONE,     /* it ended: t->status */
	EVENT_SIGNAL,   /* a signal that nobody sent stopped it, SIGSEGV for example */
};

/* Instructions of an operation: pc[k] is where the child stands after k of them; pc[n] is the
 * mark at its end. hit[k] counts the earlier entries of the same pc; touches[k]: the instruction at k
 * touches what others can see (touch.h). */
struct trace {
	uint32_t *pc; /* low 32 bits: the program is linked below 4 GiB */
	uint32_t *hit;
	bool *touches;
	uint32_t n, max;
	uint32_t distinct;
};

/* Forks a child that runs body(argument) under ptrace; it stands still before it. */
void tracee_start(struct tracee *t, void (*body)(void *), void *argument);

/* Lets it run to its next mark, end or unexpected signal. */
enum event tracee_run(struct tracee *t);
enum mark tracee_mark(const struct tracee *t);
bool tracee_at_mark(const struct tracee *t);
bool tracee_at_end(const struct tracee *t); /* it stands on MARK_END already */

/* From MARK_BEGIN: steps to MARK_END and fills the trace. EVENT_MARK when all went well. */
enum event tracee_record(struct tracee *t, struct trace *trace);

/* From MARK_BEGIN: to instruction k of the trace, by breakpoint. EVENT_POINT: it stands there.
 * Anything else: the run took another path and is at its end. */
enum event tracee_goto(struct tracee *t, const struct trace *trace, uint32_t k);

/* From MARK_BEGIN: k single steps of whatever comes. EVENT_POINT, or as tracee_run(). */
enum event tracee_step(struct tracee *t, uint32_t k);

/* SIGKILL, and wait until it is gone. */
void tracee_kill(struct tracee *t);

/* Where in the program that is: "function file:line". Slow: runs addr2line. */
const char *trace_symbol(uint64_t pc);

#endif
