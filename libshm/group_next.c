/* SPDX-License-Identifier: MIT */
/*
 * group_next.c - the next message for a consumer, and what is due by time: its lease, and once a second everything
 * that nobody rings a bell for.
 */
#include "group.h"

#include "clock.h"

#define TICK_NS 1000000000u

/* ---- the lease ---------------------------------------------------------------------- */

static void lanes_forget_claims(struct shmq_group *c)
{
	for (unsigned i = 0; i < c->lane_count; i++)
		lane_reset(c, &c->lanes[i]);
}

static void lanes_forget(struct shmq_group *c)
{
	for (unsigned i = 0; i < c->lane_count; i++) {
		struct lane *l = &c->lanes[i];

		lane_reset(c, l);
		l->in_hand = 0;
		l->owned = false;
	}
	c->moved.used = 0;
}

/* We stood still for longer than our lease: what we held is given back, by us if others have not done it yet. */
static int came_late(struct shmq_group *c)
{
	int r;

	lanes_forget(c);
	r = member_rejoin(&c->g, &c->self);
	if (r < 0)
		return r;
	c->renewed_ns = coarse_ns();
	fail(&c->g.q->error, SHMQ_LATE,
	     "group %s of topic %s: this consumer stood still for longer than its lease; what it held was given to "
	     "others",
	     c->g.name, c->g.topic.name);
	return SHMQ_LATE;
}

/* Takes over other windows, or other options. 0 or an error. */
static int changes_follow(struct shmq_group *c)
{
	bool moved = group_current(&c->g) != c->g.incarnation; /* current pairs seek */
	int r = 0;

	if (moved) {
		lanes_forget(c);
		r = group_windows_refresh(&c->g);
		for (unsigned i = 0; r >= 0 && i + 1 < c->lane_count; i++) {
			struct lane *l = &c->lanes[i];

			group_window(&c->g, i, &l->window);
			l->gate_position = 0;
			l->gate_bytes = UINT64_MAX / 2; /* its gate is to be set */
			l->read.open = false;
			l->stuck_floor = l->tick_floor = UINT64_MAX;
		}
		c->returned_seen--;
	}
	if (r >= 0 && load_acquire(&c->g.file->config) != c->g.config.version) { /* config pairs alter */
		lanes_forget_claims(c);
		r = group_config_refresh(&c->g);
	}
	return r < 0 ? (r == SHMQ_ENOENT ? group_gone(&c->g) : r) : 0;
}

/* Gives a partition to others once nothing of it is in hand. */
void lane_leave_when_done(struct shmq_group *c, struct lane *l)
{
	if (!l->leaving || l->in_hand > 0)
		return;
	lane_disown(c, l);
	l->leaving = false;
	l->resting = true; /* until the next tick: for another one to take */
}

static void share_out(struct shmq_group *c)
{
	unsigned partitions = c->g.topic.options.partitions, members = members_alive(&c->g), owned = owned_count(c);

	c->share = members > 1 ? (partitions + members - 1) / members : partitions;
	for (unsigned i = 0; i + 1 < c->lane_count; i++) {
		struct lane *l = &c->lanes[i];

		l->resting = l->leaving = false;
		if (l->owned && owned > c->share) {
			l->leaving = true; /* hands out nothing more */
			lane_leave_when_done(c, l);
			owned--;
		}
	}
}

/* Once a second. */
static int tick(struct shmq_group *c, uint64_t now)
{
	int r;

	if (!group_live(&c->g))
		return group_gone(&c->g);
	r = topic_check_linked(&c->g.topic);
	if (r == 0)
		r = session_check(&c->g.q->error, &c->g.q->session);
	if (r == 0)
		r = group_move_finish(&c->g);
	if (r != 0)
		return r;
	/* Who stood still, or was suspended, breaks no lease at once: others may have been, too. */
	members_look_after(&c->g, now - c->ticked_ns < 2 * (uint64_t)TICK_NS);
	c->ticked_ns = now;
	/* Who was stopped before its claim may have claimed with a lease that was broken meanwhile, and died: nobody has
	   told of that. */
	c->sweep_cut = true;
	if (c->g.config.o.mode == SHMQ_GROUP_ORDERED)
		share_out(c);
	if (group_current(&c->g) != c->g.incarnation) /* current pairs seek; the next call follows */
		return 0;
	c->ticking = !c->settling;
	/* Before gates are raised, which wakes them for a moment. */
	c->room_awaited = (load32_seq(&c->g.topic.bell->room) & (BELL_SLEEP | BELL_WAKING)) != 0;
	for (unsigned i = 0; i < c->lane_count; i++) {
		lane_raise(c, &c->lanes[i], true);
		lane_unblock(c, &c->lanes[i]);
	}
	c->ticking = false;
	return 0;
}

/* What is due by time; ours first. 0, SHMQ_LATE, or what happened. */
static inline int keep_up(struct shmq_group *c, uint64_t t, bool now)
{
	uint64_t half = (uint64_t)c->g.config.o.lease_ns / 2;

	if (!member_stands(&c->self))
		return came_late(c);
	if (now || t - c->renewed_ns >= (half < TICK_NS ? half : TICK_NS)) {
		if (!member_renew(&c->g, &c->self))
			return came_late(c);
		c->renewed_ns = t;
	}
	if (t - c->looked_ns < TICK_NS)
		return 0;
	c->looked_ns = t;
	return tick(c, t);
}

int consumer_keep_up(struct shmq_group *c)
{
	return keep_up(c, coarse_ns(), false);
}

int shmq_group_renew(shmq_group *c)
{
	return c->g.q->forked ? broker_check(c->g.q, true) : keep_up(c, coarse_ns(), true);
}

void shmq_group_options_now(shmq_group *c, struct shmq_group_options *out)
{
	if (!c->g.q->forked)
		group_config_refresh(&c->g);
	*out = c->g.config.o;
}

/* ---- handing out -------------------------------------------------------------------- */

static int lanes_next(struct shmq_group *c, struct shmq_delivery *d)
{
	for (unsigned n = 0; n < c->lane_count; n++) {
		struct lane *l = &c->lanes[c->turn];
		int r;

		r = l->ended ? SHMQ_EMPTY : lane_next(c, l, d);
		if (r == SHMQ_ECORRUPT && !log_attached(lane_log(c, l)))
			l->ended = true; /* said once; the other partitions go on */
		if (r != 0 || !l->read.open || l->row >= l->row_end)
			c->turn = c->turn + 1 < c->lane_count ? c->turn + 1 : 0;
		if (r != SHMQ_EMPTY)
			return r;
	}
	return SHMQ_EMPTY;
}

static int nothing(struct shmq_group *c)
{
	bool done = (c->flags & SHMQ_CONSUME_EXIT_AT_END) != 0;

	for (unsigned i = 0; i < c->lane_count; i++) {
		lane_raise(c, &c->lanes[i], true);
		lane_unblock(c, &c->lanes[i]);
		done = done && lane_is_done(c, &c->lanes[i]);
	}
	if (!group_live(&c->g) || !topic_live(&c->g.topic))
		return group_gone(&c->g);
	return done ? SHMQ_END : SHMQ_EMPTY;
}

int shmq_group_next(shmq_group *c, struct shmq_delivery *d)
{
	uint64_t now;
	int r;

	if (c->g.q->forked)
		return broker_check(c->g.q, true);
	now = coarse_ns();
	if (c->late_untold) {
		c->late_untold = false;
		return came_late(c);
	}
	r = keep_up(c, now, false);
	if (r == 0 && (group_current(&c->g) != c->g.incarnation || /* current pairs seek */
	               load_acquire(&c->g.file->config) != c->g.config.version)) /* config pairs alter */
		r = changes_follow(c);
	if (r != 0)
		return r;
	if (group_paused(&c->g))
		return group_live(&c->g) && topic_live(&c->g.topic) ? SHMQ_EMPTY : group_gone(&c->g);
	r = sweep_if_needed(c, now, false);
	if (r == 0)
		r = lanes_next(c, d);
	if (r != SHMQ_EMPTY)
		return r;
	r = sweep_if_needed(c, now, true);
	if (r == 0)
		r = lanes_next(c, d);
	return r == SHMQ_EMPTY ? nothing(c) : r;
}
