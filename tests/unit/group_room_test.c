/* SPDX-License-Identifier: MIT */
/* group_room_test.c - full windows and full topics: who holds up whom, and who does not. */
#include "groups.h"

static shmq *q, *q2;

static void topic_small(const char *name, enum shmq_full full)
{
	struct shmq_topic_options o = {.slots = 8, .pool_bytes = 1 << 20, .full = full};

	need(shmq_topic_create(q, name, &o));
}

/* One that waits holds up a window of 64: it is moved to the return log, and all others come. */
static void waiting_in_the_way(void)
{
	struct shmq_group_options o = {.window = 64};
	struct shmq_delivery d;
	unsigned n = 0;
	shmq_group *g;

	topic_make(q, "waiting", 1);
	publish_numbers(q, "waiting", 0, 500, true);
	g = consumer(q, "waiting", "g", &o, 0);
	next_is(g, &d, "0", 1, "the first");
	is_i64(shmq_group_retry(g, &d, 1000 * MS, NULL, NULL), 0, "waits for a second");
	while (n < 500 && next_soon(g, &d) == 0 && d.attempt == 1) {
		step(shmq_group_ack(g, &d));
		n++;
	}
	is_u64(n, 499, "all others come before");
	is_u64(d.attempt, 2, "then the one that waited");
	step(shmq_group_ack(g, &d));
	is_u64(lag_of(q, "waiting", "g") + info_of(q, "waiting", "g").retry, 0, "all is done");
	shmq_group_close(g);
}

/* One that takes long does so, too; it is still in hand. */
static void working_in_the_way(void)
{
	struct shmq_group_options o = {.window = 64};
	struct shmq_delivery slow, d;
	unsigned n = 0;
	shmq_group *g;

	topic_make(q, "working", 1);
	publish_numbers(q, "working", 0, 500, true);
	g = consumer(q, "working", "g", &o, 0);
	next_is(g, &slow, "0", 1, "the first takes long");
	while (n < 499 && next_soon(g, &d) == 0) {
		step(shmq_group_ack(g, &d));
		n++;
	}
	is_u64(n, 499, "all others come meanwhile");
	is_u64(info_of(q, "working", "g").retry, 1, "it stands in the return log");
	is_i64(shmq_group_ack(g, &slow), 0, "it is done in the end");
	is_i64(shmq_group_ack(g, &slow), SHMQ_LATE, "once");
	is_u64(lag_of(q, "working", "g") + info_of(q, "working", "g").retry, 0, "all is done");
	shmq_group_close(g);
}

/* And when its consumer dies it is given to another one, counted. */
static void working_and_dead(void)
{
	struct shmq_group_options o = {.window = 64};
	struct other *other;
	struct shmq_delivery d;
	unsigned n = 0;
	int64_t end = now_ms() + LIMIT_MS;
	shmq_group *g;

	topic_make(q, "moved", 1);
	publish_numbers(q, "moved", 0, 300, true);
	other = other_start("moved", "g", &o, 0, 1);
	is_i64(other_tell(other, OTHER_TAKE, 1), 0, "somebody is slow with the first");
	g = consumer(q, "moved", "g", &o, 0);
	while (n < 299 && now_ms() < end) {
		if (next_within(g, &d, 50) == 0) {
			step(shmq_group_ack(g, &d));
			n++;
		} else {
			other_tell(other, OTHER_RENEW, 1);
		}
	}
	is_u64(n, 299, "all others come meanwhile");
	is_u64(info_of(q, "moved", "g").retry, 1, "it has moved it to the return log");
	other_kill(other);
	next_is(g, &d, "0", 2, "it dies: another one is given it, counted");
	is_u64(d.message.offset, 0, "as what it was");
	step(shmq_group_ack(g, &d));
	is_u64(lag_of(q, "moved", "g") + info_of(q, "moved", "g").retry, 0, "all is done");
	shmq_group_close(g);
}

static void publisher_run(void *argument)
{
	shmq_pub *p = publisher(broker(), "slow", 0, 0);

	for (unsigned i = 0; i < 100; i++) {
		char text[16];

		snprintf(text, sizeof text, "%u", i);
		if (publish(p, text) != 0)
			_exit(1);
		++*(atomic_u32 *)argument;
	}
	_exit(0);
}

/* A topic of eight frames: publishers wait for who has not read, not for ever for who works on one. */
static void slow_consumer(void)
{
	atomic_u32 *sent = shared_page();
	struct shmq_delivery slow, d;
	unsigned n = 0;
	shmq_group *g;
	pid_t pid;

	topic_small("slow", SHMQ_FULL_BLOCK);
	g = consumer(q, "slow", "g", NULL, 0);
	pid = start(publisher_run, sent);
	next_is(g, &slow, "0", 1, "the first takes long");
	ok(until(*sent >= 7), "the topic gets full");
	while (n < 99 && next_soon(g, &d) == 0) {
		step(shmq_group_ack(g, &d));
		n++;
	}
	is_u64(n, 99, "the publisher goes on, the others come");
	is_i64(finish(pid), 0, "to the end");
	is_i64(shmq_group_ack(g, &slow), 0, "what took long is done");
	is_u64(lag_of(q, "slow", "g") + info_of(q, "slow", "g").retry, 0, "all is done");
	shmq_group_close(g);
}

/* A group holds what it has not done; nobody overruns it, whoever stands still. */
static void held_back(void)
{
	struct shmq_delivery d;
	shmq_group *g;
	shmq_pub *p;
	unsigned n;

	topic_small("held", SHMQ_FULL_BLOCK);
	g = consumer(q, "held", "g", NULL, 0);
	p = publisher(q2, "held", SHMQ_PUB_NO_WAIT, 0);
	n = publish_until_full(p, "m");
	shmq_pub_close(p);
	ok(n >= 6 && n <= 8, "there is room for %u", n);
	p = publisher(q2, "held", 0, 2500);
	is_i64(publish(p, "x"), SHMQ_TIMEOUT, "a publisher waits for who has read nothing");
	ok(strstr(shmq_error(q2), "g") != NULL, "%s", shmq_error(q2));
	for (unsigned i = 0; i < n; i++) {
		step(next_soon(g, &d));
		step(shmq_group_ack(g, &d));
	}
	is_i64(publish(p, "y"), 0, "until it is done");
	next_is(g, &d, "x", 1, "nothing is lost: what could not be flushed went first");
	step(shmq_group_ack(g, &d));
	next_is(g, &d, "y", 1, "then the next");
	step(shmq_group_ack(g, &d));
	shmq_pub_close(p);
	shmq_group_close(g);
}

static void drop_old(void)
{
	struct shmq_counters before, after;
	struct shmq_delivery old, d;
	uint64_t last = 0, first = 0;
	unsigned n = 0, overruns = 0;
	shmq_group *g;
	shmq_pub *p;
	char text[16];
	int r;

	topic_small("drop-old", SHMQ_FULL_DROP_OLD);
	publish_words(q, "drop-old", "old older");
	g = consumer(q, "drop-old", "g", NULL, 0);
	need(next_soon(g, &old));
	need(shmq_counters_read(q, &before));
	p = publisher(q2, "drop-old", 0, 100);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(text, sizeof text, "%u", i);
		step(publish(p, text));
	}
	while (n < 200 && ((r = shmq_group_next(g, &d)) == 0 || r == SHMQ_OVERRUN)) {
		overruns += r == SHMQ_OVERRUN;
		if (overruns > 20)
			break;
		if (r == SHMQ_OVERRUN)
			continue;
		first = n == 0 ? d.message.offset : first;
		ok(n == 0 || d.message.offset == last + 1, "%s comes in order", value_of(&d.message));
		last = d.message.offset;
		snprintf(text, sizeof text, "%s", value_of(&d.message));
		step(shmq_group_ack(g, &d));
		n++;
	}
	ok(overruns >= 1 && overruns <= 2, "drop-old: that messages were dropped is told: %u times", overruns);
	is_str(text, "99", "drop-old: the newest are there, to the last");
	ok(n >= 1 && n <= 8, "so many as there is room for: %u", n);
	need(shmq_counters_read(q, &after));
	is_u64(after.messages_missed - before.messages_missed, first, "what was missed is counted");
	is_i64(shmq_group_ack(g, &old), SHMQ_LATE, "what was in hand is gone");
	is_u64(lag_of(q, "drop-old", "g"), 0, "no lag");
	step(publish(p, "new"));
	next_is(g, &d, "new", 1, "and it goes on");
	step(shmq_group_ack(g, &d));
	shmq_pub_close(p);
	shmq_group_close(g);
}

static void purged(enum shmq_group_mode mode, const char *topic)
{
	struct shmq_group_options o = {.mode = mode};
	struct shmq_delivery in_hand, d;
	uint64_t count = 0;
	shmq_group *g;

	topic_make(q, topic, 1);
	publish_words(q, topic, "a b c d");
	g = consumer(q, topic, "g", &o, 0);
	next_is(g, &in_hand, "a", 1, "purge: one in hand");
	is_i64(shmq_topic_purge(q2, topic, &count), 0, "%s: the topic is purged", topic);
	ok(count >= 3, "%s: of %u messages", topic, (unsigned)count);
	shmq_group_ack(g, &in_hand);
	publish_words(q, topic, "e f");
	do
		step(next_soon(g, &d));
	while (strcmp(value_of(&d.message), "e") != 0 && shmq_group_ack(g, &d) == 0 && d.message.offset < 3);
	is_str(value_of(&d.message), "e", "%s: what comes then is delivered", topic);
	step(shmq_group_ack(g, &d));
	next_is(g, &d, "f", 1, "in order");
	step(shmq_group_ack(g, &d));
	is_u64(lag_of(q, topic, "g"), 0, "%s: nothing is left", topic);
	shmq_group_close(g);
}

/* Made while publishers go round and round: it gets all from the place on where it began. */
static void endless(void *argument)
{
	shmq_pub *p = publisher(broker(), argument, 0, 0);

	for (unsigned i = 0;; i++) {
		char text[16];

		snprintf(text, sizeof text, "%u", i);
		if (publish(p, text) != 0)
			_exit(1);
	}
}

static void made_meanwhile(void)
{
	unsigned wrong = 0;
	pid_t pid;

	topic_small("meanwhile", SHMQ_FULL_BLOCK);
	need(shmq_topic_purge(q, "meanwhile", NULL));
	{ /* somebody has read it: nothing is kept for the first reader */
		shmq_sub *s = subscriber(q, "meanwhile", 0);

		shmq_sub_close(s);
	}
	pid = start(endless, (void *)(uintptr_t) "meanwhile");
	for (unsigned i = 0; i < 100; i++) {
		struct shmq_consume_options o = {.from_set = true, .from = {i % 2 ? SHMQ_SEEK_END : SHMQ_SEEK_BEGINNING, 0}};
		struct shmq_delivery d;
		uint64_t last = 0;
		shmq_group *g;
		char name[16];

		snprintf(name, sizeof name, "g%u", i);
		need(shmq_group_open(q, "meanwhile", name, &o, &g, NULL));
		for (unsigned n = 0; n < 30; n++) {
			wrong += next_soon(g, &d) != 0;
			wrong += n > 0 && d.message.offset != last + 1;
			last = d.message.offset;
			wrong += shmq_group_ack(g, &d) != 0;
		}
		shmq_group_close(g);
		wrong += shmq_group_delete(q2, "meanwhile", name) != 0;
	}
	is_u64(wrong, 0, "a hundred groups, made and deleted while a publisher goes round: none misses anything");
	finish_by_force(pid);
}

int main(void)
{
	scratch_begin(120);
	q = broker();
	q2 = broker();
	waiting_in_the_way();
	working_in_the_way();
	working_and_dead();
	slow_consumer();
	held_back();
	drop_old();
	purged(SHMQ_GROUP_SHARED, "purge-shared");
	purged(SHMQ_GROUP_ORDERED, "purge-ordered");
	made_meanwhile();
	shmq_close(q2);
	shmq_close(q);
	return done();
}
