/* SPDX-License-Identifier: MIT */
/* bell_scenarios.c - falling asleep, and waking those who sleep. */
#include "crowd.h"

static struct view child_view;
static struct peer child;

static void setup(void)
{
	crowd_begin();
	peer_send(&steady, SMALL);
	view_settle(&all);
}

/* ---- the sleeper -------------------------------------------------------------------- */

static void wait_with(unsigned flags)
{
	view_open(&child_view, "the child", flags, false);
	view_take(&child_view, ALL_FRAMES);
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	int r = shmq_sub_wait(&child_view.sub, 1, SHMQ_FOREVER);

	step_mark(MARK_END);
	if (r != SHMQ_OK)
		broken("shmq_sub_wait returned %d: %s", r, shmq_error(child_view.q));
	child_view.may_miss = world.shared->stopped;
	uint64_t missed = child_view.missed;

	if (view_take(&child_view, ALL_FRAMES) == 0 && child_view.missed == missed)
		broken("shmq_sub_wait returned, and nothing was there");
	view_close(&child_view);
}

static void wait_child(void)
{
	wait_with(SHMQ_SUB_NO_SPIN);
}

static void wait_pause_child(void)
{
	wait_with(0);
}

/* It sleeps: one message must wake it. If it was stopped before, messages are there already, and it
 * must not sleep at all. */
static void publish_one(int which)
{
	(void)which;
	if (world.shared->stopped)
		return;
	peer_send(&steady, SMALL);
	view_settle(&all);
}

/* Every sleep must have been ended by somebody. */
static void nobody_slept_on(void)
{
	if (world.shared->timeouts > 0)
		broken("a subscriber slept on though a message was there");
	crowd_end();
}

/* ---- the ringer --------------------------------------------------------------------- */

/* A subscriber that went to sleep: on the harness side it looks up again at once, but nobody has
 * woken it, and it may as well sleep on. */
static void fall_asleep(void)
{
	uint32_t sleeps = world.shared->sleeps;

	deadline("shmq_sub_wait");
	int r = shmq_sub_wait(&all.sub, 1, 1000000);

	if (r != SHMQ_TIMEOUT || world.shared->sleeps == sleeps)
		broken("harness: shmq_sub_wait returned %d and did not sleep", r);
	calm();
	world.shared->number[0] = crowd_wakes();
}

static void wake_child(void)
{
	peer_open(&child, W_CHILD, 0);
	peer_send(&child, SMALL);
	step_mark(MARK_READY);
	peer_make(&child, 1, SMALL);
	step_mark(MARK_BEGIN);
	if (peer_send(&child, SMALL) != SHMQ_OK)
		broken("the topic is full");
	step_mark(MARK_END);
	if (crowd_wakes() == world.shared->number[0])
		broken("a message was published, the sleeper was not woken");
	child.made = NULL;
	peer_idle(&child);
	peer_close(&child);
}

static void settle_and_sleep(void)
{
	view_settle(&all);
	fall_asleep();
}

/* The next publisher finishes the wake of one that was killed or stopped in it. */
static void wake_others(void)
{
	if (peer_send(&steady, SMALL) != SHMQ_OK)
		broken("the topic is full");
	if (crowd_wakes() == world.shared->number[0])
		broken("two publishers came, the sleeper was not woken");
	crowd_lap();
	fall_asleep();
	if (peer_send(&steady, SMALL) != SHMQ_OK)
		broken("the topic is full");
	if (crowd_wakes() == world.shared->number[0])
		broken("a later sleeper was not woken");
	view_settle(&all);
}

const struct scenario bell_scenarios[] = {
	{ .name = "wait", .weight = 3, .says = "shmq_sub_wait() that sleeps until a message comes",
	  .variants = KILL | STOP, .children = 1, .topic = SMALL_TOPIC, .setup = setup,
	  .child = { wait_child }, .asleep = publish_one, .others = crowd_lap,
	  .finish = nobody_slept_on },
	{ .name = "wait-pause", .says = "the same, looking again in a growing pause first",
	  .variants = KILL | STOP, .children = 1, .topic = SMALL_TOPIC, .setup = setup,
	  .child = { wait_pause_child }, .asleep = publish_one, .others = crowd_lap,
	  .finish = nobody_slept_on },
	{ .name = "wake", .weight = 3, .says = "a message that wakes a sleeper", .variants = ALL_VARIANTS,
	  .children = 1, .topic = SMALL_TOPIC, .setup = setup, .child = { wake_child },
	  .ready = settle_and_sleep, .others = wake_others, .finish = crowd_end },
	{ .name = NULL },
};
