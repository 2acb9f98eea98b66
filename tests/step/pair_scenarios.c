/* SPDX-License-Identifier: MIT */
/* pair_scenarios.c - two children, each stopped or killed somewhere in its own operation. */
#include "crowd.h"

static struct peer child;
static struct view child_view;

static unsigned writer(void)
{
	return world.child == 0 ? W_CHILD : W_PARTNER;
}

static void goes_on(void)
{
	step_mark(MARK_END);
	child.made = NULL;
	for (unsigned i = 0; i < 2; i++)
		if (peer_send(&child, SMALL) != SHMQ_OK)
			broken("the topic is full");
	peer_idle(&child);
	peer_close(&child);
}

static void publish(unsigned count, size_t bytes)
{
	peer_open(&child, writer(), 0);
	step_mark(MARK_READY);
	peer_make(&child, count, bytes);
	step_mark(MARK_BEGIN);
	for (unsigned i = 0; i < count; i++)
		if (peer_send(&child, bytes) != SHMQ_OK)
			broken("the topic is full");
	goes_on();
}

static void small_publisher(void)
{
	publish(1, SMALL);
}

static void large_publisher(void)
{
	publish(2, LARGE);
}

static void opener(void)
{
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	shmq *q = session_open();

	step_mark(MARK_END);
	shmq_close(q);
}

static void reader(void)
{
	view_open(&child_view, "the child", 0, false);
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	view_fetch(&child_view, 2);
	step_mark(MARK_END);
	child_view.may_miss = true; /* the other one does not wait for ever */
	view_check_fetched(&child_view);
	view_take(&child_view, ALL_FRAMES);
	view_close(&child_view);
}

static void sub_opener(void)
{
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	view_open(&child_view, "the child", 0, false);
	step_mark(MARK_END);
	child_view.may_miss = true;
	view_take(&child_view, ALL_FRAMES);
	view_close(&child_view);
}

static void setup(void)
{
	crowd_begin();
	for (unsigned i = 0; i < 3; i++)
		peer_send(&steady, SMALL);
	view_settle(&all);
}

/* A LEFT extent with room, all of it read; the other extents are full of read frames. */
static void setup_left(void)
{
	struct peer p;

	crowd_begin();
	for (unsigned i = 0; i < 8; i++) {
		peer_send(&steady, LARGE);
		view_settle(&all);
	}
	peer_idle(&steady);
	peer_open(&p, W_BEFORE, 0);
	peer_send(&p, 3000);
	peer_idle(&p);
	peer_close(&p);
	view_settle(&all);
}

static void setup_dead(void)
{
	crowd_begin();
	for (unsigned i = 0; i < 3; i++)
		crowd_dead_publisher(W_SCENARIO + i);
	view_settle(&all);
}

/* Their extents in a pool whose rest is full. */
static void setup_dead_full(void)
{
	setup_dead();
	for (unsigned i = 0; i < 8; i++) {
		peer_send(&steady, LARGE);
		view_settle(&all);
	}
	peer_idle(&steady);
}

static void full_ring(void)
{
	for (unsigned i = 0; i < 5 * scenario->topic.slots - 1; i++) {
		peer_send(&steady, SMALL);
		view_take(&all, ALL_FRAMES);
	}
}

static void publish_some(void)
{
	for (unsigned i = 0; i < 4; i++)
		peer_send(&steady, SMALL);
	view_settle(&all);
}

/* Two stopped publishers own an extent each. */
#define PAIR_TOPIC { .slots = 8, .pool_bytes = 2u << 20, .keep_bytes = 1 }

#define PAIR(NAME, SAYS, TOPIC_, SETUP, READY, A, B)                                              \
	{                                                                                         \
		.name = NAME, .says = SAYS, .variants = KILL | STOP, .children = 2,               \
		.topic = TOPIC_, .setup = SETUP, .ready = READY, .child = { A, B },               \
		.others = crowd_lap, .finish = crowd_end                                          \
	}

const struct scenario pair_scenarios[] = {
	PAIR("pair-link", "two publishers in one log", PAIR_TOPIC, setup, NULL, small_publisher,
	     small_publisher),
	PAIR("pair-reclaim", "two publishers at a full ring", PAIR_TOPIC, setup, full_ring,
	     small_publisher, small_publisher),
	PAIR("pair-left", "one takes a left extent, the other reclaims it", WIDE_TOPIC, setup_left,
	     NULL, small_publisher, large_publisher),
	PAIR("pair-bury", "two publishers need the extents of the dead", WIDE_TOPIC,
	     setup_dead_full, NULL, large_publisher, large_publisher),
	PAIR("pair-reap", "two sessions attach and meet the dead", WIDE_TOPIC, setup_dead, NULL,
	     opener, opener),
	PAIR("pair-read", "a reader, and a publisher that reclaims", PAIR_TOPIC, setup,
	     publish_some, reader, large_publisher),
	PAIR("pair-sub-open", "a reader attaches, a publisher reclaims", PAIR_TOPIC, setup,
	     full_ring, sub_opener, small_publisher),
	{ .name = NULL },
};
