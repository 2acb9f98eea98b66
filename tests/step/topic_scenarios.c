/* SPDX-License-Identifier: MIT */
/* topic_scenarios.c - topics come and go: create, first use, purge, delete, repair. */
#include <string.h>

#include "crowd.h"

static shmq *q; /* of the harness side, and of the child: each its own */
static struct peer child;

enum { CHILD_SAID, OTHERS_SAID, WAS_THERE, BEYOND, LINKED }; /* in shared->number */

static int64_t *said(void)
{
	return world.shared->number;
}

static void setup_broker(void)
{
	q = session_open();
}

static int create(void)
{
	deadline("shmq_topic_create");
	int r = shmq_topic_create(q, TOPIC, &scenario->topic);

	if (r != SHMQ_OK && r != SHMQ_EEXIST)
		broken("shmq_topic_create returned %d: %s", r, shmq_error(q));
	calm();
	return r;
}

static int delete(void)
{
	deadline("shmq_topic_delete");
	int r = shmq_topic_delete(q, TOPIC);

	if (r != SHMQ_OK && r != SHMQ_ENOENT)
		broken("shmq_topic_delete returned %d: %s", r, shmq_error(q));
	calm();
	return r;
}

static bool is_there(void)
{
	struct shmq_topic_info info = { .logs = NULL };

	deadline("shmq_topic_info");
	int r = shmq_topic_info(q, TOPIC, &info);

	if (r != SHMQ_OK && r != SHMQ_ENOENT)
		broken("shmq_topic_info returned %d: %s", r, shmq_error(q));
	calm();
	return r == SHMQ_OK;
}

/* Whatever a dead one left in t/ is swept by a delete. */
static void check_swept(void)
{
	create();
	if (delete() != SHMQ_OK)
		broken("a topic that is there cannot be deleted");
	if (world_count_files("t") > 0)
		broken("%u directories in t/, no topic is there", world_count_files("t"));
	shmq_close(q);
}

/* ---- create ------------------------------------------------------------------------- */

static void create_child(void)
{
	q = session_open();
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	said()[CHILD_SAID] = create();
	step_mark(MARK_END);
	shmq_close(q);
}

static void create_others(void)
{
	if (!all.q) {
		said()[OTHERS_SAID] = create();
		crowd_attach();
	}
	crowd_lap();
}

static void create_end(void)
{
	if (world.variant != KILL &&
	    (said()[CHILD_SAID] == SHMQ_OK) == (said()[OTHERS_SAID] == SHMQ_OK))
		broken("of two creators %s was told that it made the topic",
		       said()[CHILD_SAID] == SHMQ_OK ? "each" : "none");
	crowd_end();
	delete();
	check_swept();
}

/* ---- first use ---------------------------------------------------------------------- */

/* A topic without bell and log: the first publisher makes them. */
static void setup_bare(void)
{
	crowd_create();
}

static void publish_child(void)
{
	step_mark(MARK_READY);
	peer_make(&child, 1, SMALL);
	step_mark(MARK_BEGIN);
	peer_open(&child, W_CHILD, 0);
	if (peer_send(&child, SMALL) != SHMQ_OK)
		broken("the topic is full");
	step_mark(MARK_END);
	child.made = NULL;
	if (peer_send(&child, SMALL) != SHMQ_OK)
		broken("the topic is full");
	peer_idle(&child);
	peer_close(&child);
}

static void publish_others(void)
{
	if (!all.q)
		crowd_attach();
	crowd_lap();
}

/* The same with default options: made by the first publisher, or by the others. Too large to be
 * filled. */
static void create_use_others(void)
{
	if (!all.q) {
		peer_open(&steady, W_STEADY, 0);
		view_open(&all, "the steady reader", SHMQ_SUB_HOLD, true);
	}
	for (unsigned i = 0; i < 10; i++)
		peer_send(&steady, LARGE);
	crowd_one_shots();
	crowd_compare();
}

static void create_use_end(void)
{
	crowd_compare();
	view_close(&all);
	peer_close(&steady);
	delete();
	check_swept();
}

/* ---- purge -------------------------------------------------------------------------- */

static void setup_filled(void)
{
	crowd_begin();
	for (unsigned i = 0; i < 5; i++)
		peer_send(&steady, SMALL);
	view_settle(&all);
	q = session_open();
}

static void purge_child(void)
{
	q = session_open();
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	int r = shmq_topic_purge(q, TOPIC, NULL);

	step_mark(MARK_END);
	if (r != SHMQ_OK)
		broken("shmq_topic_purge returned %d: %s", r, shmq_error(q));
	shmq_close(q);
}

static void purge_others(void)
{
	if (world.variant == CONTROL) {
		struct view fresh;

		view_open(&fresh, "a fresh reader", SHMQ_SUB_BROWSE, false);
		if (view_take(&fresh, ALL_FRAMES) > 0)
			broken("a purged topic has messages");
		view_close(&fresh);
	}
	crowd_lap();
}

static void purge_end(void)
{
	shmq_close(q);
	crowd_end();
}

/* ---- delete ------------------------------------------------------------------------- */

static void delete_child(void)
{
	q = session_open();
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	said()[CHILD_SAID] = delete();
	step_mark(MARK_END);
	shmq_close(q);
}

static void forget_topic(void)
{
	struct shared *s = world.shared;

	view_close(&all);
	peer_close(&steady);
	for (unsigned i = 0; i < WRITERS; i++)
		s->sent[i] = s->acked[i] = 0;
	s->ack_count = s->end_seen = 0;
	memset(s->at_offset, 0, sizeof(s->at_offset));
	memset(s->offset_of, 0, sizeof(s->offset_of));
}

/* Nothing is acknowledged by what is over: the steady publisher, who has it open, finds out. */
static void check_over(const char *when)
{
	if (peer_try(&steady, SMALL) == SHMQ_OK)
		broken("a message is acknowledged %s", when);
}

/* It is there as a whole or not at all; then it is deleted, and made anew. A publisher goes on all the
 * time: what it is told is there, is there. */
static void delete_others(void)
{
	if (said()[WAS_THERE] == 0) {
		bool acked = peer_try(&steady, SMALL) == SHMQ_OK;

		said()[WAS_THERE] = is_there() ? 1 : 2;
		if (said()[WAS_THERE] == 1)
			crowd_compare();
		else if (acked)
			broken("a message is acknowledged, and its topic is not there");
		else
			check_over("by a topic that is not there");
		if (delete() != SHMQ_OK && said()[WAS_THERE] == 1)
			broken("a topic that is there cannot be deleted");
		check_over("after the deletion of its topic");
		forget_topic();
		if (create() != SHMQ_OK)
			broken("a topic that was deleted cannot be made again");
		crowd_attach();
	}
	crowd_lap();
}

/* A deleter that had found the old topic must not touch the new one. */
static void delete_end(void)
{
	if (!is_there()) {
		if (said()[WAS_THERE] == 2 || world.variant != STOP)
			broken("the new topic was deleted instead of the old one");
		forget_topic();
		if (create() != SHMQ_OK)
			broken("a topic that was deleted cannot be made again");
		crowd_attach();
	}
	crowd_end();
	delete();
	check_swept();
}

/* ---- repair ------------------------------------------------------------------------- */

static void repair(void)
{
	deadline("shmq_topic_repair");
	int r = shmq_topic_repair(q, TOPIC);

	if (r != SHMQ_OK && r != SHMQ_ENOENT) /* the latter: another one was faster */
		broken("shmq_topic_repair returned %d: %s", r, shmq_error(q));
	calm();
}

static void repair_child(void)
{
	q = session_open();
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	repair();
	step_mark(MARK_END);
	shmq_close(q);
}

/* One message through whichever incarnation is there, at an offset that was never used before. */
static void use_once(void)
{
	struct shmq_message m = { .value = "x", .value_len = 1, .partition = -1 };
	struct shmq_sub_options from_end = { .from = { .kind = SHMQ_SEEK_END } };
	struct shmq_batch b;
	shmq_pub *pub;
	shmq_sub *sub;
	int r;

	deadline("use of a repaired topic");
	if ((r = shmq_pub_open(q, TOPIC, NULL, &pub, NULL)) != SHMQ_OK)
		broken("shmq_pub_open returned %d: %s", r, shmq_error(q));
	if ((r = shmq_sub_open(q, TOPIC, &from_end, &sub)) != SHMQ_OK)
		broken("shmq_sub_open returned %d: %s", r, shmq_error(q));
	if ((r = shmq_pub_send(pub, &m)) != SHMQ_OK || (r = shmq_pub_flush(pub)) != SHMQ_OK)
		broken("publishing returned %d: %s", r, shmq_error(q));
	if ((r = shmq_sub_next(sub, &b)) != SHMQ_OK || b.count != 1)
		broken("reading returned %d: %s", r, shmq_error(q));
	if (b.offset < (uint64_t)said()[BEYOND])
		broken("offset %llu was given out before", (unsigned long long)b.offset);
	said()[BEYOND] = (int64_t)b.offset + 1;
	shmq_sub_close(sub);
	shmq_pub_close(pub);
	calm();
}

/* A publisher of the old incarnation goes on: what it is told is there, the name leads to. */
static void repair_others(void)
{
	if (said()[BEYOND] == 0) {
		if (peer_try(&steady, SMALL) == SHMQ_OK)
			crowd_compare();
		said()[BEYOND] = world.shared->end_seen;
	}
	if (!is_there())
		broken("a topic is gone while it is repaired");
	repair();
	check_over("after the repair of its topic");
	use_once();
}

static void repair_end(void)
{
	repair_others();
	use_once();
	view_close(&all);
	peer_close(&steady);
	delete();
	check_swept();
}

/* ---- opening what ends -------------------------------------------------------------- */

static void open_ended_child(void)
{
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	peer_open(&child, W_CHILD, 0);
	said()[CHILD_SAID] = peer_try(&child, SMALL);
	step_mark(MARK_END);
	peer_close(&child);
}

/* Whether the child has linked its message: then it may be told so, however late. */
static bool child_has_linked(void)
{
	struct view fresh;

	if (world.shared->sent[W_CHILD] == 0)
		return false;
	view_open(&fresh, "a fresh reader", SHMQ_SUB_BROWSE, false);
	view_take(&fresh, ALL_FRAMES);
	view_close(&fresh);
	return world.shared->offset_of[W_CHILD][0] != 0;
}

/* Deleted and made anew while the child opens it: what is linked from then on and acknowledged, is in
 * the new one. */
static void open_ended_others(void)
{
	struct shared *s = world.shared;

	if (!all.q) {
		uint32_t sent = s->sent[W_CHILD];

		said()[LINKED] = child_has_linked();
		if (delete() != SHMQ_OK)
			broken("a topic that is there cannot be deleted");
		forget_topic();
		if (!said()[LINKED])
			s->sent[W_CHILD] = sent;
		if (create() != SHMQ_OK)
			broken("a topic that was deleted cannot be made again");
		crowd_attach();
	}
	crowd_lap();
}

static void open_ended_end(void)
{
	if (said()[LINKED]) /* what it has recorded since is of the old topic */
		world.shared->sent[W_CHILD] = world.shared->acked[W_CHILD] = 0;
	crowd_end();
	delete();
	check_swept();
}

static void setup_bare_broker(void)
{
	q = session_open();
	create();
}

#define DEFAULT_TOPIC { .slots = 65536, .pool_bytes = 64u << 20, .keep_bytes = 1 << 20 }

const struct scenario topic_scenarios[] = {
	{ .name = "topic-create", .says = "shmq_topic_create()", .variants = KILL | STOP,
	  .children = 1, .topic = SMALL_TOPIC, .setup = setup_broker, .child = { create_child },
	  .others = create_others, .finish = create_end },
	{ .name = "topic-first", .says = "shmq_pub_open() and the first message of a topic",
	  .variants = KILL | STOP, .children = 1, .topic = SMALL_TOPIC, .setup = setup_bare,
	  .child = { publish_child }, .others = publish_others, .finish = crowd_end },
	{ .name = "topic-auto", .says = "shmq_pub_open() that creates the topic",
	  .variants = KILL | STOP, .children = 1, .topic = DEFAULT_TOPIC, .setup = setup_broker,
	  .child = { publish_child }, .others = create_use_others, .finish = create_use_end },
	{ .name = "topic-purge", .says = "shmq_topic_purge()", .variants = KILL | STOP,
	  .children = 1, .topic = SMALL_TOPIC, .setup = setup_filled, .child = { purge_child },
	  .others = purge_others, .finish = purge_end },
	{ .name = "topic-delete", .says = "shmq_topic_delete()", .variants = KILL | STOP,
	  .children = 1, .topic = SMALL_TOPIC, .setup = setup_filled, .child = { delete_child },
	  .others = delete_others, .finish = delete_end },
	{ .name = "topic-repair", .says = "shmq_topic_repair()", .variants = KILL | STOP,
	  .children = 1, .topic = SMALL_TOPIC, .setup = setup_filled, .child = { repair_child },
	  .others = repair_others, .finish = repair_end },
	{ .name = "topic-open-ended", .says = "shmq_pub_open() and a message while the topic is deleted",
	  .variants = KILL | STOP, .children = 1, .topic = SMALL_TOPIC, .setup = setup_bare_broker,
	  .child = { open_ended_child }, .others = open_ended_others, .finish = open_ended_end },
	{ .name = NULL },
};
