/* SPDX-License-Identifier: MIT */
/* group_scenarios.c - consumers of a group: what is claimed, begun, acked, given back and swept. */
#include "group_crowd.h"

static struct hand child;

static void setup(void)
{
	group_begin(false);
	inputs_send(1, SMALL);
	inputs_send(1, 3000);
	inputs_send(4, SMALL);
}

static void begin(void)
{
	step_mark(MARK_READY);
	child.operation = true;
	step_mark(MARK_BEGIN);
}

static void opened(unsigned flags, unsigned take)
{
	hand_open(&child, "the child", flags);
	hand_must(&child, take);
}

/* ---- one message -------------------------------------------------------------------- */

static void claim_child(void)
{
	opened(0, 0);
	begin();
	for (unsigned i = 0; i < 3; i++)
		hand_next(&child);
	hand_goes_on(&child);
}

static void claim_only_child(void)
{
	opened(SHMQ_CONSUME_MANUAL_START, 0);
	begin();
	hand_next(&child);
	hand_goes_on(&child);
}

static void start_child(void)
{
	opened(SHMQ_CONSUME_MANUAL_START, 2);
	begin();
	hand_start(&child, 1);
	hand_goes_on(&child);
}

static void ack_child(void)
{
	opened(0, 3);
	begin();
	hand_end(&child, 1, END_ACK);
	hand_goes_on(&child);
}

static void retry_child(void)
{
	opened(0, 2);
	begin();
	hand_retry(&child, 0, 200 * (int64_t)MS);
	hand_goes_on(&child);
}

static void retry_late_child(void)
{
	opened(0, 2);
	begin();
	hand_retry(&child, 0, 3 * (int64_t)SECOND);
	hand_goes_on(&child);
}

static void release_child(void)
{
	opened(0, 2);
	begin();
	hand_release(&child, 0);
	hand_goes_on(&child);
}

static void close_child(void)
{
	opened(0, 2);
	begin();
	hand_close(&child);
	step_mark(MARK_END);
}

/* ---- leases ------------------------------------------------------------------------- */

/* Its lease is over and was broken before it goes on; it gives back what it holds itself. */
static void rejoin_child(void)
{
	opened(0, 3);
	begin();
	child.may_be_late = true;
	if (hand_next(&child) == SHMQ_OK)
		broken("the lease is over, and the child was not told");
	hand_next(&child);
	hand_goes_on(&child);
}

static void lease_ends(void)
{
	group_time(LEASE + 2 * SECOND);
}

/* Words of the dead, given back by the first who looks for work. */
static void setup_dead(void)
{
	setup();
	group_dead_consumer(4, 1, 0);
}

static void setup_dead_claimed(void)
{
	setup();
	group_dead_consumer(3, 0, SHMQ_CONSUME_MANUAL_START);
}

static void second_passes(void)
{
	world_pass(SECOND + 100 * MS);
}

static void sweep_child(void)
{
	opened(0, 0);
	begin();
	for (unsigned i = 0; i < 2; i++)
		hand_next(&child);
	hand_goes_on(&child);
}

/* ---- a window that is full ---------------------------------------------------------- */

/* The keeper does what fits into the window above the first message. */
static void fill_window(void)
{
	while (world.shared->inputs < scenario->group.window + 12)
		inputs_send(12, SMALL);
	hand_drain(&keeper);
}

static void fill_and_wait(void)
{
	fill_window();
	second_passes();
}

/* It holds what the window begins with, and moves it out of the way while it goes on. */
static void rehome_child(void)
{
	opened(0, 1);
	hand_must_number(&child, 0);
	begin();
	hand_renew(&child);
	if (child.count > 0)
		hand_end(&child, 0, END_ACK);
	hand_goes_on(&child);
}

/* The first message waits for its retry. */
static void setup_waiting(void)
{
	setup();
	hand_must(&keeper, 1);
	hand_must_number(&keeper, 0);
	hand_retry(&keeper, 0, 990 * (int64_t)MS);
}

static void find_blocked_child(void)
{
	opened(0, 0);
	begin();
	hand_next(&child);
	hand_next(&child);
	hand_goes_on(&child);
}

/* As the others, but what stands still may hold up the window until its lease is over. */
static void others_lease_first(void)
{
	group_time(LEASE + 2 * SECOND);
	hand_drain(&keeper);
	group_others();
}

/* ---- ordered groups ----------------------------------------------------------------- */

static void own_child(void)
{
	opened(0, 0);
	begin();
	hand_next(&child);
	hand_goes_on(&child);
}

static void in_turn_child(void)
{
	opened(0, 1);
	begin();
	hand_end(&child, 0, END_ACK);
	hand_next(&child);
	hand_goes_on(&child);
}

static void pipelined_child(void)
{
	opened(SHMQ_CONSUME_PIPELINED, 2);
	begin();
	hand_next(&child);
	if (child.count > 0)
		hand_end(&child, 0, END_ACK);
	hand_goes_on(&child);
}

/* Its lease is over, and the first of its messages is another one's: the second must wait for that. */
static void later_first_child(void)
{
	opened(SHMQ_CONSUME_PIPELINED, 2);
	begin();
	child.may_be_late = true;
	child.held[0] = child.held[1]; /* the first is not its own any more */
	child.count = 1;
	hand_end(&child, 0, END_ACK);
	hand_goes_on(&child);
}

static void take_over(void)
{
	group_time(LEASE + 2 * SECOND);
	hand_must(&keeper, 1);
	hand_must_number(&keeper, 0);
}

static void others_late(void)
{
	while (keeper.count > 0)
		hand_end(&keeper, 0, END_ACK);
	others_lease_first();
}

static void setup_dead_owner(void)
{
	setup();
	group_dead_consumer(1, 0, 0);
}

#define ORDERED_GROUP SMALL_GROUP, .mode = SHMQ_GROUP_ORDERED
#define ONE(NAME, SAYS, GROUP_, SETUP, READY, CHILD, OTHERS, VARIANTS)                                  \
	{                                                                                               \
		.name = NAME, .says = SAYS, .variants = VARIANTS, .children = 1, .topic = SMALL_TOPIC,  \
		.group = { GROUP_ }, .setup = SETUP, .ready = READY, .child = { CHILD },                \
		.others = OTHERS, .finish = group_finish                                                \
	}

const struct scenario group_scenarios[] = {
	ONE("group-claim", "shmq_group_next()", SMALL_GROUP, setup, NULL, claim_child, group_others,
	    KILL | STOP),
	ONE("group-claim-only", "shmq_group_next() that starts nothing", SMALL_GROUP, setup, NULL,
	    claim_only_child, group_others, KILL | STOP),
	ONE("group-start", "shmq_group_start()", SMALL_GROUP, setup, NULL, start_child, group_others,
	    KILL | STOP),
	ONE("group-ack", "shmq_group_ack()", SMALL_GROUP, setup, NULL, ack_child, group_others, KILL | STOP),
	ONE("group-retry", "shmq_group_retry() in its place", SMALL_GROUP, setup, NULL, retry_child,
	    group_others, KILL | STOP),
	ONE("group-retry-late", "shmq_group_retry() into the return log", SMALL_GROUP, setup, NULL,
	    retry_late_child, group_others, KILL | STOP),
	ONE("group-release", "shmq_group_release()", SMALL_GROUP, setup, NULL, release_child, group_others,
	    KILL | STOP),
	ONE("group-close", "shmq_group_close() with messages in hand", SMALL_GROUP, setup, NULL, close_child,
	    group_others, KILL | STOP),
	ONE("group-rejoin", "a consumer whose lease was broken comes back", SMALL_GROUP, setup, lease_ends,
	    rejoin_child, group_others, KILL | STOP),
	ONE("group-sweep", "what a dead consumer had begun is given back and taken", SMALL_GROUP, setup_dead,
	    second_passes, sweep_child, group_others, KILL | STOP),
	ONE("group-sweep-claimed", "the same, not begun", SMALL_GROUP, setup_dead_claimed, second_passes,
	    sweep_child, group_others, KILL | STOP),
	ONE("group-rehome", "what is in hand and blocks a full window is moved", SMALL_GROUP, setup,
	    fill_and_wait, rehome_child, others_lease_first, KILL | STOP),
	ONE("group-rehome-waiting", "what waits and blocks a full window is moved", SMALL_GROUP,
	    setup_waiting, fill_window, find_blocked_child, others_lease_first, KILL | STOP),
	ONE("ordered-own", "the first message of an ordered group", ORDERED_GROUP, setup, NULL, own_child,
	    others_lease_first, KILL | STOP),
	ONE("ordered-turn", "acking, and the next one of an ordered group", ORDERED_GROUP, setup, NULL,
	    in_turn_child, others_lease_first, KILL | STOP),
	ONE("ordered-pipelined", "the same while others are in hand", ORDERED_GROUP, setup, NULL,
	    pipelined_child, others_lease_first, KILL | STOP),
	ONE("ordered-late", "a deposed owner acks what is not its turn", ORDERED_GROUP, setup, take_over,
	    later_first_child, others_late, KILL | STOP),
	ONE("ordered-take-over", "taking over from a dead owner", ORDERED_GROUP, setup_dead_owner,
	    second_passes, own_child, others_lease_first, KILL | STOP),
	{ .name = NULL },
};
