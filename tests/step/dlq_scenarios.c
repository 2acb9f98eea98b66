/* SPDX-License-Identifier: MIT */
/* dlq_scenarios.c - messages become dead letters; dead letters are requeued, dropped, replaced and moved. */
#include <string.h>

#include "group_crowd.h"

static struct hand child;

/* What a child does with the dead letters, with a session of its own. */
static struct {
	shmq *q;
	shmq_dlq *d;
	shmq_pub *out;
	struct shmq_dead_letter letter;
	unsigned number;
} desk;

enum { CHILD_SAID, REQUEUED }; /* in shared->number: what the child was told, + 1; which letters, as they were,
                                  the others have requeued: one bit each */

static void setup(void)
{
	group_begin(scenario->child[0] && strcmp(scenario->name, "dlq-move") == 0);
	inputs_send(2, SMALL);
	inputs_send(4, 3000);
}

static void begin(void)
{
	step_mark(MARK_READY);
	child.operation = true;
	step_mark(MARK_BEGIN);
}

/* ---- becoming one ------------------------------------------------------------------- */

static void dead_child(void)
{
	hand_open(&child, "the child", 0);
	hand_must(&child, 3);
	begin();
	hand_end(&child, 1, END_DEAD);
	hand_goes_on(&child);
}

static void last_retry_child(void)
{
	hand_open(&child, "the child", 0);
	hand_must(&child, 2);
	begin();
	hand_retry(&child, 0, 0);
	hand_goes_on(&child);
}

/* Its only delivery was a dead consumer's: whoever finds it buries it. */
static void setup_last_delivery(void)
{
	setup();
	group_dead_consumer(2, 0, 0);
}

static void second_passes(void)
{
	world_pass(SECOND + 100 * MS);
}

static void bury_child(void)
{
	hand_open(&child, "the child", 0);
	begin();
	hand_next(&child);
	hand_goes_on(&child);
}

/* Nobody ends what became dead by being taken. */
static void note_buried(shmq_dlq *d, const struct shmq_dead_letter *letter, unsigned writer, unsigned number)
{
	(void)d;
	(void)writer;
	if (letter->attempts != 1)
		broken("dead letter %u has %u attempts", number, letter->attempts);
	if (world.shared->fate[number].ended == END_NONE)
		world.shared->fate[number].ended = END_DEAD;
}

static void finish_buried(void)
{
	group_settle_all();
	group_letters(note_buried);
	group_check();
	group_returns_capacity();
	group_over();
}

/* ---- what is done with them --------------------------------------------------------- */

static void setup_letters(void)
{
	setup();
	hand_must(&keeper, 3);
	while (keeper.count > 0)
		hand_end(&keeper, 0, END_DEAD);
}

static void desk_open(void)
{
	desk.q = session_open();
	deadline("the dead letters");
	int r = shmq_dlq_open(desk.q, IN, GROUP, &desk.d);

	if (r == SHMQ_OK)
		r = shmq_dlq_next(desk.d, &desk.letter);
	if (r == SHMQ_OK)
		r = shmq_dlq_next(desk.d, &desk.letter);
	if (r != SHMQ_OK)
		broken("the dead letters: %d, %s", r, shmq_error(desk.q));
	calm();
	unsigned writer;

	message_parse("the dead letters", &desk.letter.message, &writer, &desk.number);
	step_mark(MARK_READY);
}

/* What it is told it may be told late, when others have done something with the letter meanwhile. */
static void desk_said(int r, enum end how)
{
	struct fate *f = &world.shared->fate[desk.number];

	if (r != SHMQ_OK && !(r == SHMQ_LATE && world.shared->stopped))
		broken("the dead letter was to be %d, and was not: %d, %s", (int)how, r, shmq_error(desk.q));
	if (r == SHMQ_OK && (world.shared->number[REQUEUED] >> desk.number & 1))
		broken("the child and others have each done something with one dead letter");
	if (r == SHMQ_OK && how != END_REPLACE && how != END_REQUEUE)
		f->ended = (uint8_t)how;
	world.shared->number[CHILD_SAID] = r + 1;
	if (r != SHMQ_OK || how != END_REQUEUE) /* that stays: whoever is given the message finds it there */
		f->tried[0] = END_NONE;
}

static void trying(enum end how)
{
	step_mark(MARK_BEGIN);
	world.shared->fate[desk.number].tried[0] = (uint8_t)how;
}

static void desk_close(void)
{
	step_mark(MARK_END);
	shmq_dlq_close(desk.d);
	shmq_pub_close(desk.out);
	shmq_close(desk.q);
}

static void requeue_child(void)
{
	desk_open();
	trying(END_REQUEUE);
	desk_said(shmq_dlq_requeue(desk.d, &desk.letter, 0), END_REQUEUE);
	desk_close();
}

static void drop_child(void)
{
	desk_open();
	trying(END_DROP);
	desk_said(shmq_dlq_drop(desk.d, &desk.letter), END_DROP);
	desk_close();
}

static void replace_child(void)
{
	static char value[SMALL];
	struct shmq_message m = { .value = value, .value_len = SMALL, .partition = -1 };

	desk_open();
	message_make(value, W_REPLACED, desk.number, SMALL);
	trying(END_REPLACE);
	desk_said(shmq_dlq_replace(desk.d, &desk.letter, &m), END_REPLACE);
	desk_close();
}

static void move_child(void)
{
	struct shmq_pub_options o = { .flags = SHMQ_PUB_NO_CREATE };

	desk_open();
	if (shmq_pub_open(desk.q, TOPIC, &o, &desk.out, NULL) != SHMQ_OK)
		broken("shmq_pub_open: %s", shmq_error(desk.q));
	trying(END_MOVE);
	desk_said(shmq_dlq_move(desk.d, &desk.letter, desk.out, 20 * (int64_t)SECOND), END_MOVE);
	desk_close();
}

/* ---- others, finish ----------------------------------------------------------------- */

/* More than a lap of the return log: what becomes dead, and is dropped. */
static void letters_lap(void)
{
	for (unsigned i = 0; i < 7; i++) {
		inputs_send(10, SMALL);
		hand_must(&keeper, 10);
		while (keeper.count > 0)
			hand_retry(&keeper, 0, 1100 * (int64_t)MS);
		group_time(2 * SECOND);
		hand_drain(&keeper);
	}
}

static unsigned replaced;

static void count_replaced(shmq_dlq *d, const struct shmq_dead_letter *letter, unsigned writer, unsigned number)
{
	(void)d;
	if (writer == W_REPLACED)
		replaced++;
	if (letter->attempts != 1 || letter->requeues != 0)
		broken("dead letter %u has %u attempts and was requeued %u times", number, letter->attempts,
		       letter->requeues);
}

/* One after the other, with whatever is there by now: they must come to somebody, once. */
static void requeue_letter(shmq_dlq *d, const struct shmq_dead_letter *letter, unsigned writer, unsigned number)
{
	struct fate *f = &world.shared->fate[number];
	int r;

	if (writer != W_REPLACED)
		world.shared->number[REQUEUED] |= INT64_C(1) << number;
	f->charged_min = f->charged_max = 0;
	f->ended = f->tried[0] = END_NONE;
	r = shmq_dlq_requeue(d, letter, 0);
	if (r != SHMQ_OK)
		broken("dead letter %u cannot be requeued: %d", number, r);
}

/* Others find the letters as they are, and go on. */
static void others_look(void)
{
	replaced = 0;
	group_letters(count_replaced);
	group_others();
	letters_lap();
}

/* Others take every dead letter that is there while the child stands still: it comes too late, or has
 * done it before. */
static void others_requeue(void)
{
	group_others();
	if (world.shared->stopped)
		group_time(LEASE + 2 * SECOND);
	group_letters(requeue_letter);
	hand_drain(&keeper);
	letters_lap();
}

static void finish_letters(void)
{
	bool target = keeper.out != NULL;

	group_settle_all();
	replaced = 0;
	group_letters(count_replaced);
	if (world.shared->number[CHILD_SAID] == SHMQ_OK + 1 &&
	    strcmp(scenario->name, "dlq-replace") == 0 && replaced != 1)
		broken("the child was told that its content is in, and there are %u of it", replaced);
	group_check();
	group_letters(requeue_letter);
	group_settle_all();
	group_check();
	if (!target)
		group_returns_capacity();
	group_over();
	if (target)
		crowd_end();
}

#define DLQ(NAME, SAYS, GROUP_, SETUP, READY, CHILD, OTHERS, FINISH)                                    \
	{                                                                                               \
		.name = NAME, .says = SAYS, .variants = KILL | STOP, .children = 1,                     \
		.topic = SMALL_TOPIC, .group = { GROUP_ }, .setup = SETUP, .ready = READY,              \
		.child = { CHILD }, .others = OTHERS, .finish = FINISH                                  \
	}
#define ONE_DELIVERY SMALL_GROUP, .retries = 1

const struct scenario dlq_scenarios[] = {
	DLQ("dlq-dead", "shmq_group_dead()", SMALL_GROUP, setup, NULL, dead_child, group_others, finish_letters),
	DLQ("dlq-last-retry", "shmq_group_retry() of the last delivery", ONE_DELIVERY, setup, NULL,
	    last_retry_child, group_others, finish_buried),
	DLQ("dlq-bury", "a consumer finds what a dead one had its last delivery of", ONE_DELIVERY,
	    setup_last_delivery, second_passes, bury_child, group_others, finish_buried),
	DLQ("dlq-requeue", "shmq_dlq_requeue()", SMALL_GROUP, setup_letters, NULL, requeue_child, group_others,
	    finish_letters),
	DLQ("dlq-requeue-twice", "the same, and others do it as well", SMALL_GROUP, setup_letters, NULL,
	    requeue_child, others_requeue, finish_letters),
	DLQ("dlq-drop", "shmq_dlq_drop()", SMALL_GROUP, setup_letters, NULL, drop_child, group_others,
	    finish_letters),
	DLQ("dlq-replace", "shmq_dlq_replace()", SMALL_GROUP, setup_letters, NULL, replace_child, others_look,
	    finish_letters),
	DLQ("dlq-move", "shmq_dlq_move()", SMALL_GROUP, setup_letters, NULL, move_child, group_others,
	    finish_letters),
	DLQ("dlq-drop-requeue", "shmq_dlq_drop(), and others requeue it", SMALL_GROUP, setup_letters, NULL,
	    drop_child, others_requeue, finish_letters),
	DLQ("dlq-replace-requeue", "shmq_dlq_replace(), and others requeue it", SMALL_GROUP, setup_letters,
	    NULL, replace_child, others_requeue, finish_letters),
	{ .name = NULL },
};
