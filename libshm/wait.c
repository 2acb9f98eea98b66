/* SPDX-License-Identifier: MIT */
/* wait.c - having nothing to do: look again in a growing pause, then sleep. */
#include "wait.h"

#include "clock.h"

#include <sched.h>

/* A reader that looks again at once keeps taking the line that the publisher writes to, and costs it
 * half its rate; one that pauses for up to a microsecond costs it nothing measurable. After SPIN_NS
 * the sleep, and the wake, of some 20 us each are the smaller cost. */
#define SPIN_NS     30000u
#define RELAXES_MAX 40u /* of cpu_relax(): 10 to 40 ns each */
#define LOOKS_FREE  64u /* between two looks at the clock without a pause */

/* Looks again and again, as fast as it can. */
static bool spin(const struct waiter *w, uint64_t until_ns)
{
	do {
		for (unsigned looks = 0; looks < LOOKS_FREE; looks++)
			if (w->something(w->context))
				return true;
	} while (clock_ns(CLOCK_MONOTONIC) < until_ns);
	return false;
}

/* Looks again after pauses that grow within one wait; and from wait to wait, while messages come
 * faster than it looks: then it takes many at once instead of the line from under the publisher. Once
 * they come slowly, it is quick again. */
static bool pause_and_look(const struct waiter *w, uint64_t until_ns)
{
	unsigned relaxes = *w->relaxes > 0 ? *w->relaxes : 1, relaxed = 0;

	for (unsigned looks = 0;; looks++) {
		for (unsigned i = 0; i < relaxes; i++)
			cpu_relax();
		if (w->something(w->context)) {
			*w->relaxes = looks > 2 ? 1 : looks > 0 ? relaxes : relaxes * 2;
			if (*w->relaxes > RELAXES_MAX)
				*w->relaxes = RELAXES_MAX;
			return true;
		}
		relaxed += relaxes;
		if (relaxes < RELAXES_MAX)
			relaxes++;
		if (relaxed < RELAXES_MAX)
			continue;
		relaxed = 0;
		sched_yield(); /* with more subscribers than CPUs it is others who bring the next message */
		if (clock_ns(CLOCK_MONOTONIC) >= until_ns)
			break;
	}
	*w->relaxes = 1;
	return false;
}

static int check(const struct waiter *w, uint64_t now)
{
	if (now - *w->checked_ns < w->check_ns)
		return 0;
	*w->checked_ns = now;
	return w->check(w->context);
}

/* 0: look again; SHMQ_INTERRUPTED. */
static int nap(const struct waiter *w, int64_t ns)
{
	atomic_u32 *bells[BELLS_MAX];
	uint32_t seen[BELLS_MAX];

	for (unsigned i = 0; i < w->count; i++) {
		bells[i] = w->bell(w->context, i);
		seen[i] = bell_read(bells[i]);
	}
	for (unsigned i = 0; i < w->count; i++)
		if (!bell_arm(bells[i], &seen[i]))
			return 0;
	if (w->something(w->context)) /* sleep pairs tell */
		return 0;
	return bell_sleep(bells, seen, (unsigned)w->count, ns);
}

/* Until something is there, by looking or asleep, in turns of check_ns. */
static int wait_on(const struct waiter *w, uint64_t now, uint64_t deadline)
{
	const uint64_t since = now;

	for (;;) {
		uint64_t turn = deadline - now < w->check_ns ? deadline - now : w->check_ns;
		int r = 0;

		if (turn == 0)
			return SHMQ_TIMEOUT;
		if (w->spin)
			spin(w, now + turn);
		else
			r = nap(w, (int64_t)turn);
		if (w->something(w->context))
			return 0;
		if (r == 0) {
			now = clock_ns(CLOCK_MONOTONIC);
			r = check(w, now);
			if (now > deadline)
				now = deadline;
		}
		if (r != 0)
			return r;
		/* A whole turn, and nothing: what only a read finds is found, and so is a signal that came
		   just before we fell asleep. */
		if (now < deadline && now - since >= (uint64_t)BELL_NAP_NS)
			return 0;
	}
}

int wait_for(struct waiter *w, int64_t wait_ns)
{
	uint64_t now, deadline, until;
	int r;

	if (w->something(w->context))
		return 0;
	now = clock_ns(CLOCK_MONOTONIC);
	r = check(w, now); /* who only ever polls is told, too */
	if (r != 0 || wait_ns <= 0)
		return r != 0 ? r : SHMQ_TIMEOUT;
	deadline = wait_ns < INT64_MAX - (int64_t)now ? now + (uint64_t)wait_ns : UINT64_MAX;
	if (!w->spin && !w->no_spin) {
		until = deadline - now < SPIN_NS ? deadline : now + SPIN_NS;
		if (pause_and_look(w, until))
			return 0;
		now = until;
	}
	return wait_on(w, now, deadline);
}
