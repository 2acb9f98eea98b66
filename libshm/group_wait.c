/* SPDX-License-Identifier: MIT */
/* group_wait.c - a consumer with nothing to do. */
#include "clock.h"
#include "group.h"
#include "wait.h"

struct waiting {
	shmq_group *const *groups;
	size_t count;
};

/* Whether there may be something new behind what was claimed. */
static bool lane_has_more(struct shmq_group *c, struct lane *l)
{
	uint64_t hint, position;

	if (!log_attached(&l->log))
		return topic_log_made(&c->g.topic, l->partition);
	if (c->g.config.o.mode == SHMQ_GROUP_ORDERED)
		return l->owned && (l->in_hand == 0 || (c->flags & SHMQ_CONSUME_PIPELINED)) &&
		       (l->untaken || ring_look(&l->log, l->end_seen) != SHMQ_EMPTY);
	hint = claim_look(&l->window);
	if (hint != l->hint_swept) /* another has claimed more than it may have come to */
		return true;
	position = claim_position(hint, ring_head(&l->log, l->gate_position));
	return ring_look(&l->log, position) != SHMQ_EMPTY && position + 1 != l->full_at;
}

static bool something(void *context)
{
	const struct waiting *w = context;

	for (size_t i = 0; i < w->count; i++) {
		struct shmq_group *c = w->groups[i];

		if (group_current(&c->g) != c->g.incarnation || !group_live(&c->g) || !topic_live(&c->g.topic))
			return true;
		if (group_paused(&c->g))
			continue;
		if (load_seq(&c->g.file->returned) != c->returned_seen) /* sleep pairs tell */
			return true;
		if (c->due_ms != UINT64_MAX && boot_ms() >= c->due_ms)
			return true;
		for (unsigned k = 0; k + 1 < c->lane_count; k++)
			if (lane_has_more(c, &c->lanes[k]))
				return true;
	}
	return false;
}

static int check(void *context)
{
	const struct waiting *w = context;
	int r = 0;

	for (size_t i = 0; i < w->count && r == 0; i++) {
		r = consumer_keep_up(w->groups[i]);
		if (r == SHMQ_LATE) { /* the next call says so */
			w->groups[i]->late_untold = true;
			r = 0;
		}
	}
	return r;
}

static atomic_u32 *bell(void *context, size_t i)
{
	return &((const struct waiting *)context)->groups[i]->g.topic.bell->arrived;
}

/* Not beyond the time when the next message is due. */
static int64_t until_due(const struct waiting *w, int64_t wait_ns)
{
	uint64_t now = boot_ms();

	for (size_t i = 0; i < w->count; i++) {
		uint64_t due = w->groups[i]->due_ms;

		if (!group_paused(&w->groups[i]->g) && due != UINT64_MAX && (due <= now || (due - now) * 1000000 < (uint64_t)wait_ns))
			wait_ns = due <= now ? 0 : (int64_t)((due - now) * 1000000);
	}
	return wait_ns;
}

int shmq_group_wait(shmq_group *const *groups, size_t count, int64_t wait_ns)
{
	struct waiting context = {groups, count};
	struct waiter w = {.context = &context, .count = count, .bell = bell, .something = something, .check = check};
	int64_t due;
	int r;

	if (count == 0 || count > BELLS_MAX)
		return SHMQ_EINVAL;
	if (groups[0]->g.q->forked)
		return broker_check(groups[0]->g.q, true);
	w.spin = (groups[0]->flags & SHMQ_CONSUME_SPIN) != 0;
	w.no_spin = (groups[0]->flags & SHMQ_CONSUME_NO_SPIN) != 0;
	w.relaxes = &groups[0]->relaxes;
	w.checked_ns = &groups[0]->linked_ns;
	w.check_ns = BELL_NAP_NS;
	for (size_t i = 0; i < count; i++) {
		uint64_t third = (uint64_t)groups[i]->g.config.o.lease_ns / 3;

		if (third < w.check_ns)
			w.check_ns = third;
	}
	r = check(&context); /* also for who only ever waits */
	if (r != 0)
		return r;
	due = until_due(&context, wait_ns);
	r = wait_for(&w, due);
	return r == SHMQ_TIMEOUT && due < wait_ns ? 0 : r;
}
