/* SPDX-License-Identifier: MIT */
/* wait.c - a subscriber with nothing to do: look again in a growing pause, then sleep. */
#include "clock.h"
#include "consume.h"

/* A reader that looks again at once keeps taking the line that the publisher writes to; one that
 * pauses up to a microsecond costs it nothing measurable. After SPIN_NS the sleep, and the wake,
 * of some 20 us each are the smaller cost. */
#define SPIN_NS     30000u
#define RELAXES_MAX 16u
#define LOOKS_PER_CLOCK 64u

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

static bool spin(shmq_sub *const *subs, size_t count, uint64_t until_ns, bool pause)
{
	for (unsigned looks = 0, relaxes = 1;; looks++) {
		if (something(subs, count))
			return true;
		if (looks % LOOKS_PER_CLOCK == 0 && clock_ns(CLOCK_MONOTONIC) >= until_ns)
			return false;
		if (!pause)
			continue;
		for (unsigned i = 0; i < relaxes; i++)
			cpu_relax();
		if (relaxes < RELAXES_MAX)
			relaxes++;
		else
			looks |= LOOKS_PER_CLOCK - 1; /* a microsecond each: look at the clock */
	}
}

/* 0: look again; SHMQ_INTERRUPTED; SHMQ_GONE. */
static int nap(shmq_sub *const *subs, size_t count, int64_t ns)
{
	atomic_u32 *bells[BELLS_MAX];
	uint32_t seen[BELLS_MAX];
	int r;

	for (unsigned i = 0; i < count; i++) {
		bells[i] = &subs[i]->topic.bell->arrived;
		seen[i] = bell_read(bells[i]);
	}
	for (unsigned i = 0; i < count; i++)
		if (!bell_arm(bells[i], &seen[i]))
			return 0;
	if (something(subs, count)) /* sleep pairs tell */
		return 0;
	r = bell_sleep(bells, seen, (unsigned)count, ns);
	for (size_t i = 0; i < count && r == 0; i++)
		if (topic_check_linked(&subs[i]->topic) != 0)
			r = SHMQ_GONE;
	return r;
}

int shmq_sub_wait(shmq_sub *const *subs, size_t count, int64_t wait_ns)
{
	unsigned flags = count > 0 ? subs[0]->flags : 0;
	uint64_t now, deadline, spin_until;

	if (count == 0 || count > BELLS_MAX)
		return SHMQ_EINVAL;
	if (subs[0]->q->forked)
		return broker_check(subs[0]->q, true);
	if (something(subs, count))
		return 0;
	now = clock_ns(CLOCK_MONOTONIC);
	deadline = wait_ns == SHMQ_FOREVER ? UINT64_MAX : now + (uint64_t)(wait_ns > 0 ? wait_ns : 0);
	spin_until = flags & SHMQ_SUB_SPIN ? deadline : now + SPIN_NS;
	if (spin_until > deadline)
		spin_until = deadline;
	if (!(flags & SHMQ_SUB_NO_SPIN) && spin(subs, count, spin_until, !(flags & SHMQ_SUB_SPIN)))
		return 0;
	for (;;) {
		int r;

		now = clock_ns(CLOCK_MONOTONIC);
		if (now >= deadline)
			return something(subs, count) ? 0 : SHMQ_TIMEOUT;
		r = nap(subs, count, deadline - now < BELL_NAP_NS ? (int64_t)(deadline - now) : BELL_NAP_NS);
		if (r != 0)
			return r;
		if (something(subs, count))
			return 0;
	}
}
