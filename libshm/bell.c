/* SPDX-License-Identifier: MIT */
/* bell.c - sleeping until something happened, without missing it and without a lock. */
#include "bell.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

bool bell_ring_slowly(atomic_u32 *bell)
{
	uint32_t v = load32_seq(bell), rung;

	for (;;) {
		if ((v & (BELL_SLEEP | BELL_WAKING)) == 0)
			return false; /* another ringer finished meanwhile */
		rung = v;
		if ((v & BELL_SLEEP) == 0)
			break; /* somebody's wake is not finished: finish it */
		rung = ((v | (BELL_SLEEP | BELL_WAKING)) + 1) | BELL_WAKING; /* seq + 1, WAKING */
		if (cas32_seq(bell, &v, rung))
			break;
	}
	syscall(SYS_futex, bell, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	cas32_seq(bell, &rung, rung & ~BELL_WAKING);
	return true;
}

void bell_ring_always(atomic_u32 *bell)
{
	uint32_t v = load32_seq(bell);

	while (!cas32_seq(bell, &v, ((v | (BELL_SLEEP | BELL_WAKING)) + 1) & ~BELL_WAKING & ~BELL_SLEEP))
		;
	syscall(SYS_futex, bell, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

bool bell_arm(atomic_u32 *bell, uint32_t *seen)
{
	uint32_t v = *seen;

	if ((v & BELL_SLEEP) == 0 && !cas32_seq(bell, &v, v | BELL_SLEEP)) { /* sleep pairs tell */
		*seen = v;
		return false;
	}
	*seen = v | BELL_SLEEP;
	return true;
}

static int sleep_on_one(atomic_u32 *bell, uint32_t seen, int64_t ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};

	return (int)syscall(SYS_futex, bell, FUTEX_WAIT, seen, &ts, NULL, 0);
}

/* futex_waitv(2), Linux 5.16; its deadline is absolute. */
static int sleep_on_all(atomic_u32 *const *bells, const uint32_t *seen, unsigned count, int64_t ns)
{
	struct futex_waitv waiters[BELLS_MAX];
	struct timespec ts;

	memset(waiters, 0, sizeof waiters);
	for (unsigned i = 0; i < count; i++) {
		waiters[i].val = seen[i];
		waiters[i].uaddr = (uintptr_t)bells[i];
		waiters[i].flags = FUTEX_32;
	}
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ns += ts.tv_nsec;
	ts.tv_sec += (time_t)(ns / 1000000000);
	ts.tv_nsec = (long)(ns % 1000000000);
	return (int)syscall(SYS_futex_waitv, waiters, count, 0, &ts, CLOCK_MONOTONIC);
}

void bell_sleep_long(atomic_u32 *bell, uint32_t seen, int64_t ns)
{
	sleep_on_one(bell, seen, ns);
}

int bell_sleep(atomic_u32 *const *bells, const uint32_t *seen, unsigned count, int64_t nap_ns)
{
	int r;

	if (nap_ns > BELL_NAP_NS)
		nap_ns = BELL_NAP_NS;
	if (nap_ns <= 0)
		return 0;
	if (count == 1)
		r = sleep_on_one(bells[0], seen[0], nap_ns);
	else
		r = sleep_on_all(bells, seen, count, nap_ns);
	if (r < 0 && errno == EINTR)
		return SHMQ_INTERRUPTED;
	/* Before Linux 5.16, or where a filter of system calls does not know it: look again every 2 ms. */
	if (r < 0 && (errno == ENOSYS || errno == EPERM) && count > 1)
		sleep_on_one(bells[0], seen[0], nap_ns < 2000000 ? nap_ns : 2000000);
	return 0;
}
