/* SPDX-License-Identifier: MIT */
/*
 * group_races_test.c - what consumers of a group do to each other, and those who come from outside to them, between
 * two steps of theirs.
 */
#include "seams.h"

static shmq *q;

/* ---- a claim hint behind the floor -------------------------------------------------- */

/* One does 10 of a frame of 100, another one the rest of what the first had reserved. */
static void reserved_and_done(const char *topic, shmq_group **a, shmq_group **b)
{
	topic_make(q, topic, 1);
	publish_numbers(q, topic, 0, 100, true);
	*a = consumer(broker(), topic, "g", NULL, 0);
	*b = consumer(broker(), topic, "g", NULL, 0);
	is_u64(ack_so_many(*a, 10), 10, "%s: 10 of 100 are done by who reserved all", topic);
	is_u64(ack_so_many(*b, 90), 90, "%s: the others by another one", topic);
}

static void hint_of_closed(void)
{
	shmq_group *a, *b;

	reserved_and_done("closed", &a, &b);
	shmq_group_close(a);
	publish_numbers(q, "closed", 100, 150, true);
	is_u64(ack_so_many(b, 50), 50, "who closes moves nothing back over what is done");
	is_u64(lag_of(q, "closed", "g"), 0, "nothing is left");
	shmq_group_close(b);
}

static void hint_of_late(void)
{
	struct shmq_delivery d;
	shmq_group *a, *b;

	reserved_and_done("late", &a, &b);
	lease_break(a);
	is_i64(shmq_group_next(a, &d), SHMQ_LATE, "who stood still is told so");
	publish_numbers(q, "late", 100, 150, true);
	is_u64(ack_so_many(b, 25), 25, "and has moved nothing back over what is done");
	is_u64(ack_so_many(a, 25), 25, "it goes on, too");
	is_u64(lag_of(q, "late", "g"), 0, "nothing is left");
	shmq_group_close(a);
	shmq_group_close(b);
}

static void hint_of_ordered(void)
{
	struct shmq_group_options o = {.mode = SHMQ_GROUP_ORDERED};
	shmq_group *g;

	topic_make(q, "altered", 1);
	publish_numbers(q, "altered", 0, 10, false);
	g = consumer(broker(), "altered", "g", &o, 0);
	is_u64(ack_so_many(g, 10), 10, "an ordered group, which has no claim hint");
	o.mode = SHMQ_GROUP_SHARED;
	step(shmq_group_alter(q, "altered", "g", &o, SHMQ_SET_MODE));
	publish_numbers(q, "altered", 10, 20, false);
	is_u64(ack_so_many(g, 10), 10, "it is shared now: goes on behind what is done");
	shmq_group_close(g);
}

/* ---- seeks -------------------------------------------------------------------------- */

static void seek_then_close(void *argument)
{
	shmq *mine = broker();
	shmq_group *g = consumer(broker(), "beside", "close", NULL, 0);
	struct shmq_delivery d;

	(void)argument;
	if (shmq_group_next(g, &d) != 0 || shmq_group_ack(g, &d) != 0)
		_exit(1);
	seek_group(mine, "beside", "close", SHMQ_SEEK_LAST);
	shmq_group_close(g);
	g = consumer(mine, "beside", "close", NULL, 0);
	publish_words(mine, "beside", "new");
	if (shmq_group_next(g, &d) != 0 || strcmp(value_of(&d.message), "new") != 0)
		_exit(2);
	shmq_group_close(g);
}

static void seek_when_late(void *argument)
{
	shmq *mine = broker();
	shmq_group *g = consumer(broker(), "beside", "late", NULL, 0);
	struct shmq_delivery d;

	(void)argument;
	if (shmq_group_next(g, &d) != 0 || shmq_group_next(g, &d) != 0)
		_exit(1);
	lease_break(g);
	seek_group(mine, "beside", "late", SHMQ_SEEK_BEGINNING);
	if (shmq_group_next(g, &d) != SHMQ_LATE)
		_exit(2);
	if (shmq_group_next(g, &d) != 0 || d.message.offset != 0 || d.attempt != 1)
		_exit(3);
	shmq_group_close(g);
}

static void seek_dry(void *argument)
{
	struct shmq_seek to = {.kind = SHMQ_SEEK_END};
	struct shmq_group_place place[1];
	shmq *mine = broker();
	shmq_group *g = consumer(broker(), "beside", "dry", NULL, 0);

	(void)argument;
	/* The hint of the floor stays behind what is done. */
	if (ack_so_many(g, 3) != 3 || window_floor(&g->lanes[0].window) == 3)
		_exit(1);
	if (shmq_group_seek(mine, "beside", "dry", &to, true, place) != 0)
		_exit(2);
	_exit(place[0].from == 3 && place[0].to == 10 ? 0 : 3);
}

static void seek_beside(void)
{
	topic_make(q, "beside", 1);
	publish_numbers(q, "beside", 0, 10, true);
	is_i64(finish(start(seek_dry, NULL)), 0, "what a seek would do is told, and nothing is written");
	is_i64(finish(start(seek_when_late, NULL)), 0, "a seek beside a consumer whose lease is broken");
	is_i64(finish(start(seek_then_close, NULL)), 0, "a seek beside a consumer that then closes");
}

static void in_hand_across_seek(void)
{
	struct shmq_delivery d[3], e;
	shmq *qa = broker(), *qb = broker();
	struct shmq_message m = {.value = "out", .value_len = 3, .partition = -1};
	shmq_pub *pa, *pb;
	shmq_group *a, *b;

	topic_make(q, "across", 1);
	topic_make(q, "across-out", 1);
	publish_words(q, "across", "x y z");
	a = consumer(qa, "across", "g", NULL, 0);
	b = consumer(qb, "across", "g", NULL, 0);
	pa = publisher(qa, "across-out", 0, LIMIT_MS);
	pb = publisher(qb, "across-out", 0, LIMIT_MS);
	for (unsigned i = 0; i < 3; i++)
		step(shmq_group_next(a, &d[i]));
	seek_group(q, "across", "g", SHMQ_SEEK_BEGINNING);
	next_is(b, &e, "x", 1, "a seek to the beginning: another consumer gets what is in hand");
	is_i64(shmq_group_settle(b, &e, pb, &m, 1, 0), 0, "and settles it");
	is_i64(shmq_group_settle(a, &d[0], pa, &m, 1, 0), SHMQ_LATE, "who had it in hand cannot");
	is_str(contents(q, "across-out", -1), "out ", "it is published once");
	is_i64(shmq_group_retry(a, &d[1], 1500 * MS, NULL, NULL), SHMQ_LATE, "nor retry another one");
	is_i64(shmq_group_dead(a, &d[2], NULL), SHMQ_LATE, "nor bury one");
	is_i64(shmq_group_ack(a, &d[2]), SHMQ_LATE, "nor ack it");
	is_u64(info_of(q, "across", "g").retry, 0, "nothing waits for a retry");
	is_u64(info_of(q, "across", "g").dead, 0, "nothing is dead");
	is_u64(ack_so_many(b, 2), 2, "the others come, too");
	is_i64(shmq_group_next(a, &e), SHMQ_EMPTY, "once");
	shmq_pub_close(pa);
	shmq_pub_close(pb);
	shmq_group_close(a);
	shmq_group_close(b);
}

static const char *sought;

static void seek_now(void)
{
	seek_group(q, sought, "g", SHMQ_SEEK_BEGINNING);
}

/* The seek comes while the message is being settled, in a step of that. */
static void settled_across_seek(const char *topic, hook **when)
{
	struct shmq_message m = {.value = "out", .value_len = 3, .partition = -1};
	struct shmq_delivery d;
	shmq *mine = broker();
	char target[64];
	shmq_pub *p;
	shmq_group *g;

	snprintf(target, sizeof target, "%s-out", topic);
	topic_make(q, topic, 1);
	topic_make(q, target, 1);
	publish_words(q, topic, "x");
	g = consumer(mine, topic, "g", NULL, 0);
	p = publisher(mine, target, 0, LIMIT_MS);
	step(shmq_group_next(g, &d));
	sought = topic;
	*when = seek_now;
	is_i64(shmq_group_settle(g, &d, p, &m, 1, 0), SHMQ_LATE, "%s: a seek while a message is settled", topic);
	ok(*when == NULL, "%s: it was", topic);
	is_str(contents(q, target, -1), "", "%s: nothing is published", topic);
	next_is(g, &d, "x", 1, "the message comes again");
	is_i64(shmq_group_settle(g, &d, p, &m, 1, 0), 0, "%s: and is settled", topic);
	is_str(contents(q, target, -1), "out ", "%s: once", topic);
	shmq_pub_close(p);
	shmq_group_close(g);
}

/* ---- the return log ----------------------------------------------------------------- */

static shmq_group *long_group;
static struct shmq_delivery long_one;
static int long_result = -99;

static void ack_long_one(void)
{
	long_result = shmq_group_ack(long_group, &long_one);
}

/* The oldest row, which was to be moved to make room, is done just then. */
static void oldest_row_done(void)
{
	struct shmq_group_options o = {.returns_rows = 16, .retries = 250};
	struct shmq_dead_letter letter;
	struct shmq_delivery d;
	shmq_group *a, *b;
	shmq_dlq *dlq;

	topic_make(q, "oldest", 1);
	publish_words(q, "oldest", "long");
	a = consumer(broker(), "oldest", "g", &o, 0);
	step(shmq_group_next(a, &d));
	step(shmq_group_retry(a, &d, 1100 * MS, NULL, NULL));
	leap(1200);
	b = consumer(broker(), "oldest", "g", &o, 0);
	is_i64(later(b, &long_one), 0, "the oldest row of a return log is in hand");
	long_group = b;
	need(shmq_dlq_open(q, "oldest", "g", &dlq));
	while (ring_end(&a->g.returns) < a->g.returns.slot_count - a->g.returns.slot_count / 4) {
		publish_words(q, "oldest", "x");
		if (later(a, &d) != 0 || !step(shmq_group_dead(a, &d, NULL)))
			break;
		while (shmq_dlq_next(dlq, &letter) == 0)
			step(shmq_dlq_drop(dlq, &letter));
	}
	publish_words(q, "oldest", "kept");
	step(later(a, &d));
	on_known_end = ack_long_one;
	is_i64(shmq_group_dead(a, &d, NULL), 0, "room is made for one more");
	is_i64(long_result, 0, "the oldest one is acked meanwhile");
	is_u64(info_of(q, "oldest", "g").dead, 1, "the new row is not taken for a damaged one");
	is_i64(shmq_dlq_next(dlq, &letter), 0, "it is there");
	is_str(value_of(&letter.message), "kept", "and is the message");
	shmq_dlq_close(dlq);
	shmq_group_close(a);
	shmq_group_close(b);
}

/* ---- two of one name ---------------------------------------------------------------- */

static struct rlimit files;

static void no_more_files(void)
{
	struct rlimit none = {.rlim_cur = 0, .rlim_max = files.rlim_max};

	need(setrlimit(RLIMIT_NOFILE, &none));
}

/* Between our looking for the name, and our word. */
static void another_makes_it(void)
{
	shmq_group *g = consumer(broker(), "names", "g", NULL, 0);

	shmq_group_close(g);
	link_file = "group.2"; /* ours, the last of its files: now it is looked whether the name stands */
	on_link_file = no_more_files;
}

static int count_groups(void *context, const char *name)
{
	(void)name;
	++*(unsigned *)context;
	return 0;
}

static void makers_without_files(void)
{
	shmq *mine = broker();
	bool created = true;
	unsigned n = 0;
	shmq_group *g;
	int r;

	topic_make(q, "names", 1);
	need(getrlimit(RLIMIT_NOFILE, &files));
	on_directory = another_makes_it;
	r = shmq_group_open(mine, "names", "g", NULL, &g, NULL);
	need(setrlimit(RLIMIT_NOFILE, &files));
	ok(on_link_file == NULL, "the second maker of a name cannot open the first one's file");
	is_i64(r, SHMQ_ESYSTEM, "so it makes nothing: %s", shmq_error(mine));
	step(shmq_group_list(q, "names", count_groups, &n));
	is_u64(n, 1, "one group of the name");
	is_i64(shmq_group_open(mine, "names", "g", NULL, &g, &created), 0, "when it can, it finds it");
	ok(!created, "and makes no other");
	shmq_group_close(g);
}

/* ---- a damaged intent --------------------------------------------------------------- */

static unsigned flip_field, flip_bit; /* 0: position, 1: word of the frame, 2: of the empty one */
static unsigned flip_slot;
static char flip_target[32];

/* The settler dies before it links, and what it announced is damaged. */
static void flip_and_die(void)
{
	struct intent *i = intent_of(linking_log, flip_slot);
	struct intent_fields *f = &i->fields[intent_seq(load_seq(&i->control)) & 1];
	atomic_u64 *field[] = {&f->position, &f->frame_word, &f->null_word};

	store_relaxed(field[flip_field], load_relaxed(field[flip_field]) ^ 1ULL << flip_bit);
	die();
}

static void settle_and_die(void *argument)
{
	struct shmq_message m = {.value = "never", .value_len = 5, .partition = -1};
	struct shmq_consume_options o = {.prefetch = 1};
	shmq *mine = broker();
	struct shmq_delivery d;
	shmq_group *g;
	shmq_pub *p;

	(void)argument;
	need(shmq_group_open(mine, "flip", "g", &o, &g, NULL));
	p = publisher(mine, flip_target, 0, LIMIT_MS);
	if (later(g, &d) != 0)
		_exit(1);
	flip_slot = mine->session.slot;
	on_link_at = flip_and_die;
	_exit(2 + (shmq_group_settle(g, &d, p, &m, 1, 0) != 0));
}

/* What a log holds that can be read. */
static const char *what_is_left(const char *topic)
{
	struct shmq_sub_options o = {.flags = SHMQ_SUB_BROWSE | SHMQ_SUB_EXIT_AT_END};
	static char text[256];
	shmq_sub *s;

	text[0] = '\0';
	need(shmq_sub_open(q, topic, &o, &s));
	while (read_all(s, text, sizeof text) == SHMQ_ECORRUPT && strlen(text) < 200)
		;
	shmq_sub_close(s);
	return text;
}

static void flipped_intents(void)
{
	static const char *const names[] = {"position", "word of the frame", "word of the empty frame"};
	shmq_group *g;

	topic_make(q, "flip", 1);
	g = consumer(broker(), "flip", "g", NULL, 0);
	for (flip_field = 0; flip_field < 3; flip_field++) {
		unsigned died = 0, again = 0, kept = 0, more = 0;

		for (flip_bit = 0; flip_bit < 64; flip_bit++) {
			struct shmq_delivery d;
			shmq_pub *p;

			snprintf(flip_target, sizeof flip_target, "flip-%u-%u", flip_field, flip_bit);
			topic_make(q, flip_target, 1);
			publish_words(q, flip_target, "a b c");
			publish_words(q, "flip", "m");
			died += finish(start(settle_and_die, NULL)) == -SIGKILL;
			again += later(g, &d) == 0 && shmq_group_ack(g, &d) == 0;
			kept += strcmp(what_is_left(flip_target), "a b c ") == 0;
			p = publisher(q, flip_target, 0, LIMIT_MS);
			more += publish(p, "d") == 0 && strcmp(what_is_left(flip_target), "a b c d ") == 0;
			shmq_pub_close(p);
			step(shmq_topic_delete(q, flip_target));
		}
		is_u64(died, 64, "64 settlers die; each time another bit of the intent flips: the %s", names[flip_field]);
		is_u64(again, 64, "the message comes again");
		is_u64(kept, 64, "what was linked is there");
		is_u64(more, 64, "and more can be");
	}
	shmq_group_close(g);
}

/* ---- leases ------------------------------------------------------------------------- */

static shmq_group *watcher;

static void watch(void)
{
	step(shmq_group_renew(watcher));
}

/* Somebody else looks after the leases all the time. */
static void waiting_keeps_a_lease(void)
{
	struct shmq_group_options o = {.lease_ns = 300 * MS};
	struct shmq_delivery d, e;
	shmq_group *g;

	topic_make(q, "waiting", 1);
	publish_words(q, "waiting", "x");
	g = consumer(broker(), "waiting", "g", &o, 0);
	step(shmq_group_next(g, &d));
	watcher = consumer(broker(), "waiting", "g", &o, 0);
	is_i64(shmq_group_next(g, &e), SHMQ_EMPTY, "one message in hand, and nothing else to do");
	sleeps = 0;
	while_asleep = watch;
	for (unsigned i = 0; i < 3; i++)
		shmq_group_wait(&g, 1, 3 * SECOND);
	while_asleep = NULL;
	ok(sleeps >= 3, "it sleeps, %u times", sleeps);
	is_i64(shmq_group_ack(g, &d), 0, "who only waits keeps a lease of 300 ms");
	shmq_group_close(watcher);
	shmq_group_close(g);
}

/* A handle has one lease in a group. */
static void one_lease(bool broken)
{
	struct shmq_message m = {.value = "new", .value_len = 3, .partition = -1};
	const char *topic = broken ? "lease-broken" : "lease";
	struct shmq_dead_letter letter;
	shmq *mine = broker();
	struct shmq_delivery d;
	shmq_group *g, *second;
	shmq_dlq *dlq;

	topic_make(q, topic, 1);
	publish_words(q, topic, "dead x y");
	g = consumer(mine, topic, "g", NULL, 0);
	step(shmq_group_next(g, &d));
	step(shmq_group_dead(g, &d, NULL));
	step(shmq_group_next(g, &d));
	if (broken)
		lease_break(g);
	need(shmq_dlq_open(mine, topic, "g", &dlq));
	step(shmq_dlq_next(dlq, &letter));
	is_i64(shmq_dlq_replace(dlq, &letter, &m), SHMQ_EINVAL, "%s: dead letters on a consumer's handle", topic);
	is_i64(shmq_dlq_replace(dlq, &letter, &m), SHMQ_EINVAL, "%s: the same again", topic);
	is_i64(shmq_group_open(mine, topic, "g", NULL, &second, NULL), SHMQ_EINVAL, "%s: a second consumer", topic);
	is_i64(shmq_group_ack(g, &d), broken ? SHMQ_LATE : 0, "%s: the first one's lease is as it was", topic);
	if (broken)
		is_i64(shmq_group_next(g, &d), SHMQ_LATE, "%s: it finds out", topic);
	is_u64(ack_so_many(g, 1 + broken), 1 + broken, "%s: and goes on", topic);
	shmq_dlq_close(dlq);
	is_u64(info_of(q, topic, "g").consumers, 1, "%s: the handle that closes takes no lease along", topic);
	shmq_group_close(g);
}

/* ---- what others have reserved ------------------------------------------------------ */

static shmq_group *reserver;
static struct shmq_delivery reserved;

static void reserve_all(void)
{
	while_asleep = NULL;
	publish_numbers(q, "idle-2", 0, 3, true);
	step(shmq_group_next(reserver, &reserved));
}

static void idle_beside_reserver(void)
{
	struct shmq_delivery d;
	shmq_group *g;

	topic_make(q, "idle-1", 1);
	publish_words(q, "idle-1", "first");
	g = consumer(broker(), "idle-1", "g", NULL, 0);
	reserver = consumer(broker(), "idle-1", "g", NULL, 0);
	is_u64(ack_so_many(g, 1), 1, "all is done");
	is_i64(shmq_group_next(g, &d), SHMQ_EMPTY, "nothing to do");
	publish_numbers(q, "idle-1", 0, 3, true);
	step(shmq_group_next(reserver, &reserved)); /* and does not go on */
	sleeps = 0;
	is_i64(shmq_group_wait(&g, 1, 10 * SECOND), 0, "another one reserves three messages: there is something");
	is_u64(sleeps, 0, "that is seen at once");
	is_u64(ack_so_many(g, 2), 2, "the two that it has not come to are done");
	shmq_group_close(g);
	shmq_group_close(reserver);

	topic_make(q, "idle-2", 1);
	publish_words(q, "idle-2", "first");
	g = consumer(broker(), "idle-2", "g", NULL, 0);
	reserver = consumer(broker(), "idle-2", "g", NULL, 0);
	is_u64(ack_so_many(g, 1), 1, "all is done");
	is_i64(shmq_group_next(g, &d), SHMQ_EMPTY, "nothing to do");
	sleeps = 0;
	while_asleep = reserve_all;
	is_i64(shmq_group_wait(&g, 1, 10 * SECOND), 0, "the same while it sleeps");
	is_u64(sleeps, 1, "it does not sleep again");
	is_u64(ack_so_many(g, 2), 2, "but does them");
	is_i64(shmq_group_next(g, &d), SHMQ_EMPTY, "that is all");
	sleeps = 0;
	is_i64(shmq_group_wait(&g, 1, 500 * MS), SHMQ_TIMEOUT, "and there is nothing more");
	ok(sleeps > 0, "then it sleeps");
	shmq_group_close(g);
	shmq_group_close(reserver);
}

/* ---- what waits ------------------------------------------------------------------ */

/* Who looks again and again meanwhile does not forget when the next message is due. */
static void due_is_known(void)
{
	struct shmq_delivery d;
	unsigned early = 0;
	int64_t before;
	shmq_group *g;

	topic_make(q, "due", 2);
	publish_key(q, "due", NULL, "x", 1);
	g = consumer(broker(), "due", "g", NULL, 0);
	step(shmq_group_next(g, &d));
	step(shmq_group_retry(g, &d, 500 * MS, NULL, NULL));
	for (unsigned i = 0; i < 20; i++)
		early += shmq_group_next(g, &d) != SHMQ_EMPTY;
	is_u64(early, 0, "a retry that is not due does not come");
	before = ahead_ns;
	while (ahead_ns - before < 5 * SECOND && shmq_group_next(g, &d) == SHMQ_EMPTY)
		shmq_group_wait(&g, 1, 10 * SECOND);
	ok(ahead_ns - before <= 501 * MS, "it sleeps until the message is due, not longer");
	is_i64(shmq_group_ack(g, &d), 0, "and has it");
	shmq_group_close(g);
}

/* ---- burials ------------------------------------------------------------------------ */

static void take_and_die(void *topic)
{
	struct shmq_delivery d;
	shmq_group *g = consumer(broker(), topic, "g", NULL, 0);

	_exit(shmq_group_next(g, &d) == 0 ? 0 : 1);
}

/* The how manieth piece of memory is not there. False: no more are asked for. */
static bool burial_fails(unsigned nth, unsigned *left, unsigned *wrong)
{
	struct shmq_group_options o = {.retries = 1};
	struct shmq_delivery d;
	bool failed = false;
	shmq_group *g;
	char topic[32];
	int r = SHMQ_EMPTY;

	snprintf(topic, sizeof topic, "bury-%u", nth);
	topic_make(q, topic, 1);
	publish_words(q, topic, "x");
	g = consumer(broker(), topic, "g", &o, 0);
	*wrong += finish(start(take_and_die, topic)) != 0;
	realloc_fails = nth;
	for (unsigned i = 0; i < 400; i++) {
		r = shmq_group_next(g, &d);
		failed = failed || r == SHMQ_ENOMEM;
		*wrong += r != SHMQ_EMPTY && r != SHMQ_ENOMEM;
		*left += r == SHMQ_ENOMEM && info_of(q, topic, "g").logs[0].inflight != 0;
		leap(10);
	}
	*wrong += realloc_fails == 0 && !failed;
	realloc_fails = 0;
	*wrong += info_of(q, topic, "g").dead != 1 || lag_of(q, topic, "g") != 0;
	shmq_group_close(g);
	return failed;
}

static void burials_fail(void)
{
	unsigned n = 0, left = 0, wrong = 0;

	while (n < 20 && burial_fails(n + 1, &left, &wrong))
		n++;
	ok(n > 0, "burials for which no memory was left: %u", n);
	is_u64(left, 0, "nothing stays in flight");
	is_u64(wrong, 0, "it is buried later, and told once");
}

int main(void)
{
	scratch_begin(60);
	q = broker();
	hint_of_closed();
	hint_of_late();
	hint_of_ordered();
	seek_beside();
	in_hand_across_seek();
	settled_across_seek("announcing", &on_place);
	settled_across_seek("linking", &on_link_at);
	oldest_row_done();
	makers_without_files();
	flipped_intents();
	waiting_keeps_a_lease();
	one_lease(false);
	one_lease(true);
	idle_beside_reserver();
	due_is_known();
	burials_fail();
	return done();
}
