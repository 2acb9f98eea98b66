/* SPDX-License-Identifier: MIT */
/* group_death_test.c - consumers that are killed, or stand still for longer than their lease. */
#include "groups.h"

static shmq *q;
static const struct shmq_group_options quick = {.lease_ns = 100 * MS};

/* "value/attempt value ..." of so many, sorted as they come. */
static const char *take_some(shmq_group *g, unsigned count)
{
	static char text[65536];
	struct shmq_delivery d;

	text[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		int r = next_soon(g, &d);

		if (r != 0) {
			snprintf(text + strlen(text), 32, " result %d", r);
			break;
		}
		snprintf(text + strlen(text), 64, "%s%s/%u", i > 0 ? " " : "", value_of(&d.message), d.attempt);
		step(shmq_group_ack(g, &d));
	}
	return text;
}

/* Only what was started is charged. */
static void charged(void)
{
	struct other *o;
	const char *text;
	shmq_group *g;

	topic_make(q, "charge", 1);
	publish_numbers(q, "charge", 0, 6, true);
	o = other_start("charge", "g", NULL, SHMQ_CONSUME_MANUAL_START, 0);
	is_i64(other_tell(o, OTHER_TAKE, 4), 0, "somebody claims four");
	is_i64(other_tell(o, OTHER_START, 2), 0, "starts two");
	is_i64(other_tell(o, OTHER_ACK, 1), 0, "acks one");
	other_kill(o);
	g = consumer(q, "charge", "g", NULL, 0);
	text = take_some(g, 5);
	ok(strstr(text, "1/2") != NULL, "and dies: what was started is counted: %s", text);
	ok(strstr(text, "2/1") != NULL && strstr(text, "3/1") != NULL, "what was claimed is not");
	ok(strstr(text, "4/1") != NULL && strstr(text, "5/1") != NULL, "nor the rest");
	is_u64(lag_of(q, "charge", "g"), 0, "that is all");
	shmq_group_close(g);
}

/* Somebody waits asleep for what the dead one had. */
static void found_by_who_sleeps(enum shmq_group_mode mode, const char *topic)
{
	struct shmq_group_options o = {.mode = mode};
	struct shmq_delivery d;
	struct other *other;
	shmq_group *g;
	int64_t begun;
	int r;

	topic_make(q, topic, 1);
	publish_numbers(q, topic, 0, 3, true);
	other = other_start(topic, "g", &o, 0, 0);
	is_i64(other_tell(other, OTHER_TAKE, 1), 0, "%s: somebody has one", topic);
	g = consumer(q, topic, "g", &o, 0);
	if (mode == SHMQ_GROUP_SHARED)
		take_some(g, 2);
	is_i64(shmq_group_next(g, &d), SHMQ_EMPTY, "%s: nothing is left for us", topic);
	other_kill(other);
	begun = now_ms();
	while ((r = shmq_group_next(g, &d)) == SHMQ_EMPTY && shmq_group_wait(&g, 1, LIMIT_MS * MS) == 0)
		;
	is_i64(r, 0, "%s: it dies, and its message comes", topic);
	ok(strcmp(value_of(&d.message), "0") == 0 && d.attempt == 2, "%s: that one, counted", topic);
	ok(now_ms() - begun < 25000, "%s: long before its lease is over: %d ms", topic, (int)(now_ms() - begun));
	step(shmq_group_ack(g, &d));
	if (mode == SHMQ_GROUP_ORDERED)
		is_str(take_some(g, 2), "1/1 2/1", "%s: and what follows", topic);
	shmq_group_close(g);
}

/* What it had claimed ahead is nobody's. */
static void prefetched(void)
{
	unsigned seen[300] = {0}, wrong = 0;
	struct shmq_delivery d;
	struct other *other;
	shmq_group *g;

	topic_make(q, "ahead", 1);
	publish_numbers(q, "ahead", 0, 200, true);
	publish_numbers(q, "ahead", 200, 300, false);
	other = other_start("ahead", "g", NULL, 0, 150);
	is_i64(other_tell(other, OTHER_TAKE, 3), 0, "somebody has three, and has claimed 150 ahead");
	other_kill(other);
	other = other_start("ahead", "g", NULL, 0, 100);
	is_i64(other_tell(other, OTHER_TAKE, 3), 0, "another one too");
	other_kill(other);
	g = consumer(q, "ahead", "g", NULL, 0);
	for (unsigned i = 0; i < 300; i++) {
		if (next_soon(g, &d) != 0)
			break;
		seen[strtoul(value_of(&d.message), NULL, 10) % 300]++;
		wrong += d.attempt > 3;
		step(shmq_group_ack(g, &d));
	}
	for (unsigned i = 0; i < 300; i++)
		wrong += seen[i] != 1;
	is_u64(wrong, 0, "both die: all messages come, once");
	is_u64(lag_of(q, "ahead", "g"), 0, "no lag");
	shmq_group_close(g);
}

/* Who kills its consumers is buried in the end. */
static void a_killer(void)
{
	struct shmq_group_options o = {.retries = 3};
	struct shmq_dead_letter l;
	struct shmq_delivery d;
	shmq_group *g;
	shmq_dlq *dlq;

	topic_make(q, "killer", 1);
	publish_words(q, "killer", "bad good");
	for (unsigned i = 0; i < 3; i++) {
		struct other *other = other_start("killer", "g", &o, 0, 1);

		is_i64(other_tell(other, OTHER_TAKE, 1), 0, "a consumer takes one");
		is_str(other->values[0], "bad", "and dies of it");
		is_u64(other->d[0].attempt, i + 1, "attempt %u", i + 1);
		other_kill(other);
	}
	g = consumer(q, "killer", "g", &o, 0);
	next_is(g, &d, "good", 1, "the next one is not given it");
	step(shmq_group_ack(g, &d));
	ok(until((shmq_group_next(g, &d), info_of(q, "killer", "g").dead == 1)), "it is a dead letter");
	need(shmq_dlq_open(q, "killer", "g", &dlq));
	need(shmq_dlq_next(dlq, &l));
	is_str(value_of(&l.message), "bad", "this one");
	is_u64(l.attempts, 3, "after three attempts");
	is_i64(l.reason, SHMQ_REASON_MAX_DELIVER, "its deliveries are used up");
	is_i64(l.status, -1, "nobody knows how");
	shmq_dlq_close(dlq);
	is_u64(lag_of(q, "killer", "g"), 0, "nothing is left");
	shmq_group_close(g);
}

static void stopped(enum shmq_group_mode mode, const char *topic)
{
	struct shmq_group_options o = quick;
	struct shmq_delivery d;
	struct other *other;
	shmq_group *g;

	o.mode = mode;
	topic_make(q, topic, 1);
	publish_words(q, topic, "a b c");
	other = other_start(topic, "g", &o, 0, 1);
	is_i64(other_tell(other, OTHER_TAKE, 1), 0, "%s: somebody has a message", topic);
	g = consumer(q, topic, "g", &o, 0);
	other_stop(other);
	do
		step(next_soon(g, &d));
	while (strcmp(value_of(&d.message), "a") != 0 && shmq_group_ack(g, &d) == 0);
	is_u64(d.attempt, 2, "%s: it stands still for longer than its lease: its message comes here", topic);
	other_send(other, OTHER_ACK, 1);
	other_go_on(other);
	is_i64(other_wait(other), SHMQ_LATE, "%s: woken, it acks too late", topic);
	is_i64(other_tell(other, OTHER_NEXT, 1), SHMQ_LATE, "%s: it is told why", topic);
	is_i64(shmq_group_ack(g, &d), 0, "%s: who was given it acks", topic);
	take_all(g, TAKE_ACK, NULL);
	shmq_group_close(g);
	publish_words(q, topic, "later");
	other->taken = 0;
	is_i64(other_tell(other, OTHER_TAKE, 1), 0, "%s: the late one goes on", topic);
	is_str(other->values[0], "later", "%s: with what is new", topic);
	is_i64(other_tell(other, OTHER_ACK, 1), 0, "%s: and acks it", topic);
	other_kill(other);
	is_u64(lag_of(q, topic, "g"), 0, "%s: nothing is left", topic);
}

/* Nobody takes anything from who stands still for less than its lease, or renews it. */
static void renewed(void)
{
	struct shmq_group_options o = {.lease_ns = 1000 * MS};
	struct shmq_delivery d;
	struct other *other;
	shmq_group *g;
	int r = 0, given = SHMQ_EMPTY;
	int64_t end;

	topic_make(q, "renew", 1);
	publish_words(q, "renew", "a");
	other = other_start("renew", "g", &o, 0, 1);
	is_i64(other_tell(other, OTHER_TAKE, 1), 0, "somebody has a message");
	g = consumer(q, "renew", "g", &o, 0);
	end = now_ms() + 2500;
	while (now_ms() < end && r == 0 && given == SHMQ_EMPTY) {
		r = other_tell(other, OTHER_RENEW, 1);
		given = shmq_group_next(g, &d);
		pause_ms(10);
	}
	/* on a machine that stands still it may be late: then it is told */
	ok((r == 0 && given == SHMQ_EMPTY) || r == SHMQ_LATE || other_tell(other, OTHER_ACK, 1) == SHMQ_LATE,
	   "it renews its lease, and keeps it: %d, %d", r, given);
	if (r == 0 && given == SHMQ_EMPTY)
		is_i64(other_tell(other, OTHER_ACK, 1), 0, "and acks it in the end");
	other_kill(other);
	shmq_group_close(g);
}

/* The same session slot, again and again. */
static void the_same_slot(void)
{
	unsigned wrong = 0;
	shmq_group *g;

	topic_make(q, "slot", 2);
	publish_numbers(q, "slot", 0, 200, false);
	for (unsigned i = 0; i < 40; i++) {
		struct other *other = other_start("slot", "g", NULL, 0, 1 + i);

		wrong += other_tell(other, OTHER_TAKE, 4) != 0;
		wrong += other_tell(other, OTHER_ACK, 2) != 0;
		other_kill(other);
	}
	is_u64(wrong, 0, "forty consumers take four, ack two, and die");
	g = consumer(q, "slot", "g", &(struct shmq_group_options){.retries = 5}, 0);
	while (lag_of(q, "slot", "g") > 0) {
		struct shmq_delivery d;

		if (next_soon(g, &d) != 0 || shmq_group_ack(g, &d) != 0)
			break;
	}
	is_u64(lag_of(q, "slot", "g"), 0, "all is done by the next one");
	is_u64(info_of(q, "slot", "g").acked + info_of(q, "slot", "g").dead, 200, "each message once");
	is_u64(info_of(q, "slot", "g").logs[0].inflight + info_of(q, "slot", "g").logs[1].inflight, 0, "nothing in flight");
	shmq_group_close(g);
}

/* Killed anywhere in between: acked once, none lost. */
struct ledger {
	_Atomic uint32_t started, acked[2000];
};

static void worker(void *argument)
{
	struct ledger *l = argument;
	struct shmq_group_options o = {.lease_ns = 100 * MS, .retries = 250};
	shmq_group *g = consumer(broker(), "any-time", "g", &o, 0);
	struct shmq_delivery d;

	l->started++;
	while (next_soon(g, &d) == 0) {
		unsigned i = (unsigned)strtoul(value_of(&d.message), NULL, 10) % 2000;

		if (shmq_group_ack(g, &d) == 0)
			l->acked[i]++;
	}
	_exit(0);
}

static void at_any_time(void)
{
	struct ledger *l = mmap(NULL, sizeof *l, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned twice = 0, never = 0, kills = 0;
	int64_t end = now_ms() + LIMIT_MS;

	topic_make(q, "any-time", 1);
	publish_numbers(q, "any-time", 0, 2000, true);
	while (kills == 0 || (lag_of(q, "any-time", "g") > 0 && now_ms() < end)) {
		uint32_t before = l->started;
		pid_t pid = start(worker, l);

		until(l->started > before);
		for (unsigned spin = 0; spin < kills * 997 % 10000; spin++)
			cpu_relax();
		finish_by_force(pid);
		kills++;
	}
	for (unsigned i = 0; i < 2000; i++) {
		twice += l->acked[i] > 1;
		never += l->acked[i] == 0;
	}
	is_u64(lag_of(q, "any-time", "g"), 0, "killed %u times: all is done", kills);
	is_u64(twice, 0, "nothing is acked twice");
	ok(never <= kills, "what is not known to be acked was being acked at a kill: %u", never);
}

int main(void)
{
	scratch_begin(120);
	q = broker();
	charged();
	found_by_who_sleeps(SHMQ_GROUP_SHARED, "sleeps-shared");
	found_by_who_sleeps(SHMQ_GROUP_ORDERED, "sleeps-ordered");
	prefetched();
	a_killer();
	stopped(SHMQ_GROUP_SHARED, "stopped-shared");
	stopped(SHMQ_GROUP_ORDERED, "stopped-ordered");
	renewed();
	the_same_slot();
	at_any_time();
	shmq_close(q);
	return done();
}
