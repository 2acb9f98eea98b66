/* SPDX-License-Identifier: MIT */
/* session_scenarios.c - attach, detach, reap. */
#include "crowd.h"

static shmq *q;
static struct peer child;

static void open_child(void)
{
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	q = session_open();
	step_mark(MARK_END);
	peer_open(&child, W_CHILD, 0);
	for (unsigned i = 0; i < 3; i++)
		if (peer_send(&child, SMALL) != SHMQ_OK)
			broken("the topic is full");
	peer_idle(&child);
	peer_close(&child);
	shmq_close(q);
}

/* ---- the first of all --------------------------------------------------------------- */

static void open_only_child(void)
{
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	q = session_open();
	step_mark(MARK_END);
	shmq_close(q);
}

static void others_begin(void)
{
	if (!all.q)
		crowd_begin();
	crowd_lap();
}

/* ---- detach ------------------------------------------------------------------------- */

static void close_child(void)
{
	q = session_open();
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	shmq_close(q);
	step_mark(MARK_END);
}

/* With an extent, something linked and something not. */
static void close_publisher_child(void)
{
	peer_open(&child, W_CHILD, 0);
	peer_send(&child, SMALL);
	peer_accept(&child, SMALL);
	peer_refused(&child);
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	shmq_pub_close(child.pub);
	shmq_close(child.q);
	step_mark(MARK_END);
}

/* ---- reap --------------------------------------------------------------------------- */

static void setup_dead(void)
{
	crowd_begin();
	for (unsigned i = 0; i < 3; i++)
		crowd_dead_publisher(W_SCENARIO + i);
}

/* New sessions, in the slots of the dead: they publish while the reaper stands still, and after it
 * went on. */
static struct peer heirs[4];

static void others_inherit(void)
{
	for (unsigned i = 0; i < 4; i++) {
		if (!heirs[i].q)
			peer_open(&heirs[i], W_SCENARIO + 3 + i, 0);
		if (peer_send(&heirs[i], SMALL) != SHMQ_OK)
			broken("the topic is full");
		view_settle(&all);
	}
	crowd_lap();
}

static void heirs_end(void)
{
	if (world_count_files("sessions") < 6)
		broken("a live session has lost its file");
	for (unsigned i = 0; i < 4; i++) {
		if (peer_send(&heirs[i], 3000) != SHMQ_OK)
			broken("the topic is full");
		view_settle(&all);
	}
	crowd_lap();
	for (unsigned i = 0; i < 4; i++) {
		if (peer_send(&heirs[i], SMALL) != SHMQ_OK)
			broken("the topic is full");
		view_settle(&all);
		peer_idle(&heirs[i]);
		peer_close(&heirs[i]);
	}
	crowd_end();
}

/* Session slots are used again: a dead session of each generation would show. */
static void many_sessions_end(void)
{
	for (unsigned i = 0; i < 30; i++) {
		shmq *a = session_open();

		shmq_close(a);
	}
	crowd_end();
}

const struct scenario session_scenarios[] = {
	{ .name = "attach", .says = "shmq_open()", .variants = ALL_VARIANTS, .children = 1,
	  .topic = SMALL_TOPIC, .setup = crowd_begin, .child = { open_child },
	  .others = crowd_lap, .finish = many_sessions_end },
	{ .name = "attach-first", .says = "shmq_open() that makes the broker",
	  .variants = KILL | STOP, .children = 1, .topic = SMALL_TOPIC,
	  .child = { open_only_child }, .others = others_begin, .finish = many_sessions_end },
	{ .name = "detach", .says = "shmq_close()", .variants = ALL_VARIANTS, .children = 1,
	  .topic = SMALL_TOPIC, .setup = crowd_begin, .child = { close_child },
	  .others = crowd_lap, .finish = many_sessions_end },
	{ .name = "detach-publisher", .says = "shmq_pub_close() and shmq_close() with a frame open",
	  .variants = KILL | STOP, .children = 1, .topic = WIDE_TOPIC, .setup = crowd_begin,
	  .child = { close_publisher_child }, .others = crowd_lap, .finish = crowd_end },
	{ .name = "reap", .says = "shmq_open() that meets dead sessions", .variants = ALL_VARIANTS,
	  .children = 1, .topic = WIDE_TOPIC, .setup = setup_dead, .child = { open_child },
	  .others = crowd_lap, .finish = many_sessions_end },
	{ .name = "reap-slot", .says = "the same, and new sessions take the slots of the dead",
	  .variants = KILL | STOP, .children = 1, .topic = WIDE_TOPIC, .setup = setup_dead,
	  .child = { open_child }, .others = others_inherit, .finish = heirs_end },
	{ .name = NULL },
};
