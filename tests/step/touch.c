/* SPDX-License-Identifier: MIT */
/* touch.c - which instructions of a child touch anything that others can see. */
#include "touch.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "world.h"

#define SHARED_MAX 64

static struct piece {
	uint64_t from, to;
	int prot;
	bool locked;
} pieces[SHARED_MAX];
static unsigned piece_count;

extern const char step_syscall[];

__asm__(".text\n"
        ".globl step_syscall\n"
        "step_syscall:\n"
        "	syscall\n"
        "	int3\n");

static void trace_call(enum __ptrace_request request, pid_t pid, void *data)
{
	if (ptrace(request, pid, NULL, data) < 0)
		broken("harness: ptrace request %d of touch.c failed", (int)request);
}

/* Has the child make one system call, wherever it stands. */
static void child_mprotect(struct tracee *t, const struct piece *p, int prot)
{
	struct user_regs_struct saved, r;
	int status;

	trace_call(PTRACE_GETREGS, t->pid, &saved);
	r = saved;
	r.rip = (uint64_t)(uintptr_t)step_syscall;
	r.orig_rax = UINT64_MAX; /* no system call to restart */
	r.rax = SYS_mprotect;
	r.rdi = p->from;
	r.rsi = p->to - p->from;
	r.rdx = (unsigned)prot;
	trace_call(PTRACE_SETREGS, t->pid, &r);
	trace_call(PTRACE_SINGLESTEP, t->pid, NULL);
	if (waitpid(t->pid, &status, __WALL) != t->pid || !WIFSTOPPED(status) ||
	    WSTOPSIG(status) != SIGTRAP)
		broken("harness: mprotect in the child: wait status %#x", (unsigned)status);
	trace_call(PTRACE_GETREGS, t->pid, &r);
	if (r.rax != 0)
		broken("harness: mprotect in the child failed");
	trace_call(PTRACE_SETREGS, t->pid, &saved);
}

static void lock(struct tracee *t, bool locked)
{
	for (unsigned i = 0; i < piece_count; i++) {
		if (pieces[i].locked == locked)
			continue;
		child_mprotect(t, &pieces[i], locked ? PROT_NONE : pieces[i].prot);
		pieces[i].locked = locked;
	}
}

/* What the child shares now: the files of the broker, and the record of the case. */
static void find_pieces(const struct tracee *t)
{
	char path[40], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)t->pid);
	f = fopen(path, "r");
	if (!f)
		broken("harness: %s cannot be read", path);
	piece_count = 0;
	while (fgets(line, sizeof(line), f)) {
		unsigned long long from, to;
		char mode[5];

		if (sscanf(line, "%llx-%llx %4s", &from, &to, mode) != 3 || mode[3] != 's')
			continue;
		if (!strstr(line, world.dir) && from != (uintptr_t)world.shared)
			continue;
		if (piece_count == SHARED_MAX)
			broken("harness: the child maps too much");
		pieces[piece_count++] = (struct piece){
			.from = (uint64_t)from, .to = (uint64_t)to,
			.prot = PROT_READ | (mode[1] == 'w' ? PROT_WRITE : 0)
		};
	}
	fclose(f);
}

void touch_begin(struct tracee *t)
{
	find_pieces(t);
	lock(t, true);
}

void touch_end(struct tracee *t)
{
	if (t->pid != 0)
		lock(t, false);
	piece_count = 0;
}

/* The child faulted at a piece: gives that one back. */
static bool unlock_fault(struct tracee *t)
{
	siginfo_t info;

	if (WSTOPSIG(t->status) != SIGSEGV)
		return false;
	trace_call(PTRACE_GETSIGINFO, t->pid, &info);
	for (unsigned i = 0; i < piece_count; i++) {
		uint64_t at = (uint64_t)(uintptr_t)info.si_addr;

		if (!pieces[i].locked || at < pieces[i].from || at >= pieces[i].to)
			continue;
		child_mprotect(t, &pieces[i], pieces[i].prot);
		pieces[i].locked = false;
		return true;
	}
	return false;
}

static bool at_syscall(const struct tracee *t)
{
	long word = ptrace(PTRACE_PEEKTEXT, t->pid, (void *)(uintptr_t)t->pc, NULL);

	return (word & 0xffff) == 0x050f;
}

enum event touch_step(struct tracee *t, enum event (*step)(struct tracee *t), bool *touched)
{
	bool call = at_syscall(t) || tracee_at_mark(t);
	enum event e;

	*touched = call;
	if (call) /* it may be told to read or write there, and it may map more */
		lock(t, false);
	e = step(t);
	while (e == EVENT_SIGNAL && unlock_fault(t)) {
		*touched = true;
		e = step(t);
	}
	if (call && e == EVENT_POINT)
		find_pieces(t);
	if (*touched && e == EVENT_POINT)
		lock(t, true);
	return e;
}
