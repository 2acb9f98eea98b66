/* SPDX-License-Identifier: MIT */
/* wait.c - a subscriber with nothing to do: look again in a growing pause, then sleep. */
#include "clock.h"
#include "consume.h"

#include <sched.h>

/* A reader that looks again at once keeps taking the line that the publisher writes to, and costs it
 * half its rate; one that pauses for up to a microsecond costs it nothing measurable. After SPIN_NS
 * the sleep, and the wake, of some 20 us each are the smaller cost. */
#define SPIN_NS     30000u
#define RELAXES_MAX 40u /* of cpu_relax(): 10 to 40 ns each */
#define LOOKS_FREE  64u /* between two looks at the clock without a pause */
#define LINK_CHECK_NS (uint64_t)BELL_NAP_NS

static bool something(shmq_sub *const *subs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct shmq_sub *s = subs[i];
		bool all_ended = true;

		for (unsigned k = 0; k < s->track_count; k++) {
			struct track *t = &s->tracks[k];

			if (t->ended)
				continue;
			all_ended = false;
			if (!log_attached(&t->log) ? topic_log_made(&s->topic, t->partition)
			                           : ring_look(&t->log, t->position) != SHMQ_EMPTY)
				return true;
		}
		if (all_ended)
			return true;
	}
	return false;
}

/* Looks again and again, as fast as it can. */
static bool spin(shmq_sub *const *subs, size_t count, uint64_t until_ns)
{
	do {
		for (unsigned looks = 0; looks < LOOKS_FREE; looks++)
			if (something(subs, count))
				return true;
	} while (clock_ns(CLOCK_MONOTONIC) < until_ns);
	return false;
}

/* Looks again after pauses that grow within one wait; and from wait to wait, while messages come
 * faster than it looks: then it takes many at once instead of the line from under the publisher. Once
 * they come slowly, it is quick again. */
static bool pause_and_look(shmq_sub *const *subs, size_t count, uint64_t until_ns)
{
	unsigned relaxes = subs[0]->relaxes > 0 ? subs[0]->relaxes : 1, relaxed = 0;

	for (unsigned looks = 0;; looks++) {
		for (unsigned i = 0; i < relaxes; i++)
			cpu_relax();
		if (something(subs, count)) {
			subs[0]->relaxes = looks > 2 ? 1 : looks > 0 ? relaxes : relaxes * 2;
			if (subs[0]->relaxes > RELAXES_MAX)
				subs[0]->relaxes = RELAXES_MAX;
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
	subs[0]->relaxes = 1;
	return false;
}

/* At most once a second: whether all topics are still there. 0 or SHMQ_GONE. */
static int check_linked(shmq_sub *const *subs, size_t count, uint64_t now)
{
	int r = 0;

	if (now - subs[0]->linked_ns < LINK_CHECK_NS)
		return 0;
	subs[0]->linked_ns = now;
	for (size_t i = 0; i < count && r == 0; i++)
		r = topic_check_linked(&subs[i]->topic);
	return r;
}

/* 0: look again; SHMQ_INTERRUPTED. */
static int nap(shmq_sub *const *subs, size_t count, int64_t ns)
{
	atomic_u32 *bells[BELLS_MAX];
	uint32_t seen[BELLS_MAX];

	for (unsigned i = 0; i < count; i++) {
		bells[i] = &subs[i]->topic.bell->arrived;
		seen[i] = bell_read(bells[i]);
	}
	for (unsigned i = 0; i < count; i++)
		if (!bell_arm(bells[i], &seen[i]))
			return 0;
	if (something(subs, count)) /* sleep pairs tell */
		return 0;
	return bell_sleep(bells, seen, (unsigned)count, ns);
}

/* Until something is there, by looking or asleep, in turns of a second at most. */
static int wait_on(shmq_sub *const *subs, size_t count, uint64_t now, uint64_t deadline)
{
	const uint64_t since = now;

	for (;;) {
		uint64_t turn = deadline - now < LINK_CHECK_NS ? deadline - now : LINK_CHECK_NS;
		int r = 0;

		if (turn == 0)
			return SHMQ_TIMEOUT;
		if (subs[0]->flags & SHMQ_SUB_SPIN)
			spin(subs, count, now + turn);
		else
			r = nap(subs, count, (int64_t)turn);
		if (something(subs, count))
			return 0;
		if (r == 0) {
			now = clock_ns(CLOCK_MONOTONIC);
			r = check_linked(subs, count, now);
			if (now > deadline)
				now = deadline;
		}
		if (r != 0)
			return r;
		/* A whole turn, and nothing: what only a read finds is found, and so is a signal that came
		   just before we fell asleep. */
		if (now < deadline && now - since >= LINK_CHECK_NS)
			return 0;
	}
}

int shmq_sub_wait(shmq_sub *const *subs, size_t count, int64_t wait_ns)
{
	uint64_t now, deadline, until;
	int r;

	if (count == 0 || count > BELLS_MAX)
		return SHMQ_EINVAL;
	if (subs[0]->q->forked)
		return broker_check(subs[0]->q, true);
	if (something(subs, count))
		return 0;
	now = clock_ns(CLOCK_MONOTONIC);
	r = check_linked(subs, count, now); /* who only ever polls is told, too */
	if (r != 0 || wait_ns <= 0)
		return r != 0 ? r : SHMQ_TIMEOUT;
	deadline = wait_ns < INT64_MAX - (int64_t)now ? now + (uint64_t)wait_ns : UINT64_MAX;
	if (!(subs[0]->flags & (SHMQ_SUB_SPIN | SHMQ_SUB_NO_SPIN))) {
		until = deadline - now < SPIN_NS ? deadline : now + SPIN_NS;
		if (pause_and_look(subs, count, until))
			return 0;
		now = until;
	}
	return wait_on(subs, count, now, deadline);
}
