/* SPDX-License-Identifier: MIT */
/* group_pair_scenarios.c - two children in one group, each stopped or killed somewhere in its own operation. */
#include "group_crowd.h"

static struct hand child;
static shmq *q;

static const char *child_name(void)
{
	return world.child == 0 ? "the first child" : "the second child";
}

static bool has_target(void);

static void open_child(unsigned take)
{
	hand_open(&child, child_name(), 0);
	child.may_be_late = true; /* time goes by for the other one */
	if (has_target())
		hand_output(&child);
	hand_must(&child, take);
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
	keeper.may_be_late = true;
	inputs_send(1, SMALL);
	inputs_send(4, SMALL);
}

static void setup_target(void)
{
	group_begin(true);
	keeper.may_be_late = true;
	inputs_send(1, SMALL);
	inputs_send(4, SMALL);
}

static void second_passes(void)
{
	world_pass(SECOND + 100 * MS);
}

/* The lease of who stands still is over then, but not one's own. */
static void lease_passes(void)
{
	for (uint64_t ns = 0; ns <= LEASE + SECOND; ns += SECOND) {
		world_pass(SECOND);
		hand_renew(&child);
	}
}

static void next_child(void)
{
	open_child(0);
	begin();
	hand_next(&child);
	hand_goes_on(&child);
}

static void later_child(void)
{
	open_child(0);
	begin();
	lease_passes();
	hand_next(&child);
	hand_goes_on(&child);
}

/* ---- settling ----------------------------------------------------------------------- */

/* Its operation begins where it has announced what it is about to link. */
static void armed_child(void)
{
	open_child(1);
	at_link = begin;
	link_stop = LINK_BEFORE;
	hand_end(&child, 0, END_SETTLE);
	hand_goes_on(&child);
}

static void setup_dead_settler(void)
{
	setup_target();
	group_dead_settler(LINK_BEFORE, END_SETTLE);
}

static void setup_dead_linked(void)
{
	setup_target();
	group_dead_settler(LINK_AFTER, END_SETTLE);
}

static bool has_target(void)
{
	return scenario->setup == setup_target || scenario->setup == setup_dead_settler ||
	       scenario->setup == setup_dead_linked;
}

static void setup_dead(void)
{
	setup();
	group_dead_consumer(3, 0, 0);
}

/* ---- ordered ------------------------------------------------------------------------ */

static void owner_child(void)
{
	open_child(1);
	begin();
	hand_end(&child, 0, END_ACK);
	hand_next(&child);
	hand_goes_on(&child);
}

static void others_lease_first(void)
{
	group_time(LEASE + 2 * SECOND);
	hand_drain(&keeper);
	group_others();
}

/* ---- making, deleting, moving ------------------------------------------------------- */

static void setup_none(void)
{
	inputs_create(1);
	inputs_send(4, SMALL);
}

static bool always(unsigned number);
static void setup_delete(void);

static void make_child(void)
{
	hand_session(&child, child_name());
	child.may_be_late = child.may_be_gone = true;
	if (scenario->setup == setup_delete)
		group_again = always;
	begin();
	world.shared->number[world.child] = hand_attach(&child, 0) ? 1 : 2;
	hand_goes_on(&child);
}

static void others_make(void)
{
	if (!keeper.q) {
		hand_session(&keeper, "the keeper");
		keeper.may_be_late = true;
		world.shared->number[2] = hand_attach(&keeper, 0) ? 1 : 2;
	}
	group_others();
}

static void finish_make(void)
{
	unsigned makers = 0;

	for (unsigned i = 0; i < 3; i++)
		makers += world.shared->number[i] == 1;
	if (makers > 1 || (world.variant != KILL && makers == 0))
		broken("%u of three who opened a new group were told that they made it", makers);
	group_finish();
}

static bool always(unsigned number)
{
	(void)number;
	return true;
}

static void setup_delete(void)
{
	setup();
	group_again = always; /* each message by several groups */
}

static void delete_child(void)
{
	q = session_open();
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	deadline("shmq_group_delete");
	shmq_group_delete(q, IN, GROUP);
	step_mark(MARK_END);
	shmq_close(q);
}

/* The group is the old one, or the attacher's, or nobody's: from now on it is one that everybody finds. */
static void others_delete(void)
{
	keeper.may_be_gone = true;
	hand_drain(&keeper);
	if (keeper.gone) {
		hand_close(&keeper);
		for (unsigned n = 0; n < world.shared->inputs; n++)
			world.shared->fate[n] = (struct fate){ .sent = true, .may_be_skipped = true };
		hand_session(&keeper, "the next keeper");
		keeper.may_be_late = keeper.may_be_gone = true;
		hand_attach(&keeper, 0);
	}
	group_others();
}

/* The deleter may have found the last one. */
static void finish_delete(void)
{
	for (unsigned i = 0; i < 3; i++) {
		hand_drain(&keeper);
		if (!keeper.gone)
			break;
		hand_close(&keeper);
		for (unsigned n = 0; n < world.shared->inputs; n++)
			world.shared->fate[n] = (struct fate){ .sent = true, .may_be_skipped = true };
		hand_session(&keeper, "the last keeper");
		keeper.may_be_late = keeper.may_be_gone = true;
		hand_attach(&keeper, 0);
	}
	group_finish();
}

static void setup_seek(void)
{
	setup();
	hand_drain(&keeper);
	inputs_send(4, SMALL);
	group_again = always;
	group_may_miss = true;
}

static void seek_child(void)
{
	struct shmq_seek to = { .kind = SHMQ_SEEK_OFFSET, .value = 1 };

	q = session_open();
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	if (shmq_group_seek(q, IN, GROUP, &to, false, NULL) != SHMQ_OK)
		broken("shmq_group_seek: %s", shmq_error(q));
	step_mark(MARK_END);
	shmq_close(q);
}

/* What was done may come again. Deliveries are counted from the beginning then. */
static void finish_seek(void)
{
	group_settle_all();
	group_check();
	group_capacity();
	group_over();
}

static void consume_child(void)
{
	open_child(0);
	if (scenario->setup == setup_seek) {
		group_again = always;
		group_may_miss = true;
	}
	begin();
	if (hand_next(&child) == SHMQ_OK && child.count > 0)
		hand_end(&child, 0, END_ACK);
	hand_goes_on(&child);
}

/* ---- dead letters ------------------------------------------------------------------- */

static void setup_letter(void)
{
	setup();
	hand_must(&keeper, 2);
	hand_end(&keeper, 0, END_DEAD);
	hand_end(&keeper, 0, END_ACK);
}

static void requeue_child(void)
{
	struct shmq_dead_letter letter;
	unsigned writer, number;
	shmq_dlq *d;

	q = session_open();
	if (shmq_dlq_open(q, IN, GROUP, &d) != SHMQ_OK || shmq_dlq_next(d, &letter) != SHMQ_OK)
		broken("the dead letters: %s", shmq_error(q));
	message_parse("the dead letters", &letter.message, &writer, &number);
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
	world.shared->fate[number].tried[0] = END_REQUEUE;
	if (shmq_dlq_requeue(d, &letter, 0) != SHMQ_OK)
		broken("shmq_dlq_requeue: %s", shmq_error(q));
	step_mark(MARK_END);
	shmq_dlq_close(d);
	shmq_close(q);
}

#define ORDERED_GROUP SMALL_GROUP, .mode = SHMQ_GROUP_ORDERED
#define WIDER_TOPIC   { .slots = 8, .pool_bytes = 2u << 20, .keep_bytes = 1 } /* two may own an extent each */
#define PAIR(NAME, SAYS, GROUP_, SETUP, READY, A, B, OTHERS, FINISH)                                    \
	{                                                                                               \
		.name = NAME, .says = SAYS, .variants = KILL | STOP, .children = 2,                     \
		.topic = WIDER_TOPIC, .group = { GROUP_ }, .setup = SETUP, .ready = READY,              \
		.child = { A, B }, .others = OTHERS, .finish = FINISH                                   \
	}

const struct scenario group_pair_scenarios[] = {
	PAIR("pair-settle-resolve", "a settler, and who resolves its message", SMALL_GROUP, setup_target, NULL,
	     armed_child, later_child, group_others, group_finish),
	PAIR("pair-resolve", "two resolve what a dead settler had not linked", SMALL_GROUP, setup_dead_settler,
	     second_passes, next_child, next_child, group_others, group_finish),
	PAIR("pair-resolve-linked", "two resolve what a dead settler had linked", SMALL_GROUP,
	     setup_dead_linked, second_passes, next_child, next_child, group_others, group_finish),
	PAIR("pair-sweep", "two take what a dead consumer held", SMALL_GROUP, setup_dead, second_passes,
	     next_child, next_child, group_others, group_finish),
	PAIR("pair-claim-later", "one takes a message, the other breaks its lease", SMALL_GROUP, setup, NULL,
	     consume_child, later_child, group_others, group_finish),
	PAIR("pair-take-over", "the owner of a partition, and who takes it over", ORDERED_GROUP, setup, NULL,
	     owner_child, later_child, others_lease_first, group_finish),
	PAIR("pair-make", "two make the same group", SMALL_GROUP, setup_none, NULL, make_child, make_child,
	     others_make, finish_make),
	PAIR("pair-delete-attach", "one deletes the group, the other comes into it", SMALL_GROUP, setup_delete, NULL,
	     delete_child, make_child, others_delete, finish_delete),
	PAIR("pair-seek-consume", "one moves the group back, the other takes and acks", SMALL_GROUP, setup_seek,
	     NULL, seek_child, consume_child, group_others, finish_seek),
	PAIR("pair-requeue", "one requeues a dead letter, the other takes it", SMALL_GROUP, setup_letter, NULL,
	     requeue_child, consume_child, group_others, group_finish),
	{ .name = NULL },
};
