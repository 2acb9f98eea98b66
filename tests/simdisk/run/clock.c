/* SPDX-License-Identifier: MIT */
/*
 * clock.c - time and randomness as library and store see them: the program is linked with --wrap for the calls below. The
 * clock moves 1 us at each look, and as far as a run says; so a run repeats exactly.
 */
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

#define EPOCH_NS  1800000000000000000 /* CLOCK_REALTIME at the start: January 2027 */
#define BOOT_NS   1000000000000
#define SECOND_NS_ 1000000000

int64_t clock_now_ns, clock_real_ns;
struct rng clock_salts;
struct run *clock_run;

int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_usleep(useconds_t us);
int __wrap_bell_sleep(atomic_u32 *const *bells, const uint32_t *seen, unsigned count, int64_t nap_ns);
/* A client that waits for mqd: it works meanwhile. */
int __wrap_bell_sleep(atomic_u32 *const *bells, const uint32_t *seen, unsigned count, int64_t nap_ns)
{
	(void)bells, (void)seen, (void)count, (void)nap_ns;
	clock_now_ns += 1000000;
	life_turns(clock_run, 1);
	return 0;
}

ssize_t __wrap_getrandom(void *to, size_t bytes, unsigned flags);

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	bool real = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
	int64_t ns = (clock_now_ns += 1000) + (real ? EPOCH_NS + clock_real_ns : BOOT_NS);

	t->tv_sec = ns / SECOND_NS_;
	t->tv_nsec = ns % SECOND_NS_;
	return 0;
}

int __wrap_usleep(useconds_t us)
{
	clock_now_ns += (int64_t)us * 1000;
	return 0;
}

ssize_t __wrap_getrandom(void *to, size_t bytes, unsigned flags)
{
	(void)flags;
	rng_fill(&clock_salts, to, bytes);
	return (ssize_t)bytes;
}
