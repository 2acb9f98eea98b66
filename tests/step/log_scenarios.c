/* SPDX-License-Identifier: MIT */
/* log_scenarios.c - operations on one log: link, read, reclaim. */
#include <string.h>

#include "crowd.h"

static struct peer child;

/* A child's publisher, attached, having published one message. */
static void child_publisher(void)
{
	peer_open(&child, W_CHILD, 0);
	peer_send(&child, SMALL);
	step_mark(MARK_READY);
}

/* And what it does when it was let go: it is as good as before. */
static void child_goes_on(void)
{
	step_mark(MARK_END);
	child.made = NULL;
	for (unsigned i = 0; i < 3; i++)
		if (peer_send(&child, SMALL) != SHMQ_OK)
			broken("the topic is full");
	peer_idle(&child);
	peer_close(&child);
}

static void setup(void)
{
	crowd_begin();
	for (unsigned i = 0; i < 3; i++)
		peer_send(&steady, SMALL);
	view_settle(&all);
}

/* ---- link --------------------------------------------------------------------------- */

static void link_child(void)
{
	child_publisher();
	peer_make(&child, 1, SMALL);
	step_mark(MARK_BEGIN);
	if (peer_send(&child, SMALL) != SHMQ_OK)
		broken("the topic is full");
	child_goes_on();
}

static void link_first_child(void)
{
	peer_open(&child, W_CHILD, 0);
	step_mark(MARK_READY);
	peer_make(&child, 1, SMALL);
	step_mark(MARK_BEGIN);
	if (peer_send(&child, SMALL) != SHMQ_OK)
		broken("the topic is full");
	child_goes_on();
}

static void link_several_child(void)
{
	child_publisher();
	peer_make(&child, 3, SMALL);
	step_mark(MARK_BEGIN);
	for (unsigned i = 0; i < 3; i++)
		if (peer_accept(&child, SMALL) != SHMQ_OK)
			broken("the topic is full");
	if (peer_flush(&child) != SHMQ_OK)
		broken("the topic is full");
	child_goes_on();
}

static void link_run_child(void)
{
	child_publisher();
	peer_make(&child, 1, 300u << 10);
	step_mark(MARK_BEGIN);
	if (peer_send(&child, 300u << 10) != SHMQ_OK)
		broken("the topic is full");
	child_goes_on();
}

/* Two records and the beginning of a third; then its rest. */
static void lines_put(size_t from, size_t bytes, const char *text)
{
	void *buffer;
	size_t room;
	uint64_t records;
	int r = shmq_pub_lines_room(child.pub, -1, '\n', &buffer, &room);

	if (r != SHMQ_OK || room < bytes)
		broken("shmq_pub_lines_room returned %d, room %zu: %s", r, room,
		       shmq_error(child.q));
	memcpy(buffer, text + from, bytes);
	r = shmq_pub_lines_add(child.pub, bytes, &records);
	if (r != SHMQ_OK)
		broken("shmq_pub_lines_add returned %d: %s", r, shmq_error(child.q));
}

/* Three records; sent counts what was handed over, acked what must be in by then. */
static void link_lines_child(void)
{
	_Atomic uint32_t *sent = &world.shared->sent[W_CHILD], *acked = &world.shared->acked[W_CHILD];
	char text[3 * (SMALL + 1)];
	size_t two = 2 * (SMALL + 1) + 10;

	child_publisher();
	for (unsigned i = 0; i < 3; i++) {
		message_make(text + i * (SMALL + 1), W_CHILD, *sent + i, SMALL);
		text[i * (SMALL + 1) + SMALL] = '\n';
	}
	step_mark(MARK_BEGIN);
	*sent += 2;
	lines_put(0, two, text);
	*acked = *sent;
	*sent += 1;
	lines_put(two, sizeof(text) - two, text);
	*acked = *sent;
	child_goes_on();
}

/* ---- reclaim ------------------------------------------------------------------------ */

/* The ring is full of frames that every reader has had. */
static void full_ring(void)
{
	for (unsigned i = 0; i < 4 * scenario->topic.slots; i++) {
		peer_send(&steady, SMALL);
		view_take(&all, ALL_FRAMES);
	}
	for (unsigned i = 0; i < scenario->topic.slots - 1; i++)
		peer_send(&steady, SMALL);
	view_settle(&all);
}

/* The pool is. */
static void full_pool(void)
{
	for (unsigned i = 0; i < 8; i++) {
		peer_send(&steady, LARGE);
		view_settle(&all);
	}
	peer_idle(&steady);
}

static void reclaim_ring_child(void)
{
	peer_open(&child, W_CHILD, 0);
	step_mark(MARK_READY);
	peer_make(&child, 2, SMALL);
	step_mark(MARK_BEGIN);
	for (unsigned i = 0; i < 2; i++)
		if (peer_send(&child, SMALL) != SHMQ_OK)
			broken("the topic is full");
	child_goes_on();
}

static void reclaim_pool_child(void)
{
	peer_open(&child, W_CHILD, 0);
	step_mark(MARK_READY);
	peer_make(&child, 2, LARGE);
	step_mark(MARK_BEGIN);
	for (unsigned i = 0; i < 2; i++)
		if (peer_send(&child, LARGE) != SHMQ_OK)
			broken("the topic is full");
	child_goes_on();
}

/* It has published before, and has not looked since: others went round the ring and left the pool
 * full of frames that were read. */
static void reclaim_late_child(void)
{
	peer_open(&child, W_CHILD, 0);
	peer_send(&child, SMALL);
	peer_idle(&child);
	step_mark(MARK_READY);
	peer_make(&child, 1, LARGE);
	step_mark(MARK_BEGIN);
	if (peer_send(&child, LARGE) != SHMQ_OK)
		broken("the topic is full");
	child_goes_on();
}

static void lap_and_fill(void)
{
	struct peer p;

	full_ring();
	full_pool();
	peer_open(&p, W_SCENARIO, SHMQ_PUB_NO_WAIT);
	while (peer_send(&p, LARGE) == SHMQ_OK)
		;
	peer_close(&p);
	view_settle(&all);
}

/* ---- read --------------------------------------------------------------------------- */

static struct view child_view;

static void publish_some(void)
{
	static const size_t sizes[] = { SMALL, 3000, 60000 };

	for (unsigned i = 0; i < 3; i++)
		peer_send(&steady, sizes[i]);
	view_settle(&all);
}

/* A reader that was let go sees what is left, or how much it missed; never anything wrong. */
static void reader_goes_on(void)
{
	step_mark(MARK_END);
	child_view.may_miss = world.shared->stopped;
	view_check_fetched(&child_view);
	view_take(&child_view, ALL_FRAMES);
	view_close(&child_view);
}

static void read_child(void)
{
	view_open(&child_view, "the child", 0, false);
	view_take(&child_view, ALL_FRAMES);
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	view_fetch(&child_view, 1);
	reader_goes_on();
}

static void read_all_child(void)
{
	view_open(&child_view, "the child", 0, false);
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	view_fetch(&child_view, 8);
	reader_goes_on();
}

static void read_hold_child(void)
{
	view_open(&child_view, "the child", SHMQ_SUB_HOLD, false);
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	view_fetch(&child_view, 2);
	step_mark(MARK_END);
	view_check_fetched(&child_view);
	view_take(&child_view, ALL_FRAMES);
	view_close(&child_view);
}

/* A holding reader that is stopped rightly holds publishers back: they find the topic full, and
 * not earlier than it is. */
static void hold_others(void)
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

const struct scenario log_scenarios[] = {
	{ .name = "link", .weight = 3, .says = "shmq_pub_send() and shmq_pub_flush() of one message",
	  .variants = ALL_VARIANTS, .children = 1, .topic = SMALL_TOPIC, .setup = setup,
	  .child = { link_child }, .others = crowd_lap, .finish = crowd_end },
	{ .name = "link-first", .says = "the same, the first of a session: it takes an extent",
	  .variants = ALL_VARIANTS, .children = 1, .topic = SMALL_TOPIC, .setup = setup,
	  .child = { link_first_child }, .others = crowd_lap, .finish = crowd_end },
	{ .name = "link-several", .says = "three messages in one frame",
	  .variants = KILL | STOP, .children = 1, .topic = SMALL_TOPIC, .setup = setup,
	  .child = { link_several_child }, .others = crowd_lap, .finish = crowd_end },
	{ .name = "link-lines", .says = "shmq_pub_lines_room() and _add(), a record carried over",
	  .variants = KILL | STOP, .children = 1, .topic = SMALL_TOPIC, .setup = setup,
	  .child = { link_lines_child }, .others = crowd_lap, .finish = crowd_end },
	{ .name = "link-run", .says = "300 KiB: a run of extents", .variants = KILL | STOP,
	  .children = 1, .topic = WIDE_TOPIC, .setup = setup, .child = { link_run_child },
	  .others = crowd_lap, .finish = crowd_end },
	{ .name = "reclaim-ring", .says = "two messages into a ring full of read frames",
	  .variants = ALL_VARIANTS, .children = 1, .topic = SMALL_TOPIC, .setup = setup,
	  .child = { reclaim_ring_child }, .ready = full_ring, .others = crowd_lap,
	  .finish = crowd_end },
	{ .name = "reclaim-pool", .says = "two messages into a pool full of read frames",
	  .variants = ALL_VARIANTS, .children = 1, .topic = WIDE_TOPIC, .setup = setup,
	  .child = { reclaim_pool_child }, .ready = full_pool, .others = crowd_lap,
	  .finish = crowd_end },
	{ .name = "reclaim-late", .says = "the same by one that has not looked for a lap",
	  .variants = KILL | STOP, .children = 1, .topic = WIDE_TOPIC, .setup = setup,
	  .child = { reclaim_late_child }, .ready = lap_and_fill, .others = crowd_lap,
	  .finish = crowd_end },
	{ .name = "read", .weight = 3, .says = "shmq_sub_next() and shmq_batch_next(), once",
	  .variants = ALL_VARIANTS, .children = 1, .topic = SMALL_TOPIC, .setup = setup,
	  .child = { read_child }, .ready = publish_some, .others = crowd_lap,
	  .finish = crowd_end },
	{ .name = "read-all", .says = "until nothing more is there, also the first frame",
	  .variants = KILL | STOP, .children = 1, .topic = SMALL_TOPIC, .setup = setup,
	  .child = { read_all_child }, .ready = publish_some, .others = crowd_lap,
	  .finish = crowd_end },
	{ .name = "read-hold", .says = "a subscriber that publishers wait for",
	  .variants = ALL_VARIANTS, .children = 1, .topic = SMALL_TOPIC, .setup = setup,
	  .child = { read_hold_child }, .ready = publish_some, .others = hold_others,
	  .finish = crowd_end },
	{ .name = NULL },
};
