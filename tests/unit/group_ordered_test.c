/* SPDX-License-Identifier: MIT */
/* group_ordered_test.c - ordered groups: one owner of a partition at a time, who takes its messages in order. */
#include "groups.h"

static shmq *q, *q2;
static const struct shmq_group_options ordered = {.mode = SHMQ_GROUP_ORDERED, .backoff_ns = 1 * MS, .retries = 5};

static void publish_to(const char *topic, const char *value, int partition)
{
	publish_key(q, topic, NULL, value, partition);
}

static void one_after_the_other(void)
{
	struct shmq_delivery d, e;
	shmq_group *g;

	topic_make(q, "order", 1);
	publish_words(q, "order", "a b c");
	g = consumer(q, "order", "g", &ordered, 0);
	next_is(g, &d, "a", 1, "the first");
	is_i64(shmq_group_next(g, &e), SHMQ_EMPTY, "nothing behind it while it is in hand");
	is_i64(shmq_group_wait(&g, 1, 0), SHMQ_TIMEOUT, "nor anything to wait for");
	is_i64(shmq_group_retry(g, &d, 100 * MS, NULL, NULL), 0, "it has to wait");
	is_i64(shmq_group_next(g, &e), SHMQ_EMPTY, "and what follows with it");
	next_is(g, &d, "a", 2, "it comes first");
	is_i64(shmq_group_release(g, &d), 0, "given back");
	next_is(g, &d, "a", 2, "it still does");
	is_i64(shmq_group_retry(g, &d, 0, NULL, NULL), 0, "again");
	next_is(g, &d, "a", 3, "and again");
	is_i64(shmq_group_dead(g, &d, NULL), 0, "a dead letter blocks nobody");
	next_is(g, &d, "b", 1, "the second");
	is_i64(shmq_group_next(g, &e), SHMQ_EMPTY, "before anything else");
	is_i64(shmq_group_ack(g, &d), 0, "is done");
	is_i64(shmq_group_wait(&g, 1, 0), 0, "then there is something to do, at once");
	next_is(g, &d, "c", 1, "the third");
	is_i64(shmq_group_ack(g, &d), 0, "is done");
	is_i64(shmq_group_next(g, &d), SHMQ_EMPTY, "the end");
	shmq_group_close(g);
}

static void pipelined(void)
{
	struct shmq_delivery d[5];
	shmq_group *g;

	topic_make(q, "pipe", 1);
	publish_words(q, "pipe", "a b c d e");
	g = consumer(q, "pipe", "g", &ordered, SHMQ_CONSUME_PIPELINED);
	for (unsigned i = 0; i < 4; i++)
		next_is(g, &d[i], (const char *[]){"a", "b", "c", "d"}[i], 1, "several in hand, in order");
	is_i64(shmq_group_ack(g, &d[2]), 0, "a later one is done first");
	is_i64(shmq_group_retry(g, &d[1], 0, NULL, NULL), 0, "an earlier one fails");
	next_is(g, &d[1], "b", 2, "it comes before what follows");
	next_is(g, &d[4], "e", 1, "then that");
	for (unsigned i = 0; i < 5; i++)
		if (i != 2)
			step(shmq_group_ack(g, &d[i]));
	is_u64(lag_of(q, "pipe", "g"), 0, "all are done");
	shmq_group_close(g);
}

/* Two consumers, four partitions: each has some, and both together all. */
static void shared_out(void)
{
	unsigned owner[4] = {0}, wrong = 0, taken[2] = {0};
	shmq_group *g[2];
	struct shmq_delivery d;
	int64_t end = now_ms() + LIMIT_MS;
	unsigned last[4] = {0}, n = 0;

	topic_make(q, "share", 4);
	g[0] = consumer(q, "share", "g", &ordered, 0);
	for (unsigned p = 0; p < 4; p++)
		publish_to("share", "0", (int)p);
	while (n < 4 && next_soon(g[0], &d) == 0) {
		step(shmq_group_ack(g[0], &d));
		n++;
	}
	is_u64(n, 4, "who is alone has all partitions");
	g[1] = consumer(q2, "share", "g", &ordered, 0);
	/* until each has two */
	while (now_ms() < end && (taken[0] == 0 || taken[1] == 0 || n % 4 != 0)) {
		for (unsigned i = 0; i < 2; i++) {
			int r = shmq_group_next(g[i], &d);

			if (r == 0)
				step(shmq_group_ack(g[i], &d));
			else
				shmq_group_wait(&g[i], 1, 10 * MS);
			taken[i] = owned_count(g[i]);
		}
	}
	is_u64(taken[0], 2, "with another one it has two");
	is_u64(taken[1], 2, "as that one");
	for (unsigned round = 1; round <= 50; round++) {
		char text[16];

		snprintf(text, sizeof text, "%u", round);
		for (unsigned p = 0; p < 4; p++)
			publish_to("share", text, (int)p);
	}
	n = 0;
	end = now_ms() + LIMIT_MS;
	while (n < 200 && now_ms() < end) {
		for (unsigned i = 0; i < 2; i++) {
			unsigned p, v;

			if (shmq_group_next(g[i], &d) != 0)
				continue;
			p = (unsigned)d.message.partition % 4;
			v = (unsigned)strtoul(value_of(&d.message), NULL, 10);
			wrong += v != last[p] + 1;
			last[p] = v;
			owner[p] |= 1u << i;
			n++;
			step(shmq_group_ack(g[i], &d));
		}
	}
	is_u64(n, 200, "all messages come");
	is_u64(wrong, 0, "each partition in order");
	shmq_group_close(g[1]);
	for (unsigned p = 0; p < 4; p++)
		publish_to("share", "end", (int)p);
	for (n = 0; n < 4 && next_soon(g[0], &d) == 0; n++)
		step(shmq_group_ack(g[0], &d));
	is_u64(n, 4, "one leaves: the other has all again");
	shmq_group_close(g[0]);
}

static void standby(void)
{
	struct shmq_delivery d;
	struct other *o;
	shmq_group *g;

	topic_make(q, "standby", 1);
	publish_words(q, "standby", "a b c");
	o = other_start("standby", "g", &ordered, 0, 0);
	is_i64(other_tell(o, OTHER_TAKE, 1), 0, "an owner works");
	g = consumer(q, "standby", "g", &ordered, 0);
	is_i64(next_within(g, &d, 200), SHMQ_EMPTY, "the standby gets nothing");
	is_u64(info_of(q, "standby", "g").logs[0].owner_pid, (uint64_t)o->pid, "it is told whose the partition is");
	other_kill(o);
	next_is(g, &d, "a", 2, "the owner dies: the standby goes on with what it had");
	is_u64(info_of(q, "standby", "g").logs[0].owner_pid, (uint64_t)getpid(), "the partition is ours");
	step(shmq_group_ack(g, &d));
	next_is(g, &d, "b", 1, "then what follows");
	step(shmq_group_ack(g, &d));
	shmq_group_close(g);
	is_u64(info_of(q, "standby", "g").logs[0].owner_pid, 0, "who leaves owns nothing");
	g = consumer(q, "standby", "g", &ordered, 0);
	next_is(g, &d, "c", 1, "and the next one takes over");
	step(shmq_group_ack(g, &d));
	shmq_group_close(g);
}

/* The owner stops in the middle; what it does when it is woken does not count. */
static void deposed(void)
{
	struct shmq_group_options o = {.mode = SHMQ_GROUP_ORDERED, .lease_ns = 100 * MS};
	struct shmq_delivery d;
	struct other *other;
	shmq_group *g;

	topic_make(q, "depose", 1);
	publish_numbers(q, "depose", 0, 10, true);
	other = other_start("depose", "g", &o, SHMQ_CONSUME_PIPELINED, 0);
	is_i64(other_tell(other, OTHER_TAKE, 3), 0, "an owner has three in hand");
	g = consumer(q, "depose", "g", &o, 0);
	other_stop(other);
	next_is(g, &d, "0", 2, "it stands still: the first comes here");
	other_send(other, OTHER_ACK, 3);
	other_go_on(other);
	is_i64(other_wait(other), SHMQ_LATE, "none of what it does then counts");
	is_i64(other_tell(other, OTHER_NEXT, 1), SHMQ_LATE, "it is told");
	is_i64(other_tell(other, OTHER_NEXT, 1), SHMQ_EMPTY, "the partition is another's");
	step(shmq_group_ack(g, &d));
	for (unsigned i = 1; i < 10; i++) {
		char text[16];

		snprintf(text, sizeof text, "%u", i);
		next_is(g, &d, text, i < 3 ? 2 : 1, "in order");
		step(shmq_group_ack(g, &d));
	}
	other_kill(other);
	shmq_group_close(g);
}

static void at_the_end(void)
{
	struct shmq_delivery d;
	unsigned n = 0;
	shmq_group *g;
	int r;

	topic_make(q, "end", 3);
	publish_numbers(q, "end", 0, 30, false);
	g = consumer(q, "end", "g", &ordered, SHMQ_CONSUME_EXIT_AT_END);
	while ((r = next_soon(g, &d)) == 0) {
		n++;
		if (d.attempt == 1 && n % 7 == 0) {
			step(shmq_group_retry(g, &d, 20 * MS, NULL, NULL));
			n--;
		} else {
			step(shmq_group_ack(g, &d));
		}
	}
	is_i64(r, SHMQ_END, "it comes to the end");
	is_u64(n, 30, "when all is done, also what had to wait");
	shmq_group_close(g);
}

int main(void)
{
	scratch_begin(120);
	q = broker();
	q2 = broker();
	one_after_the_other();
	pipelined();
	shared_out();
	standby();
	deposed();
	at_the_end();
	shmq_close(q2);
	shmq_close(q);
	return done();
}
