/* SPDX-License-Identifier: MIT */
/* sub_wait.c - a subscriber with nothing to do. */
#include "consume.h"
#include "wait.h"

struct waiting {
	shmq_sub *const *subs;
	size_t count;
};

static bool something(void *context)
{
	const struct waiting *w = context;

	for (size_t i = 0; i < w->count; i++) {
		struct shmq_sub *s = w->subs[i];
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

/* Whether all topics are still there. */
static int check(void *context)
{
	const struct waiting *w = context;
	int r = 0;

	for (size_t i = 0; i < w->count && r == 0; i++)
		r = topic_check_linked(&w->subs[i]->topic);
	return r;
}

static atomic_u32 *bell(void *context, size_t i)
{
	return &((const struct waiting *)context)->subs[i]->topic.bell->arrived;
}

int shmq_sub_wait(shmq_sub *const *subs, size_t count, int64_t wait_ns)
{
	struct waiting context = {subs, count};
	struct waiter w = {.context = &context, .count = count, .bell = bell, .something = something, .check = check,
	                   .check_ns = BELL_NAP_NS};

	if (count == 0 || count > BELLS_MAX)
		return SHMQ_EINVAL;
	if (subs[0]->q->forked)
		return broker_check(subs[0]->q, true);
	w.spin = (subs[0]->flags & SHMQ_SUB_SPIN) != 0;
	w.no_spin = (subs[0]->flags & SHMQ_SUB_NO_SPIN) != 0;
	w.relaxes = &subs[0]->relaxes;
	w.checked_ns = &subs[0]->linked_ns;
	return wait_for(&w, wait_ns);
}
