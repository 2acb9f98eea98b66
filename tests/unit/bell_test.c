/* SPDX-License-Identifier: MIT */
/* bell_test.c - sleeping where a filter of system calls refuses what it does not know. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bell.h"
#include "tap.h"

static bool refuse_waitv(void)
{
	struct sock_filter code[] = {
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex_waitv, 0, 1),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = sizeof code / sizeof code[0], .filter = code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/* Milliseconds of CPU time that half a second of sleeping takes. */
static long cpu_of_sleep(void)
{
	static atomic_u32 a, b;
	atomic_u32 *bells[2] = {&a, &b};
	struct timespec from, now, cpu;

	clock_gettime(CLOCK_MONOTONIC, &from);
	do {
		uint32_t seen[2] = {0, 0};

		bell_sleep(bells, seen, 2, 50000000);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < 500);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	return cpu.tv_sec * 1000 + cpu.tv_nsec / 1000000;
}

int main(void)
{
	int status = 0;

	ok(cpu_of_sleep() < 100, "two bells, asleep");
	fflush(stdout);
	if (fork() == 0)
		_exit(!refuse_waitv() ? 77 : cpu_of_sleep() < 100 ? 0 : 1);
	wait(&status);
	if (WEXITSTATUS(status) == 77)
		skip("no filters of system calls");
	else
		is_i64(status, 0, "the same where futex_waitv(2) is refused");
	return done();
}
