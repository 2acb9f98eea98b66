/* SPDX-License-Identifier: MIT */
/*
 * clock.c - time and sleep as the library sees them in the harness: the program is linked with
 * --wrap for the calls below. The clock moves 1 us at each look and by the whole wait at each
 * sleep that nobody ends, so that a wait of a second costs nothing and runs repeat exactly.
 *
 * A futex wait that finds its value is a sleep. A child tells its tracer (MARK_SLEEP), which lets
 * others go on; if none of them woke a futex by then, the sleep has timed out: a wake was lost,
 * or there was nothing to wake for. On the harness side nobody else runs: it has timed out.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "trace.h"
#include "world.h"

#define EPOCH_NS   1800000000000000000 /* CLOCK_REALTIME at the start: January 2027 */
#define BOOT_NS    1000000000000
#define SECOND_NS  1000000000
#define LONGEST_NS (3600LL * SECOND_NS)

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_nanosleep(const struct timespec *t, struct timespec *rest);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t,
                           struct timespec *rest);

static int64_t clock_start(clockid_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ? EPOCH_NS : BOOT_NS;
}

static int64_t to_ns(const struct timespec *t)
{
	return t->tv_sec > LONGEST_NS * 1000 ? INT64_MAX : t->tv_sec * SECOND_NS + t->tv_nsec;
}

static void pass_time(int64_t ns)
{
	if (ns > 0)
		atomic_fetch_add(&world.shared->now_ns, (uint64_t)ns);
}

void world_pass(uint64_t ns)
{
	pass_time((int64_t)ns);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	if (!world.shared) /* the program itself, not a case */
		return __real_clock_gettime(clock, t);
	int64_t ns = clock_start(clock) +
	             (int64_t)atomic_fetch_add(&world.shared->now_ns, 1000);

	t->tv_sec = ns / SECOND_NS;
	t->tv_nsec = ns % SECOND_NS;
	return 0;
}

int __wrap_nanosleep(const struct timespec *t, struct timespec *rest)
{
	(void)rest;
	pass_time(to_ns(t));
	return 0;
}

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t,
                           struct timespec *rest)
{
	(void)rest;
	pass_time(flags & TIMER_ABSTIME
	                  ? to_ns(t) - clock_start(clock) - (int64_t)atomic_load(&world.shared->now_ns)
	                  : to_ns(t));
	return 0;
}

/* Wakes so far on a word. Each process maps it elsewhere, but at the same place in a page. */
static _Atomic uint32_t *wakes_of(const void *word)
{
	return &world.shared->wakes[(uintptr_t)word / 64 % 64];
}

static uint32_t wakes_sum(const struct futex_waitv *v, unsigned n)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += atomic_load(wakes_of((const void *)(uintptr_t)v[i].uaddr));
	return sum;
}

/* Asleep for ns, or until somebody wakes one of the words. `wakes` was counted before the words
 * were compared: the kernel's futex does both at once. */
static long fall_asleep(const struct futex_waitv *v, unsigned n, uint32_t wakes, int64_t ns)
{
	atomic_fetch_add(&world.shared->sleeps, 1);
	if (world.child >= 0)
		step_mark(MARK_SLEEP);
	if (wakes_sum(v, n) != wakes)
		return 0;
	if (world.child >= 0)
		atomic_fetch_add(&world.shared->timeouts, 1);
	pass_time(ns < LONGEST_NS ? ns : LONGEST_NS);
	errno = ETIMEDOUT;
	return -1;
}

static long futex_waitv(const struct futex_waitv *v, unsigned n, int64_t ns)
{
	uint32_t wakes = wakes_sum(v, n);

	for (unsigned i = 0; i < n; i++) {
		const _Atomic uint32_t *word = (const _Atomic uint32_t *)(uintptr_t)v[i].uaddr;

		if (atomic_load(word) != (uint32_t)v[i].val) {
			errno = EAGAIN;
			return -1;
		}
	}
	return fall_asleep(v, n, wakes, ns);
}

/* From now to a point of time on a clock. */
static int64_t until(const struct timespec *t, clockid_t clock)
{
	return t ? to_ns(t) - clock_start(clock) - (int64_t)atomic_load(&world.shared->now_ns)
	         : LONGEST_NS;
}

static long futex(const void *word, int op, uint32_t value, const struct timespec *t)
{
	struct futex_waitv one = { .val = value, .uaddr = (uintptr_t)word };

	switch (op & FUTEX_CMD_MASK) {
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET:
		atomic_fetch_add(wakes_of(word), 1);
		return 1;
	case FUTEX_WAIT:
		return futex_waitv(&one, 1, t ? to_ns(t) : LONGEST_NS);
	case FUTEX_WAIT_BITSET:
		return futex_waitv(&one, 1, until(t, op & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME
		                                                               : CLOCK_MONOTONIC));
	default:
		errno = ENOSYS;
		return -1;
	}
}

long __wrap_syscall(long number, ...)
{
	va_list args;
	long a[6];

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_futex)
		return futex((const void *)a[0], (int)a[1], (uint32_t)a[2],
		             (const struct timespec *)a[3]);
	if (number == SYS_futex_waitv)
		return futex_waitv((const struct futex_waitv *)a[0], (unsigned)a[1],
		                   until((const struct timespec *)a[3], (clockid_t)a[4]));
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
