/* SPDX-License-Identifier: MIT */
/* extent_scenarios.c - who writes into which piece of the pool: hand-over, runs, the dead. */
#include "crowd.h"

static struct peer child;

/* An extent with readable frames that nobody has read, left with room: `all` holds them. */
static void setup_left(void)
{
	struct peer p;

	crowd_begin();
	peer_open(&p, W_BEFORE, 0);
	for (unsigned i = 0; i < 3; i++)
		peer_send(&p, 3000);
	peer_idle(&p);
	peer_close(&p);
}

/* First without reading: a frame in an extent that was taken for free would be overwritten. */
static void others(void)
{
	crowd_fill();
	crowd_lap();
}

static void child_ends(void)
{
	child.made = NULL;
	for (unsigned i = 0; i < 3; i++)
		if (peer_send(&child, SMALL) != SHMQ_OK)
			broken("the topic is full");
	peer_idle(&child);
	peer_close(&child);
}

/* ---- the owner leaves it ------------------------------------------------------------ */

static void idle_child(void)
{
	peer_open(&child, W_CHILD, 0);
	peer_send(&child, SMALL);
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	if (shmq_pub_idle(child.pub) != SHMQ_OK)
		broken("shmq_pub_idle: %s", shmq_error(child.q));
	step_mark(MARK_END);
	child_ends();
}

static void take_child(void)
{
	peer_open(&child, W_CHILD, 0);
	step_mark(MARK_READY);
	peer_make(&child, 1, SMALL);
	step_mark(MARK_BEGIN);
	if (peer_send(&child, SMALL) != SHMQ_OK)
		broken("the topic is full");
	step_mark(MARK_END);
	child_ends();
}

/* Takes it, links nothing, gives it back: what stood in it must stay. */
static void take_unused_child(void)
{
	peer_open(&child, W_CHILD, 0);
	step_mark(MARK_READY);
	peer_make(&child, 1, SMALL);
	step_mark(MARK_BEGIN);
	if (peer_accept(&child, SMALL) != SHMQ_OK)
		broken("the topic is full");
	shmq_pub_close(child.pub);
	step_mark(MARK_END);
	peer_refused(&child);
	shmq_close(child.q);
	peer_open(&child, W_CHILD, 0);
	child_ends();
}

static void take_idle_take_child(void)
{
	peer_open(&child, W_CHILD, 0);
	step_mark(MARK_READY);
	peer_make(&child, 2, SMALL);
	step_mark(MARK_BEGIN);
	for (unsigned i = 0; i < 2; i++) {
		if (peer_send(&child, SMALL) != SHMQ_OK)
			broken("the topic is full");
		peer_idle(&child);
	}
	step_mark(MARK_END);
	child_ends();
}

/* ---- the dead ----------------------------------------------------------------------- */

/* Two dead publishers own an extent each; all the others are full of frames. */
static void setup_dead(void)
{
	crowd_begin();
	crowd_dead_publisher(W_SCENARIO);
	crowd_dead_publisher(W_SCENARIO + 1);
	struct peer p;

	peer_open(&p, W_BEFORE, SHMQ_PUB_NO_WAIT);
	for (unsigned i = 0; i < 6; i++)
		peer_send(&p, LARGE);
	peer_close(&p);
}

static void bury_child(void)
{
	peer_open(&child, W_CHILD, SHMQ_PUB_NO_WAIT);
	step_mark(MARK_READY);
	peer_make(&child, 1, LARGE);
	step_mark(MARK_BEGIN);
	peer_send(&child, LARGE); /* SHMQ_FULL: the dead ones' frames are unread, too */
	step_mark(MARK_END);
	child.made = NULL;
	peer_idle(&child);
	peer_close(&child);
}

/* The same when all was read: it needs what the dead own. */
static void read_all(void)
{
	view_settle(&all);
}

/* New owners of the extents of the dead, while one that found them dead stands still. */
#define OWNERS 6
static struct peer owners[OWNERS];

static void owners_send(size_t bytes)
{
	for (unsigned i = 0; i < OWNERS; i++) {
		if (!owners[i].q)
			peer_open(&owners[i], W_SCENARIO + 2 + i, 0);
		if (peer_send(&owners[i], bytes) != SHMQ_OK)
			broken("the topic is full");
		view_settle(&all);
	}
}

static void others_own(void)
{
	if (!owners[0].q)
		crowd_lap();
	owners_send(3000);
}

/* They go on writing where they wrote before, when everything that passes for free has been taken and
 * written to, and before anything is read: whoever was given one of their extents finds his message
 * overwritten. */
static void owners_end(void)
{
	view_settle(&all);
	crowd_fill_pool();
	for (unsigned i = 0; i < OWNERS; i++)
		if (peer_send(&owners[i], 3000) != SHMQ_OK)
			broken("the topic is full");
	view_settle(&all);
	for (unsigned i = 0; i < 3; i++) {
		owners_send(3000);
		peer_send(&steady, 60000);
		view_settle(&all);
	}
	if (world_count_files("sessions") < 2 + OWNERS)
		broken("a live session has lost its file");
	for (unsigned i = 0; i < OWNERS; i++) {
		peer_idle(&owners[i]);
		peer_close(&owners[i]);
	}
	crowd_end();
}

const struct scenario extent_scenarios[] = {
	{ .name = "idle", .weight = 3, .says = "shmq_pub_idle(): an extent is left", .variants = ALL_VARIANTS,
	  .children = 1, .topic = WIDE_TOPIC, .setup = setup_left, .child = { idle_child },
	  .others = others, .finish = crowd_end },
	{ .name = "take", .says = "an extent with readable frames is taken and appended to",
	  .variants = ALL_VARIANTS, .children = 1, .topic = WIDE_TOPIC, .setup = setup_left,
	  .child = { take_child }, .others = others, .finish = crowd_end },
	{ .name = "take-unused", .says = "taken, and given back without a frame",
	  .variants = ALL_VARIANTS, .children = 1, .topic = WIDE_TOPIC, .setup = setup_left,
	  .child = { take_unused_child }, .others = others, .finish = crowd_end },
	{ .name = "hand-over", .says = "taken, appended to, left, twice",
	  .variants = KILL | STOP, .children = 1, .topic = WIDE_TOPIC, .setup = setup_left,
	  .child = { take_idle_take_child }, .others = others, .finish = crowd_end },
	{ .name = "bury-held", .says = "dead owners' extents hold what is unread",
	  .variants = KILL | STOP, .children = 1, .topic = WIDE_TOPIC, .setup = setup_dead,
	  .child = { bury_child }, .others = others, .finish = crowd_end },
	{ .name = "bury", .says = "a full pool, but for the extents of the dead",
	  .variants = ALL_VARIANTS, .children = 1, .topic = WIDE_TOPIC, .setup = setup_dead,
	  .child = { bury_child }, .ready = read_all, .others = others_own,
	  .finish = owners_end },
	{ .name = NULL },
};
