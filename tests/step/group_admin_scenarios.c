/* SPDX-License-Identifier: MIT */
/* group_admin_scenarios.c - groups are made, joined, moved, altered, paused, deleted, and expire. */
#include <string.h>

#include "group_crowd.h"

static struct hand child;
static shmq *q;

/* in shared->number */
enum { CHILD_SAID, OTHERS_SAID, ROUND, INCARNATION, FROM, NUMBER };

static int64_t *said(void)
{
	return world.shared->number;
}

static void begin(void)
{
	step_mark(MARK_READY);
	child.operation = true;
	step_mark(MARK_BEGIN);
}

static void setup(void)
{
	group_begin(false);
	inputs_send(2, SMALL);
	inputs_send(4, SMALL);
}

static bool group_is_there(shmq *by, uint64_t *number)
{
	struct shmq_group_info info = { .logs = NULL };

	deadline("shmq_group_info");
	int r = shmq_group_info(by, IN, GROUP, &info);

	if (r != SHMQ_OK && r != SHMQ_ENOENT)
		broken("shmq_group_info returned %d: %s", r, shmq_error(by));
	calm();
	*number = info.number;
	return r == SHMQ_OK;
}

/* ---- making one --------------------------------------------------------------------- */

/* Another group of the topic, drained by the harness: so the topic is not held for a first reader, and
 * publishers only wait for who is being made. */
static shmq_group *other;

static void setup_maker(void)
{
	struct shmq_consume_options o = { .options = &scenario->group };

	inputs_create(1);
	q = session_open();
	deadline("shmq_group_open");
	if (shmq_group_open(q, IN, "other", &o, &other, NULL) != SHMQ_OK)
		broken("shmq_group_open: %s", shmq_error(q));
	calm();
	for (unsigned i = 0; i < 6; i++)
		inputs_send(2, SMALL);
}

static void drain_other(void)
{
	struct shmq_delivery d;
	int r;

	deadline("the other group");
	for (unsigned empty = 0; empty < 2; empty += r == SHMQ_EMPTY) {
		r = shmq_group_next(other, &d);
		if (r == SHMQ_OK)
			r = shmq_group_ack(other, &d);
		if (r != SHMQ_OK && r != SHMQ_EMPTY && r != SHMQ_LATE)
			broken("the other group: %d, %s", r, shmq_error(q));
	}
	calm();
}

static uint64_t first_offset(void)
{
	static struct shmq_log_info log[SHMQ_PARTITIONS_MAX];
	struct shmq_topic_info info = { .logs = log };

	if (shmq_topic_info(q, IN, &info) != SHMQ_OK)
		broken("shmq_topic_info: %s", shmq_error(q));
	return log[0].first_offset;
}

/* What was gone before the group was there is not its business. */
static void may_skip(uint64_t below)
{
	for (uint64_t n = 0; n < below; n++)
		world.shared->fate[n].may_be_skipped = true;
}

static void make_child(void)
{
	hand_session(&child, "the child");
	begin();
	said()[CHILD_SAID] = hand_attach(&child, 0) ? 1 : 2;
	hand_goes_on(&child);
}

/* A lap with nobody but the other group, then a consumer of the same name. */
static void others_make(void)
{
	if (!keeper.q) {
		uint64_t number;

		for (unsigned i = 0; i < 3 * IN_SLOTS && !group_is_there(q, &number); i++) {
			inputs_send(2, SMALL);
			drain_other();
			may_skip(first_offset()); /* it may be there only later */
		}
		hand_session(&keeper, "the keeper");
		said()[OTHERS_SAID] = hand_attach(&keeper, 0) ? 1 : 2;
		may_skip(said()[OTHERS_SAID] == 1 ? first_offset() : 0);
	}
	hand_drain(&keeper);
	for (unsigned i = 0; i < IN_SLOTS; i++) {
		inputs_send(2, SMALL);
		drain_other();
		hand_drain(&keeper);
	}
	if (world.shared->stopped)
		inputs_send(3, SMALL);
	drain_other();
}

static void finish_make(void)
{
	if (world.variant != KILL && world.variant != STOP_KILL && said()[CHILD_SAID] + said()[OTHERS_SAID] != 3)
		broken("of two who opened a new group %s was told that it made it",
		       said()[CHILD_SAID] == 1 ? "each" : "none");
	group_settle_all();
	group_check();
	drain_other();
	deadline("the other group");
	shmq_group_close(other);
	if (shmq_group_delete(q, IN, "other") != SHMQ_OK)
		broken("shmq_group_delete: %s", shmq_error(q));
	shmq_close(q);
	calm();
	group_capacity();
	group_over();
}

/* ---- joining ------------------------------------------------------------------------ */

static void setup_join(void)
{
	setup();
	inputs_send(4, SMALL);
	group_dead_consumer(4, 1, 0);
}

static void join_child(void)
{
	hand_session(&child, "the child"); /* in the dead one's slot */
	begin();
	hand_attach(&child, SHMQ_CONSUME_NO_CREATE);
	hand_goes_on(&child);
}

/* ---- deleting ----------------------------------------------------------------------- */

static void delete_child(void)
{
	q = session_open();
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	deadline("shmq_group_delete");
	said()[CHILD_SAID] = 1 + (shmq_group_delete(q, IN, GROUP) == SHMQ_OK);
	step_mark(MARK_END);
	shmq_close(q);
}

/* All that the group was told before is over: the record begins again. */
static void forget_record(void)
{
	for (unsigned n = 0; n < world.shared->inputs; n++)
		world.shared->fate[n] = (struct fate){ .sent = true, .may_be_skipped = true };
}

/* There or not; then deleted, made again, and used by another consumer: that one stays. */
static void others_delete(void)
{
	uint64_t number;

	if (said()[ROUND]++ == 0) {
		shmq *by = session_open();

		keeper.may_be_gone = true;
		if (!group_is_there(by, &number) && said()[CHILD_SAID] == 0 && world.variant == CONTROL)
			broken("the group is gone");
		while (hand_next(&keeper) == SHMQ_OK)
			hand_end(&keeper, 0, END_ACK);
		if (keeper.gone && group_is_there(by, &number))
			broken("a consumer was told that its group is gone, and it is there");
		deadline("shmq_group_delete");
		shmq_group_delete(by, IN, GROUP);
		if (group_is_there(by, &number))
			broken("a group that was deleted is there");
		keeper.count = 0;
		hand_close(&keeper);
		forget_record();
		hand_session(&keeper, "the keeper of the next group");
		hand_attach(&keeper, 0);
		shmq_close(by);
		calm();
	}
	group_others();
}

/* A deleter that had not come to the group when it was deleted may find the next one. */
static void finish_delete(void)
{
	uint64_t number;

	if (!group_is_there(keeper.q, &number)) {
		if (world.variant != STOP || said()[CHILD_SAID] != 2)
			broken("the next group was deleted instead of the old one");
		keeper.may_be_gone = true;
		while (hand_next(&keeper) != SHMQ_GONE)
			keeper.count = 0;
		hand_close(&keeper);
		forget_record();
		hand_session(&keeper, "the keeper of a third group");
		hand_attach(&keeper, 0);
	}
	group_finish();
}

/* ---- seeking ------------------------------------------------------------------------ */

/* Everything is done once; then the group is moved. What it is given then begins a record of its own. */
static bool moved(unsigned number)
{
	struct shmq_group_info info = { .logs = NULL };
	shmq *by;

	(void)number;
	if (world.child >= 0)
		return true; /* its own stand-still: the others look */
	by = session_open();
	deadline("shmq_group_info");
	if (shmq_group_info(by, IN, GROUP, &info) != SHMQ_OK)
		broken("shmq_group_info: %s", shmq_error(by));
	shmq_close(by);
	calm();
	if (info.incarnation == (uint64_t)said()[INCARNATION])
		return false;
	said()[INCARNATION] = (int64_t)info.incarnation;
	for (unsigned n = 0; n < world.shared->inputs; n++) {
		struct fate *f = &world.shared->fate[n];

		if (n < said()[FROM])
			f->may_be_skipped = f->ended == END_NONE;
		else
			*f = (struct fate){ .sent = true };
	}
	return number >= said()[FROM];
}

static void setup_seek(void)
{
	setup();
	hand_drain(&keeper);
	inputs_send(4, SMALL);
	hand_drain(&keeper);
	said()[INCARNATION] = (int64_t)group_info(keeper.q).incarnation;
	group_again = moved;
}

static void seek(shmq *by, struct shmq_seek to)
{
	struct shmq_group_place place[SHMQ_PARTITIONS_MAX];

	deadline("shmq_group_seek");
	int r = shmq_group_seek(by, IN, GROUP, &to, false, place);

	if (r != SHMQ_OK)
		broken("shmq_group_seek returned %d: %s", r, shmq_error(by));
	calm();
}

static void seek_back_child(void)
{
	q = session_open();
	said()[FROM] = 2;
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	seek(q, (struct shmq_seek){ .kind = SHMQ_SEEK_OFFSET, .value = 2 });
	step_mark(MARK_END);
	said()[CHILD_SAID] = 1;
	shmq_close(q);
}

static void others_seek(void)
{
	hand_drain(&keeper);
	moved(0);
	hand_drain(&keeper);
	inputs_send(4, SMALL);
	if (hand_drain(&keeper) < 4)
		broken("messages do not come through while the group is moved");
	if (said()[CHILD_SAID] == 0 && said()[ROUND]++ == 0) {
		/* Others move it, too: once each. */
		shmq *by = session_open();

		said()[FROM] = (int64_t)world.shared->inputs - 2;
		seek(by, (struct shmq_seek){ .kind = SHMQ_SEEK_LAST, .value = 2 });
		shmq_close(by);
		moved(0);
		if (hand_drain(&keeper) < 2)
			broken("what the group was moved back to does not come");
		said()[FROM] = 2;
	}
}

/* The child's may come last, and lead back to where the record begins. */
static void finish_seek(void)
{
	moved(0);
	hand_drain(&keeper);
	group_settle_all();
	moved(0);
	group_settle_all();
	group_check();
	group_capacity();
	group_over();
}

/* Messages are left out. */
static void setup_seek_forth(void)
{
	setup();
	said()[INCARNATION] = (int64_t)group_info(keeper.q).incarnation;
	group_again = moved;
}

static void seek_forth_child(void)
{
	q = session_open();
	step_mark(MARK_READY);
	said()[FROM] = world.shared->inputs;
	step_mark(MARK_BEGIN);
	seek(q, (struct shmq_seek){ .kind = SHMQ_SEEK_END });
	step_mark(MARK_END);
	said()[CHILD_SAID] = 1;
	shmq_close(q);
}

static void others_seek_forth(void)
{
	moved(0);
	unsigned n = hand_drain(&keeper);

	if (world.variant == CONTROL && n > 0)
		broken("%u messages come from before the place that the group was moved to", n);
	moved(0);
	inputs_send(4, SMALL);
	if (hand_drain(&keeper) < 4)
		broken("messages do not come through while the group is moved");
}

/* When the child's seek comes last what was published since is left out as well: only that nothing comes
 * twice, and nothing stays, can be told. */
static void finish_seek_forth(void)
{
	for (unsigned n = 0; n < world.shared->inputs; n++)
		world.shared->fate[n].may_be_skipped = true;
	group_settle_all();
	group_check();
	group_capacity();
	group_over();
}

/* ---- a reclaimer that stood still while the group was moved back -------------------- */


static void finish_reclaim(void);

/* One that waits may wait for ever for a group that is moved back and has no consumer. */
static void reclaim_child(void)
{
	struct shmq_pub_options o = { .flags = scenario->finish == finish_reclaim ? SHMQ_PUB_NO_WAIT : 0 };
	static char value[2][SMALL];
	shmq_pub *pub;
	int r = SHMQ_OK;

	q = session_open();
	if (shmq_pub_open(q, IN, &o, &pub, NULL) != SHMQ_OK)
		broken("shmq_pub_open: %s", shmq_error(q));
	step_mark(MARK_READY);
	for (unsigned i = 0; i < 2; i++)
		message_make(value[i], W_ANY_ORDER, FATES_MAX - 1 - i, SMALL);
	step_mark(MARK_BEGIN);
	for (unsigned i = 0; i < 2 && r == SHMQ_OK; i++) {
		struct shmq_message m = { .value = value[i], .value_len = SMALL, .partition = 0 };

		world.shared->fate[FATES_MAX - 1 - i].sent = true;
		r = shmq_pub_send(pub, &m);
		if (r == SHMQ_OK)
			r = shmq_pub_flush(pub);
	}
	step_mark(MARK_END);
	if (r != SHMQ_OK && !(r == SHMQ_FULL && o.flags))
		broken("publishing returned %d: %s", r, shmq_error(q));
	shmq_pub_close(pub);
	shmq_close(q);
}

/* The ring is full of what is done: the next frame needs the place of the oldest. */
static void fill_done(void)
{
	for (unsigned i = 0; i < 3 * IN_SLOTS - 1; i++) {
		inputs_send(1, SMALL);
		if (i % 4 == 3)
			hand_drain(&keeper);
	}
	hand_drain(&keeper);
	said()[INCARNATION] = (int64_t)group_info(keeper.q).incarnation;
	group_again = moved;
}

/* Back to the oldest that is there: from then on all of it must stay. */
static void others_move_back(void)
{
	struct shmq_group_place place[SHMQ_PARTITIONS_MAX];
	struct shmq_seek to = { .kind = SHMQ_SEEK_BEGINNING };

	if (said()[ROUND]++ > 0)
		return;
	deadline("shmq_group_seek");
	if (shmq_group_seek(keeper.q, IN, GROUP, &to, false, place) != SHMQ_OK)
		broken("shmq_group_seek: %s", shmq_error(keeper.q));
	calm();
	/* The child's own message took an offset as well when it is linked: numbers are offsets up to there. */
	said()[FROM] = (int64_t)place[0].to;
	moved(0);
}

static void finish_reclaim(void)
{
	others_move_back();
	group_settle_all();
	group_check();
	group_capacity();
	group_over();
}

/* ---- options and pause -------------------------------------------------------------- */

static void alter_child(void)
{
	struct shmq_group_options o = { .retries = 7 };

	q = session_open();
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	if (shmq_group_alter(q, IN, GROUP, &o, SHMQ_SET_RETRIES) != SHMQ_OK)
		broken("shmq_group_alter: %s", shmq_error(q));
	said()[CHILD_SAID] = 1;
	step_mark(MARK_END);
	shmq_close(q);
}

static void others_alter(void)
{
	struct shmq_group_options o = { .backoff_ns = 5 * (int64_t)MS, .backoff_max_ns = (int64_t)SECOND };
	shmq *by = session_open();

	deadline("shmq_group_alter");
	if (shmq_group_alter(by, IN, GROUP, &o, SHMQ_SET_BACKOFF) != SHMQ_OK)
		broken("shmq_group_alter: %s", shmq_error(by));
	shmq_close(by);
	calm();
	group_others();
}

static void finish_alter(void)
{
	struct shmq_group_options now;

	hand_drain(&keeper);
	shmq_group_options_now(keeper.g, &now);
	if (now.backoff_ns != 5 * (int64_t)MS || now.lease_ns != (int64_t)LEASE ||
	    (now.retries != 7 && (now.retries != 5 || said()[CHILD_SAID])))
		broken("of two who alter the options one is lost");
	group_finish();
}

static void pause_child(void)
{
	q = session_open();
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	if (shmq_group_pause(q, IN, GROUP, true) != SHMQ_OK)
		broken("shmq_group_pause: %s", shmq_error(q));
	step_mark(MARK_END);
	shmq_close(q);
}

static void go_on(void)
{
	shmq *by = session_open();

	deadline("shmq_group_pause");
	if (shmq_group_pause(by, IN, GROUP, false) != SHMQ_OK)
		broken("shmq_group_pause: %s", shmq_error(by));
	shmq_close(by);
	calm();
}

static void others_pause(void)
{
	if (group_info(keeper.q).paused && hand_next(&keeper) != SHMQ_EMPTY)
		broken("a paused group gives something out");
	go_on();
	group_others();
}

static void finish_pause(void)
{
	go_on();
	group_finish();
}

/* ---- expiry ------------------------------------------------------------------------- */

/* Nobody has been in the group for longer than its options allow, and it holds up the topic. */
static void setup_idle(void)
{
	setup();
	hand_close(&keeper);
}

static void fill_for_idle(void)
{
	for (unsigned i = 0; i < IN_SLOTS - 2; i++)
		inputs_send(1, SMALL);
	inputs_stop();
	world_pass(11 * SECOND);
}

/* Somebody comes just then: it is in a group that stays. */
static void others_come(void)
{
	if (said()[ROUND]++ == 0) {
		hand_session(&keeper, "the keeper");
		said()[OTHERS_SAID] = hand_attach(&keeper, 0) ? 1 : 2;
		if (said()[OTHERS_SAID] == 1)
			forget_record(); /* the old one had expired */
	}
	hand_drain(&keeper);
	inputs_send(4, SMALL);
	if (hand_drain(&keeper) < 4)
		broken("the group is there, and messages do not come");
}

static void finish_expire(void)
{
	others_come();
	group_settle_all();
	group_check();
	group_capacity();
	group_over();
}

static void blocked_sleeps(int which)
{
	(void)which;
}

#define ADMIN(NAME, SAYS, EXPIRE, SETUP, READY, CHILD, OTHERS, FINISH)                                          \
	{                                                                                               \
		.name = NAME, .says = SAYS, .variants = KILL | STOP, .children = 1,                     \
		.topic = SMALL_TOPIC, .group = { SMALL_GROUP, .expire_ns = EXPIRE },                    \
		.setup = SETUP, .ready = READY, .child = { CHILD }, .asleep = blocked_sleeps,           \
		.others = OTHERS, .finish = FINISH                                                      \
	}

#define EXPIRES (10 * (int64_t)SECOND)

const struct scenario group_admin_scenarios[] = {
	ADMIN("group-make", "shmq_group_open() that makes the group", SHMQ_FOREVER, setup_maker, NULL, make_child,
	      others_make, finish_make),
	ADMIN("group-join", "shmq_group_open() in a dead consumer's slot", SHMQ_FOREVER, setup_join, NULL, join_child,
	      group_others, group_finish),
	ADMIN("group-delete", "shmq_group_delete()", SHMQ_FOREVER, setup, NULL, delete_child, others_delete, finish_delete),
	ADMIN("group-seek-back", "shmq_group_seek() to what was done", SHMQ_FOREVER, setup_seek, NULL, seek_back_child,
	      others_seek, finish_seek),
	ADMIN("group-seek-forth", "shmq_group_seek() to the end", SHMQ_FOREVER, setup_seek_forth, NULL, seek_forth_child,
	      others_seek_forth, finish_seek_forth),
	ADMIN("group-seek-reclaim", "a reclaimer, while a group is moved back", SHMQ_FOREVER, setup, fill_done,
	      reclaim_child, others_move_back, finish_reclaim),
	ADMIN("group-alter", "shmq_group_alter()", SHMQ_FOREVER, setup, NULL, alter_child, others_alter, finish_alter),
	ADMIN("group-pause", "shmq_group_pause()", SHMQ_FOREVER, setup, NULL, pause_child, others_pause, finish_pause),
	ADMIN("group-expire", "a blocked publisher deletes an idle group", EXPIRES, setup_idle, fill_for_idle,
	      reclaim_child, others_come, finish_expire),
	{ .name = NULL },
};
