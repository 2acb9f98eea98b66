/* SPDX-License-Identifier: MIT */
/* settle_scenarios.c - a publish that acks what it was made from; and what others make of a settler that is gone. */
#include "group_crowd.h"

static struct hand child;

static void setup(void)
{
	group_begin(true);
	for (unsigned i = 0; i < 3; i++)
		peer_send(&steady, SMALL);
	view_settle(&all);
	inputs_send(1, SMALL);
	inputs_send(4, 3000);
}

static void begin(void)
{
	step_mark(MARK_READY);
	child.operation = true;
	step_mark(MARK_BEGIN);
}

static void settler(unsigned take)
{
	hand_open(&child, "the child", 0);
	hand_output(&child);
	hand_must(&child, take);
}

static void settle_child(void)
{
	settler(2);
	begin();
	hand_end(&child, 0, END_SETTLE);
	hand_goes_on(&child);
}

/* Its intent, its extent and its place in the target's file are there already. */
static void settle_again_child(void)
{
	settler(3);
	hand_end(&child, 0, END_SETTLE);
	begin();
	hand_end(&child, 0, END_SETTLE);
	hand_goes_on(&child);
}

static void settle_next_child(void)
{
	settler(1);
	begin();
	hand_end(&child, 0, END_SETTLE);
	hand_next(&child);
	hand_goes_on(&child);
}

/* ---- a target without room ---------------------------------------------------------- */

static void fill_slots(void)
{
	struct peer p;

	view_settle(&all);
	peer_open(&p, W_BEFORE, SHMQ_PUB_NO_WAIT);
	for (unsigned i = 0; i < 4 * scenario->topic.slots; i++)
		if (peer_send(&p, SMALL) != SHMQ_OK)
			break;
	peer_idle(&p);
	peer_close(&p);
}

#define WHOLE_EXTENT 261900u /* leaves no room in it for another one */
static void fill_memory(void)
{
	struct peer p;

	view_settle(&all);
	peer_open(&p, W_BEFORE, SHMQ_PUB_NO_WAIT);
	for (unsigned i = 0; i < 4 * scenario->topic.slots; i++)
		if (peer_send(&p, WHOLE_EXTENT) != SHMQ_OK)
			break;
	peer_close(&p);
}

static void make_room(int which)
{
	(void)which;
	if (!world.shared->stopped)
		view_settle(&all);
}

/* The target stays full until what the child held is decided. */
static void others_full(void)
{
	if (world.variant != CONTROL) {
		group_time(LEASE + 2 * SECOND);
		while (hand_next(&keeper) == SHMQ_OK)
			;
		struct shmq_group_info info = group_info(keeper.q);

		if (info.logs[0].inflight > keeper.count || info.retry > 0)
			broken("%llu messages are in hands while the target is full, %u of them live",
			       (unsigned long long)info.logs[0].inflight, keeper.count);
		view_settle(&all);
		hand_drain(&keeper);
		view_settle(&all);
		while (keeper.count > 0) {
			hand_end(&keeper, 0, END_SETTLE);
			view_settle(&all);
		}
	}
	group_others();
}

/* ---- two partitions ----------------------------------------------------------------- */

static shmq *two_q;
static shmq_sub *two_sub;

static void setup_two(void)
{
	struct shmq_sub_options o = { .flags = SHMQ_SUB_HOLD };

	group_begin(false);
	crowd_create();
	two_q = session_open();
	deadline("shmq_sub_open");
	if (shmq_sub_open(two_q, TOPIC, &o, &two_sub) != SHMQ_OK)
		broken("shmq_sub_open: %s", shmq_error(two_q));
	calm();
	inputs_send(4, SMALL);
}

/* What stands in the target: each output once. */
static void take_two(void)
{
	struct shmq_batch b;
	struct shmq_message m;
	int r;

	deadline("the outputs");
	while ((r = shmq_sub_next(two_sub, &b)) == SHMQ_OK)
		while (shmq_batch_next(&b, &m) == 1) {
			unsigned writer, number;

			message_parse("the outputs", &m, &writer, &number);
			if (world.shared->offset_of[writer][number] != 0)
				broken("the output of message %u stands in the target twice", number);
			world.shared->offset_of[writer][number] = (uint32_t)m.offset + 1;
		}
	if (r != SHMQ_EMPTY)
		broken("shmq_sub_next returned %d: %s", r, shmq_error(two_q));
	calm();
}

/* One input after the other, each into a partition of its own. */
static void two_child(void)
{
	settler(3);
	begin();
	for (unsigned i = 0; i < 2 && child.count > 0; i++) {
		child.partition = (int)i;
		hand_end(&child, 0, END_SETTLE);
	}
	hand_goes_on(&child);
}

static void others_two(void)
{
	group_others();
	take_two();
}

static void finish_two(void)
{
	group_settle_all();
	take_two();
	group_check();
	group_capacity();
	group_over();
	shmq_sub_close(two_sub);
	shmq_close(two_q);
}

/* ---- resolvers ---------------------------------------------------------------------- */

static void dead_settler(enum link_stop where, enum end how)
{
	setup();
	group_dead_settler(where, how);
}

static void setup_unlinked(void)
{
	dead_settler(LINK_BEFORE, END_SETTLE);
}

static void setup_linked(void)
{
	dead_settler(LINK_AFTER, END_SETTLE);
}

static void setup_return_unlinked(void)
{
	dead_settler(LINK_BEFORE, END_RETRY);
}

static void setup_return_linked(void)
{
	dead_settler(LINK_AFTER, END_RETRY);
}

static void second_passes(void)
{
	world_pass(SECOND + 100 * MS);
}

/* Full again, so that the resolver finds no room. */
static void fill_for_resolver(void)
{
	second_passes();
	fill_slots();
}

static void resolve_child(void)
{
	settler(0);
	begin();
	hand_next(&child);
	hand_goes_on(&child);
}

/* Its session stands in the dead one's slot: it joins, */
static void join_child(void)
{
	hand_session(&child, "the child");
	begin();
	hand_attach(&child, SHMQ_CONSUME_NO_CREATE);
	hand_output(&child);
	hand_goes_on(&child);
}

/* and settles with the same intent. */
static void same_slot_child(void)
{
	hand_session(&child, "the child");
	hand_attach(&child, SHMQ_CONSUME_NO_CREATE);
	hand_output(&child);
	hand_must(&child, 1);
	begin();
	hand_end(&child, 0, END_SETTLE);
	hand_goes_on(&child);
}

/* A publisher needs the extent in which the dead settler's frame stands, before anybody has resolved it. */
static struct peer publisher;

static void bury_child(void)
{
	peer_open(&publisher, W_CHILD, 0);
	step_mark(MARK_READY);
	peer_make(&publisher, 1, LARGE);
	step_mark(MARK_BEGIN);
	peer_send(&publisher, LARGE);
	step_mark(MARK_END);
	publisher.made = NULL;
	peer_idle(&publisher);
	peer_close(&publisher);
}

/* All memory but what the settler is about to use is full and not read. */
static void setup_last_extent(enum link_stop where)
{
	group_begin(true);
	inputs_send(3, SMALL);
	fill_memory();
	view_take(&all, 2); /* of which one is handled by then */
	group_dead_settler(where, END_SETTLE);
}

static void setup_last_unlinked(void)
{
	setup_last_extent(LINK_BEFORE);
}

static void setup_last_linked(void)
{
	setup_last_extent(LINK_AFTER);
}

/* What stands still is looked after before anything else is done. */
static void others_lease_first(void)
{
	group_time(LEASE + 2 * SECOND);
	hand_drain(&keeper);
	group_others();
}

/* The publisher runs a lap round before anybody asks what became of the settler. */
static void others_lap_first(void)
{
	crowd_lap();
	group_others();
}

/* ---- the return log ----------------------------------------------------------------- */

static void setup_plain(void)
{
	group_begin(false);
	inputs_send(4, SMALL);
}

/* Its oldest row lives, and what follows is over: the next row needs the place. */
static void setup_compaction(void)
{
	setup_plain();
	hand_must(&keeper, 1);
	hand_end(&keeper, 0, END_DEAD);
	for (unsigned i = 0; i < 4; i++) {
		unsigned n = i < 3 ? 12 : 11;

		inputs_send(n, SMALL);
		hand_must(&keeper, n);
		while (keeper.count > 0)
			hand_retry(&keeper, 0, 1500 * (int64_t)MS);
		group_time(2 * SECOND);
		hand_drain(&keeper);
	}
	inputs_send(2, SMALL);
}

static void compaction_child(void)
{
	hand_open(&child, "the child", 0);
	hand_must(&child, 2);
	begin();
	hand_retry(&child, 0, 1500 * (int64_t)MS);
	hand_goes_on(&child);
}

/* More than a lap of the return log. */
static void returns_lap(void)
{
	for (unsigned i = 0; i < 6; i++) {
		inputs_send(12, SMALL);
		hand_must(&keeper, 12);
		while (keeper.count > 0)
			hand_retry(&keeper, 0, 1100 * (int64_t)MS);
		group_time(2 * SECOND);
		hand_drain(&keeper);
	}
}

static void others_returns(void)
{
	group_others();
	returns_lap();
}

static void setup_return_rows(void)
{
	setup_plain();
	inputs_send(6, SMALL);
	hand_must(&keeper, 6);
	while (keeper.count > 0)
		hand_retry(&keeper, 0, 1100 * (int64_t)MS);
}

static void rows_are_due(void)
{
	group_time(2 * SECOND);
}

/* It takes rows of the return log, and gives one of them back into it. */
static void take_row_child(void)
{
	hand_open(&child, "the child", 0);
	begin();
	for (unsigned i = 0; i < 3; i++)
		hand_next(&child);
	if (child.count > 0)
		hand_retry(&child, 0, 1100 * (int64_t)MS);
	hand_goes_on(&child);
}

static void finish_returns(void)
{
	group_settle_all();
	group_check();
	group_returns_capacity();
	group_check();
	group_over();
}

#define TWO_TOPIC { .slots = 256, .pool_bytes = 1u << 20, .keep_bytes = 1, .partitions = 2 }
#define SETTLE(NAME, SAYS, TOPIC_, SETUP, READY, CHILD, OTHERS, FINISH, VARIANTS)                       \
	{                                                                                               \
		.name = NAME, .says = SAYS, .variants = VARIANTS, .children = 1, .topic = TOPIC_,       \
		.group = { SMALL_GROUP }, .setup = SETUP, .ready = READY, .child = { CHILD },           \
		.asleep = make_room, .others = OTHERS, .finish = FINISH                                 \
	}

#define ORDERED(NAME, SAYS, SETUP, READY, CHILD)                                                        \
	{                                                                                               \
		.name = NAME, .says = SAYS, .variants = KILL | STOP, .children = 1,                     \
		.topic = SMALL_TOPIC, .group = { SMALL_GROUP, .mode = SHMQ_GROUP_ORDERED },             \
		.setup = SETUP, .ready = READY, .child = { CHILD }, .others = others_lease_first,       \
		.finish = group_finish                                                                  \
	}

const struct scenario settle_scenarios[] = {
	SETTLE("settle", "shmq_group_settle()", SMALL_TOPIC, setup, NULL, settle_child, group_others,
	       group_finish, ALL_VARIANTS),
	SETTLE("settle-again", "the next one of a consumer", SMALL_TOPIC, setup, NULL, settle_again_child,
	       group_others, group_finish, KILL | STOP),
	SETTLE("settle-full", "the same when the target is full", SMALL_TOPIC, setup, fill_slots, settle_child,
	       others_full, group_finish, KILL | STOP),
	SETTLE("settle-full-memory", "the same when the target's memory is full", SMALL_TOPIC, setup,
	       fill_memory, settle_child, others_full, group_finish, KILL | STOP),
	SETTLE("settle-two", "two settled into a partition each", TWO_TOPIC, setup_two, NULL, two_child,
	       others_two, finish_two, KILL | STOP),
	SETTLE("resolve-unlinked", "resolving a dead settler that had not linked", SMALL_TOPIC,
	       setup_unlinked, second_passes, resolve_child, group_others, group_finish, KILL | STOP),
	SETTLE("resolve-linked", "resolving a dead settler that had linked", SMALL_TOPIC, setup_linked,
	       second_passes, resolve_child, group_others, group_finish, KILL | STOP),
	SETTLE("resolve-full", "resolving one whose target is full", SMALL_TOPIC, setup_unlinked,
	       fill_for_resolver, resolve_child, others_full, group_finish, KILL | STOP),
	SETTLE("resolve-return", "resolving one that died on the way to the return log", SMALL_TOPIC,
	       setup_return_unlinked, second_passes, resolve_child, group_others, group_finish, KILL | STOP),
	SETTLE("resolve-returned", "the same, when it had linked", SMALL_TOPIC, setup_return_linked,
	       second_passes, resolve_child, group_others, group_finish, KILL | STOP),
	SETTLE("settle-join", "joining in the slot of a dead settler", SMALL_TOPIC, setup_unlinked, NULL,
	       join_child, group_others, group_finish, KILL | STOP),
	SETTLE("settle-same-slot", "the next session of a dead settler's slot settles", SMALL_TOPIC,
	       setup_unlinked, NULL, same_slot_child, group_others, group_finish, KILL | STOP),
	SETTLE("settle-same-slot-2", "the same, when the dead one had linked", SMALL_TOPIC, setup_linked, NULL,
	       same_slot_child, group_others, group_finish, KILL | STOP),
	SETTLE("settle-bury", "a publisher buries a dead settler's extent", SMALL_TOPIC, setup_last_unlinked,
	       NULL, bury_child, others_lease_first, group_finish, KILL | STOP),
	SETTLE("settle-bury-lap", "the same, and nobody asks for a lap what became of it", SMALL_TOPIC,
	       setup_last_unlinked, NULL, bury_child, others_lap_first, group_finish, KILL | STOP),
	SETTLE("settle-bury-linked", "the same, when it had linked", SMALL_TOPIC, setup_last_linked, NULL,
	       bury_child, others_lap_first, group_finish, KILL | STOP),
	SETTLE("returns-compaction", "the oldest row of a return log is moved to its end", SMALL_TOPIC,
	       setup_compaction, NULL, compaction_child, others_returns, finish_returns, KILL | STOP),
	SETTLE("returns-take", "rows of a return log are taken, one goes back", SMALL_TOPIC,
	       setup_return_rows, rows_are_due, take_row_child, others_returns, finish_returns, KILL | STOP),
	ORDERED("ordered-settle", "shmq_group_settle() of an ordered group", setup, NULL, settle_next_child),
	ORDERED("ordered-resolve", "taking over from an owner that died before it linked its output",
	        setup_unlinked, second_passes, resolve_child),
	ORDERED("ordered-resolve-linked", "the same, when it had linked", setup_linked, second_passes,
	        resolve_child),
	{ .name = NULL },
};
