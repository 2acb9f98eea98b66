/* SPDX-License-Identifier: MIT */
/* reader_scenarios.c - subscribers come and go; publishers that are blocked by them. */
#include <sys/wait.h>
#include <unistd.h>

#include "crowd.h"

static struct view child_view;
static struct peer child;

static void setup(void)
{
	crowd_begin();
	for (unsigned i = 0; i < 3; i++)
		peer_send(&steady, SMALL);
	view_settle(&all);
}

/* ---- attach and detach -------------------------------------------------------------- */

static void open_child(void)
{
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	view_open(&child_view, "the child", 0, false);
	step_mark(MARK_END);
	child_view.may_miss = world.shared->stopped;
	view_take(&child_view, ALL_FRAMES);
	view_close(&child_view);
}

static void open_hold_child(void)
{
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	view_open(&child_view, "the child", SHMQ_SUB_HOLD, false);
	step_mark(MARK_END);
	view_take(&child_view, ALL_FRAMES);
	view_close(&child_view);
}

static void close_child(void)
{
	view_open(&child_view, "the child", 0, false);
	view_take(&child_view, ALL_FRAMES);
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	view_close(&child_view);
	step_mark(MARK_END);
}

/* While a holding subscriber stands still, the topic may be full. */
static void others_held(void)
{
	if (world.shared->stopped) {
		crowd_compare();
		crowd_fill();
		crowd_churn();
		crowd_compare();
	} else {
		crowd_lap();
	}
}

/* ---- the first reader of a topic ---------------------------------------------------- */

/* Messages that nobody has read: the topic holds all of them for its first reader. */
static void setup_unread(void)
{
	struct peer p;

	crowd_create();
	peer_open(&p, W_BEFORE, SHMQ_PUB_NO_WAIT);
	for (unsigned i = 0; i < 20; i++)
		peer_send(&p, SMALL);
	peer_close(&p);
}

static void others_read(void)
{
	if (!all.q)
		crowd_attach();
	crowd_lap();
}

/* ---- a publisher that waits for room ------------------------------------------------ */

static void send_child(void)
{
	peer_open(&child, W_CHILD, 0);
	step_mark(MARK_READY);
	peer_make(&child, 1, SMALL);
	step_mark(MARK_BEGIN);
	if (peer_send(&child, SMALL) != SHMQ_OK)
		broken("the topic is full");
	step_mark(MARK_END);
	child.made = NULL;
	peer_idle(&child);
	peer_close(&child);
}

/* Does not wait: the late reader may hold. */
static void try_child(void)
{
	peer_open(&child, W_CHILD, SHMQ_PUB_NO_WAIT);
	step_mark(MARK_READY);
	peer_make(&child, 1, SMALL);
	step_mark(MARK_BEGIN);
	peer_send(&child, SMALL);
	step_mark(MARK_END);
	peer_close(&child);
}

static void fill_ring(void)
{
	for (unsigned i = 0; i < 3 * scenario->topic.slots; i++) {
		peer_send(&steady, SMALL);
		view_take(&all, ALL_FRAMES);
	}
	struct peer p;

	peer_open(&p, W_BEFORE, SHMQ_PUB_NO_WAIT);
	for (unsigned i = 0; i < 2 * scenario->topic.slots; i++)
		if (peer_send(&p, SMALL) != SHMQ_OK)
			break;
	peer_idle(&p);
	peer_close(&p);
}

/* The child sleeps until there is room: reading must wake it. If it was stopped before, there is
 * room already. */
static void make_room(int which)
{
	(void)which;
	if (!world.shared->stopped)
		view_settle(&all);
}

static void nobody_timed_out(void)
{
	if (world.shared->timeouts > 0)
		broken("a publisher slept on though there was room");
	crowd_end();
}

/* ---- a publisher that overruns a slow reader ---------------------------------------- */

static struct view slow;

static void setup_slow(void)
{
	crowd_begin();
	view_open(&slow, "the slow reader", 0, true);
	slow.may_miss = true;
}

static void fill_ring_slow(void)
{
	fill_ring();
	view_settle(&all);
}

static void others_overrun(void)
{
	crowd_lap();
	view_take(&slow, ALL_FRAMES);
	crowd_lap();
	view_settle(&slow);
}

static void slow_end(void)
{
	view_settle(&all);
	view_settle(&slow);
	view_close(&slow);
	crowd_end();
}

/* ---- a reclaimer that stood still while a reader attached --------------------------- */

static struct view late;

static void full_of_read(void)
{
	for (unsigned i = 0; i < 5 * scenario->topic.slots - 1; i++) {
		peer_send(&steady, SMALL);
		view_take(&all, ALL_FRAMES);
	}
}

static void others_attach(void)
{
	if (late.q)
		return;
	view_open(&late, "the late reader", SHMQ_SUB_HOLD, false);
	static struct shmq_log_info log[SHMQ_PARTITIONS_MAX];
	struct shmq_topic_info info = { .logs = log };

	if (shmq_topic_info(late.q, TOPIC, &info) != SHMQ_OK)
		broken("shmq_topic_info: %s", shmq_error(late.q));
	late.began = true; /* what was there when it had attached must stay */
	late.next = log[0].first_offset;
	crowd_fill();
}

static void late_end(void)
{
	others_attach();
	crowd_fill();
	view_settle(&all);
	view_settle(&late);
	view_close(&late);
	crowd_lap();
	crowd_end();
}

/* ---- a publisher that finds a dead reader ------------------------------------------- */

static void dead_reader(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		view_open(&slow, "a reader that dies", SHMQ_SUB_HOLD, true);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		broken("harness: a reader that was to die did not");
}

static void setup_dead_reader(void)
{
	crowd_begin();
	dead_reader();
}

/* Full for the dead one: `all` has read everything. */
static void fill_for_dead(void)
{
	struct peer p;

	peer_open(&p, W_BEFORE, 0);
	for (unsigned i = 0; i < scenario->topic.slots; i++)
		peer_send(&p, SMALL);
	peer_close(&p);
	view_settle(&all);
}

/* The first of them buries it; then a new reader takes its place, and stays. */
static void others_take_place(void)
{
	if (!late.q) {
		peer_send(&steady, SMALL);
		peer_send(&steady, SMALL);
		view_settle(&all);
	}
	others_attach();
}

const struct scenario reader_scenarios[] = {
	{ .name = "sub-open", .says = "shmq_sub_open()", .variants = ALL_VARIANTS, .children = 1,
	  .topic = SMALL_TOPIC, .setup = setup, .child = { open_child }, .others = crowd_lap,
	  .finish = crowd_end },
	{ .name = "sub-open-hold", .says = "shmq_sub_open() of one that holds",
	  .variants = ALL_VARIANTS, .children = 1, .topic = SMALL_TOPIC, .setup = setup,
	  .child = { open_hold_child }, .others = others_held, .finish = crowd_end },
	{ .name = "sub-open-first", .says = "the first reader of a topic that holds for it",
	  .variants = KILL | STOP, .children = 1, .topic = SMALL_TOPIC, .setup = setup_unread,
	  .child = { open_child }, .others = others_read, .finish = crowd_end },
	{ .name = "sub-close", .says = "shmq_sub_close()", .variants = ALL_VARIANTS, .children = 1,
	  .topic = SMALL_TOPIC, .setup = setup, .child = { close_child }, .others = crowd_lap,
	  .finish = crowd_end },
	{ .name = "blocked", .says = "a publisher waits until a reader makes room",
	  .variants = KILL | STOP, .children = 1, .topic = SMALL_TOPIC, .setup = crowd_begin,
	  .child = { send_child }, .ready = fill_ring, .asleep = make_room, .others = crowd_lap,
	  .finish = nobody_timed_out },
	{ .name = "overrun", .says = "a publisher goes on without a reader that stands still",
	  .variants = ALL_VARIANTS, .children = 1, .topic = SMALL_TOPIC, .setup = setup_slow,
	  .child = { send_child }, .ready = fill_ring_slow, .others = others_overrun,
	  .finish = slow_end },
	{ .name = "reclaim-attach", .says = "a reclaimer, while a holding reader attaches",
	  .variants = KILL | STOP, .children = 1, .topic = SMALL_TOPIC, .setup = crowd_begin,
	  .child = { try_child }, .ready = full_of_read, .others = others_attach,
	  .finish = late_end },
	{ .name = "bury-reader", .says = "a publisher that a dead subscriber holds up",
	  .variants = KILL | STOP, .children = 1, .topic = SMALL_TOPIC,
	  .setup = setup_dead_reader, .child = { try_child }, .ready = fill_for_dead,
	  .others = others_take_place, .finish = late_end },
	{ .name = NULL },
};
