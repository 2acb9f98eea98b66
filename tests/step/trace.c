/* SPDX-License-Identifier: MIT */
/* trace.c - the ptrace engine: record an operation, run a child to its k-th instruction. */
#include "trace.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "touch.h"
#include "world.h" /* broken() */

extern const char step_mark_trap[];

/* int3 with the code in edi, where the tracer reads it. */
__asm__(".text\n"
        ".globl step_mark\n"
        ".type step_mark, @function\n"
        "step_mark:\n"
        ".globl step_mark_trap\n"
        "step_mark_trap:\n"
        "	int3\n"
        "	ret\n"
        ".size step_mark, . - step_mark\n");

static const uint64_t int3 = 0xcc;

static uint64_t mark_pc(void)
{
	return (uint64_t)(uintptr_t)step_mark_trap;
}

static long trace_call(enum __ptrace_request request, pid_t pid, uint64_t address, uint64_t data)
{
	errno = 0;
	long r = ptrace(request, pid, (void *)(uintptr_t)address, (void *)(uintptr_t)data);

	if (r == -1 && errno)
		broken("harness: ptrace request %d: %s", (int)request, strerror(errno));
	return r;
}

static struct user_regs_struct get_regs(const struct tracee *t)
{
	struct user_regs_struct r;

	trace_call(PTRACE_GETREGS, t->pid, 0, (uint64_t)(uintptr_t)&r);
	return r;
}

static void load_pc(struct tracee *t)
{
	t->pc = (uint64_t)trace_call(PTRACE_PEEKUSER, t->pid,
	                             offsetof(struct user_regs_struct, rip), 0);
}

static void store_pc(struct tracee *t, uint64_t pc)
{
	trace_call(PTRACE_POKEUSER, t->pid, offsetof(struct user_regs_struct, rip), pc);
	t->pc = pc;
}

static uint64_t peek(const struct tracee *t, uint64_t at)
{
	return (uint64_t)trace_call(PTRACE_PEEKTEXT, t->pid, at, 0);
}

static void poke(const struct tracee *t, uint64_t at, uint64_t word)
{
	trace_call(PTRACE_POKETEXT, t->pid, at, word);
}

/* EVENT_POINT here means: stopped by SIGTRAP, look at the pc. */
static enum event wait_stop(struct tracee *t)
{
	int status;

	while (waitpid(t->pid, &status, __WALL) < 0)
		if (errno != EINTR)
			broken("harness: waitpid: %s", strerror(errno));
	t->status = status;
	if (WIFEXITED(status) || WIFSIGNALED(status)) {
		t->pid = 0;
		return EVENT_GONE;
	}
	load_pc(t);
	return WSTOPSIG(status) == SIGTRAP ? EVENT_POINT : EVENT_SIGNAL;
}

static enum event resume(struct tracee *t, enum __ptrace_request request)
{
	trace_call(request, t->pid, 0, 0);
	return wait_stop(t);
}

void tracee_start(struct tracee *t, void (*body)(void *), void *argument)
{
	fflush(stdout);
	t->pid = fork();
	if (t->pid < 0)
		broken("harness: fork: %s", strerror(errno));
	if (t->pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		body(argument);
		_exit(0);
	}
	if (wait_stop(t) != EVENT_SIGNAL || WSTOPSIG(t->status) != SIGSTOP)
		broken("harness: the child did not stop");
	trace_call(PTRACE_SETOPTIONS, t->pid, 0, PTRACE_O_EXITKILL);
}

enum mark tracee_mark(const struct tracee *t)
{
	return (enum mark)get_regs(t).rdi;
}

bool tracee_at_mark(const struct tracee *t)
{
	return t->pc == mark_pc();
}

bool tracee_at_end(const struct tracee *t)
{
	return t->pc == mark_pc() && tracee_mark(t) == MARK_END;
}

/* The child stands on the int3 of a mark: true when it is asleep there and was woken. */
static bool pass_sleep(struct tracee *t)
{
	if (tracee_mark(t) != MARK_SLEEP)
		return false;
	if (t->asleep)
		t->asleep(t, t->context);
	store_pc(t, mark_pc() + 1);
	return true;
}

/* Runs on until a mark or an int3 of ours at `point` (0: none). The pc is that of the int3. */
static enum event run_to(struct tracee *t, uint64_t point)
{
	for (;;) {
		if (t->pc == mark_pc() && !pass_sleep(t))
			return EVENT_MARK;
		enum event e = resume(t, PTRACE_CONT);

		if (e != EVENT_POINT)
			return e;
		store_pc(t, t->pc - 1);
		if (t->pc == point)
			return EVENT_POINT;
		if (t->pc != mark_pc())
			return EVENT_SIGNAL;
	}
}

/* The mark that the child stands on has been seen. */
static void leave_mark(struct tracee *t)
{
	if (t->pc == mark_pc())
		store_pc(t, mark_pc() + 1);
}

enum event tracee_run(struct tracee *t)
{
	leave_mark(t);
	return run_to(t, 0);
}

/* The length of the repeating string instruction at pc, or 0. */
static unsigned rep_length(const struct tracee *t)
{
	uint64_t w = peek(t, t->pc);
	unsigned char b[8];
	unsigned i = 0;

	memcpy(b, &w, 8);
	if (b[0] != 0xf2 && b[0] != 0xf3)
		return 0;
	if ((b[++i] & 0xf0) == 0x40) /* REX */
		i++;
	if ((b[i] >= 0xa4 && b[i] <= 0xa7) || (b[i] >= 0xaa && b[i] <= 0xaf))
		return i + 1;
	return 0;
}

static enum event finish_rep(struct tracee *t, unsigned length)
{
	uint64_t at = t->pc + length, word = peek(t, at);

	poke(t, at, (word & ~0xffULL) | int3);
	enum event e = run_to(t, at);

	if (t->pid != 0)
		poke(t, at, word);
	return e;
}

/* One instruction. EVENT_POINT: done; EVENT_MARK: it stands on a mark that is no sleep. */
static enum event step(struct tracee *t)
{
	if (t->pc == mark_pc())
		return pass_sleep(t) ? EVENT_POINT : EVENT_MARK;
	uint64_t before = t->pc;
	enum event e = resume(t, PTRACE_SINGLESTEP);

	if (e != EVENT_POINT || t->pc != before)
		return e;
	unsigned length = rep_length(t);

	return length ? finish_rep(t, length) : e;
}

/* ---- recording ---------------------------------------------------------------------- */

static void trace_add(struct trace *trace, uint64_t pc)
{
	if (trace->n >= trace->max)
		broken("harness: the operation has more than %u instructions", trace->max);
	if (pc >> 32)
		broken("harness: code above 4 GiB at %#llx: link statically, without PIE",
		       (unsigned long long)pc);
	trace->pc[trace->n++] = (uint32_t)pc;
}

/* Fills hit[]: a small hash table of counts, open addressing. */
static void count_hits(struct trace *trace)
{
	enum { BITS = 18 };
	static uint32_t key[1 << BITS], count[1 << BITS];

	memset(key, 0, sizeof(key));
	memset(count, 0, sizeof(count));
	trace->distinct = 0;
	for (uint32_t i = 0; i < trace->n; i++) {
		uint32_t h = trace->pc[i] * 2654435761u >> (32 - BITS);

		while (key[h] && key[h] != trace->pc[i])
			h = (h + 1) & ((1 << BITS) - 1);
		if (!key[h] && ++trace->distinct > 1u << (BITS - 1))
			broken("harness: too much code in one operation");
		key[h] = trace->pc[i];
		trace->hit[i] = count[h]++;
	}
}

enum event tracee_record(struct tracee *t, struct trace *trace)
{
	enum event e = EVENT_POINT;

	trace->n = 0;
	leave_mark(t);
	touch_begin(t);
	while (e == EVENT_POINT) {
		trace_add(trace, t->pc);
		e = touch_step(t, step, &trace->touches[trace->n - 1]);
	}
	touch_end(t);
	count_hits(trace);
	trace->n--; /* n instructions, n + 1 points */
	return e;
}

/* ---- going there -------------------------------------------------------------------- */

/* Which earlier point to break at: a hit of a breakpoint costs about four steps. */
static uint32_t waypoint(const struct trace *trace, uint32_t k)
{
	uint32_t best = k;
	uint64_t cost = 4 * (uint64_t)trace->hit[k];

	for (uint32_t back = 1; back <= k && back < cost; back++) {
		uint64_t c = 4 * (uint64_t)trace->hit[k - back] + back;

		if (c < cost) {
			cost = c;
			best = k - back;
		}
	}
	return cost < k ? best : 0;
}

static enum event break_at(struct tracee *t, uint64_t pc, uint32_t hits)
{
	uint64_t word = peek(t, pc), trap = (word & ~0xffULL) | int3;
	enum event e;

	for (;;) {
		poke(t, pc, trap);
		e = run_to(t, pc);
		if (t->pid != 0)
			poke(t, pc, word);
		if (e != EVENT_POINT || hits-- == 0)
			return e;
		e = step(t);
		if (e != EVENT_POINT)
			return e;
	}
}

enum event tracee_step(struct tracee *t, uint32_t k)
{
	enum event e = EVENT_POINT;

	leave_mark(t);
	for (uint32_t i = 0; i < k && e == EVENT_POINT; i++)
		e = step(t);
	return e;
}

enum event tracee_goto(struct tracee *t, const struct trace *trace, uint32_t k)
{
	uint32_t w = waypoint(trace, k);
	enum event e;

	leave_mark(t);
	/* The mark at the end is a breakpoint already; so is one where it would sleep. */
	while (w > 0 && trace->pc[w] == (uint32_t)mark_pc())
		w--;
	if (w > 0) {
		e = break_at(t, trace->pc[w], trace->hit[w]);
		if (e != EVENT_POINT)
			return e;
	}
	e = tracee_step(t, k - w);
	if (e == EVENT_POINT && t->pc != trace->pc[k])
		return EVENT_MARK; /* elsewhere: as if it were over */
	return e;
}

void tracee_kill(struct tracee *t)
{
	if (t->pid == 0)
		return;
	kill(t->pid, SIGKILL);
	while (t->pid != 0)
		wait_stop(t);
}

/* ---- names -------------------------------------------------------------------------- */

const char *trace_symbol(uint64_t pc)
{
	static char text[512];
	char command[128], function[200] = "?", line[300] = "?";
	FILE *f;

	snprintf(command, sizeof(command), "addr2line -f -s -e /proc/%d/exe 0x%llx 2>/dev/null",
	         (int)getpid(), (unsigned long long)pc);
	f = popen(command, "r");
	if (f && fgets(function, sizeof(function), f))
		if (!fgets(line, sizeof(line), f))
			line[0] = 0;
	if (f)
		pclose(f);
	function[strcspn(function, "\n")] = 0;
	line[strcspn(line, "\n")] = 0;
	snprintf(text, sizeof(text), "%s %s", function, line);
	return text;
}
