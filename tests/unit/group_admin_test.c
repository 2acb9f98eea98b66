/* SPDX-License-Identifier: MIT */
/* group_admin_test.c - groups from outside: paused, altered, moved, looked at, deleted, expired, beside consumers. */
#include "groups.h"

static shmq *q, *q2;

static void pausing(void)
{
	struct shmq_delivery d;
	shmq_group *g;
	int r;

	topic_make(q, "pause", 1);
	publish_words(q, "pause", "a b c");
	g = consumer(q, "pause", "g", NULL, 0);
	next_is(g, &d, "a", 1, "a message");
	is_i64(shmq_group_pause(q2, "pause", "g", true), 0, "the group is paused");
	ok(info_of(q, "pause", "g").paused, "that can be seen");
	is_i64(shmq_group_next(g, &d), SHMQ_EMPTY, "nothing new");
	for (unsigned i = 0; (r = shmq_group_wait(&g, 1, MS)) == 0 && i < 3; i++) /* something has changed: that it is paused */
		is_i64(shmq_group_next(g, &d), SHMQ_EMPTY, "still nothing");
	is_i64(r, SHMQ_TIMEOUT, "nor anything to wait for");
	is_i64(shmq_group_renew(g), 0, "it lives on");
	is_i64(shmq_group_ack(g, &d), 0, "what is in hand is settled");
	is_i64(shmq_group_pause(q2, "pause", "g", true), 0, "paused twice");
	is_i64(shmq_group_pause(q2, "pause", "g", false), 0, "resumed");
	ok(!info_of(q, "pause", "g").paused, "that can be seen");
	is_str(take_all(g, TAKE_ACK, NULL), "b c", "the rest");
	is_i64(shmq_group_pause(q2, "pause", "none", true), SHMQ_ENOENT, "no such group");
	is_i64(shmq_group_pause(q2, "none", "g", true), SHMQ_ENOENT, "no such topic");
	shmq_group_close(g);
}

static void altering(void)
{
	struct shmq_group_options o = {.retries = 5}, now;
	struct shmq_delivery d;
	bool dead = false;
	shmq_group *g;

	topic_make(q, "alter", 1);
	publish_key(q, "alter", "a.b", "ab", -1);
	publish_key(q, "alter", "c", "c", -1);
	g = consumer(q, "alter", "g", &o, 0);
	next_is(g, &d, "ab", 1, "a message");
	o = (struct shmq_group_options){.retries = 1, .lease_ns = 7 * SECOND};
	is_i64(shmq_group_alter(q2, "alter", "g", &o, SHMQ_SET_RETRIES), 0, "fewer retries");
	now = info_of(q, "alter", "g").options;
	is_u64(now.retries, 1, "can be seen");
	is_i64(now.lease_ns, 30 * SECOND, "nothing else has changed");
	shmq_group_options_now(g, &now);
	is_u64(now.retries, 1, "also by the consumer");
	is_i64(shmq_group_retry(g, &d, 0, NULL, &dead), 0, "it fails");
	ok(dead, "and is dead after one delivery");
	o.filter = "a.*";
	is_i64(shmq_group_alter(q2, "alter", "g", &o, SHMQ_SET_FILTER), 0, "a filter");
	is_i64(shmq_group_next(g, &d), SHMQ_EMPTY, "what does not match is not delivered");
	is_u64(info_of(q, "alter", "g").filtered, 1, "but counted");
	is_u64(lag_of(q, "alter", "g"), 0, "and done");
	o.filter = NULL;
	is_i64(shmq_group_alter(q2, "alter", "g", &o, SHMQ_SET_FILTER), 0, "no filter");
	publish_key(q, "alter", "c", "c2", -1);
	next_is(g, &d, "c2", 1, "then it is");
	step(shmq_group_ack(g, &d));
	is_i64(shmq_group_alter(q2, "alter", "g", &o, SHMQ_SET_WINDOW), SHMQ_EINVAL, "not the window");
	is_i64(shmq_group_alter(q2, "alter", "g", &o, SHMQ_SET_RETURNS), SHMQ_EINVAL, "not the return log");
	o.retries = 251;
	is_i64(shmq_group_alter(q2, "alter", "g", &o, SHMQ_SET_RETRIES), SHMQ_EINVAL, "251 retries");
	o = (struct shmq_group_options){.backoff_max_ns = 500 * MS, .backoff_ns = 600 * MS};
	is_i64(shmq_group_alter(q2, "alter", "g", &o, SHMQ_SET_BACKOFF), SHMQ_EINVAL, "a maximum below the first");
	is_u64(info_of(q, "alter", "g").options.retries, 1, "what is refused changes nothing");
	for (unsigned i = 0; i < 50; i++) {
		o.retries = 2 + i;
		step(shmq_group_alter(i % 2 ? q : q2, "alter", "g", &o, SHMQ_SET_RETRIES));
	}
	is_u64(info_of(q, "alter", "g").options.retries, 51, "fifty times");
	is_i64(shmq_group_alter(q2, "alter", "none", &o, SHMQ_SET_RETRIES), SHMQ_ENOENT, "no such group");
	shmq_group_close(g);
}

static int seek(const char *topic, enum shmq_seek_kind kind, uint64_t value, bool dry, struct shmq_group_place *places)
{
	struct shmq_seek s = {kind, value};

	return shmq_group_seek(q2, topic, "g", &s, dry, places);
}

static void seeking(void)
{
	struct shmq_group_place place = {99, 99};
	struct shmq_delivery d, e;
	uint64_t incarnation;
	shmq_group *g;

	topic_make(q, "seek", 1);
	publish_numbers(q, "seek", 0, 10, true);
	publish_numbers(q, "seek", 10, 20, false);
	g = consumer(q, "seek", "g", NULL, 0);
	for (unsigned i = 0; i < 3; i++) {
		need(next_soon(g, &d));
		need(shmq_group_ack(g, &d)); /* how far that is, is a hint: nobody has told it on */
	}
	is_i64(seek("seek", SHMQ_SEEK_OFFSET, 15, true, &place), 0, "a dry run");
	is_u64(place.from, 3, "from where it is");
	is_u64(place.to, 15, "to where it would be");
	next_is(g, &d, "3", 1, "it has changed nothing");
	incarnation = info_of(q, "seek", "g").incarnation;
	is_i64(seek("seek", SHMQ_SEEK_OFFSET, 1, false, &place), 0, "back");
	is_u64(place.from, 3, "from the oldest that is not done");
	is_u64(place.to, 1, "to the one that was named");
	ok(info_of(q, "seek", "g").incarnation > incarnation, "another incarnation");
	is_i64(shmq_group_ack(g, &d), SHMQ_LATE, "what was in hand is lost to its consumer");
	is_str(take_all(g, TAKE_ACK, NULL), numbers(1, 20), "everything from there again");
	is_i64(seek("seek", SHMQ_SEEK_LAST, 2, false, NULL), 0, "to the last two");
	next_is(g, &d, "18", 1, "one of them");
	is_i64(seek("seek", SHMQ_SEEK_END, 0, false, NULL), 0, "to the end");
	is_i64(shmq_group_next(g, &e), SHMQ_EMPTY, "nothing is left");
	is_i64(shmq_group_ack(g, &d), SHMQ_LATE, "also of what was in hand");
	is_u64(lag_of(q, "seek", "g"), 0, "no lag");
	is_i64(seek("seek", SHMQ_SEEK_BEGINNING, 0, false, NULL), 0, "to the beginning");
	next_is(g, &d, "0", 1, "the first one");
	is_i64(seek("seek", SHMQ_SEEK_OFFSET, 17, false, NULL), 0, "forward");
	is_str(take_all(g, TAKE_ACK, NULL), numbers(17, 20), "what lies before is done");
	publish_words(q, "seek", "more");
	next_is(g, &d, "more", 1, "what comes is delivered");
	step(shmq_group_ack(g, &d));
	is_u64(lag_of(q, "seek", "g"), 0, "no lag");
	is_i64(seek("none", SHMQ_SEEK_END, 0, false, NULL), SHMQ_ENOENT, "no such topic");
	shmq_group_close(g);
}

static void seeking_by_time(void)
{
	struct shmq_group_place places[2];
	struct shmq_delivery d;
	uint64_t times[3];
	shmq_group *g;

	topic_make(q, "time", 2);
	for (unsigned i = 0; i < 3; i++) {
		char text[16];

		snprintf(text, sizeof text, "t%u", i);
		publish_key(q, "time", NULL, text, 0);
		snprintf(text, sizeof text, "u%u", i);
		publish_key(q, "time", NULL, text, 1);
		pause_ms(3);
	}
	g = consumer(q, "time", "g", NULL, 0);
	for (unsigned n = 0; n < 6 && next_soon(g, &d) == 0; n++) {
		if (d.message.partition == 0)
			times[d.message.offset % 3] = d.message.time_ns;
		step(shmq_group_ack(g, &d));
	}
	is_i64(seek("time", SHMQ_SEEK_TIME, times[1], false, places), 0, "to a time");
	ok(places[0].to == 1 && places[1].to == 1, "in both partitions: %d, %d", (int)places[0].to, (int)places[1].to);
	for (unsigned n = 0; n < 4; n++) {
		need(next_soon(g, &d));
		ok(d.message.offset >= 1, "%s is not older", value_of(&d.message));
		step(shmq_group_ack(g, &d));
	}
	is_i64(shmq_group_next(g, &d), SHMQ_EMPTY, "and that is all");
	is_i64(seek("time", SHMQ_SEEK_TIME, times[2] + 3600 * (uint64_t)SECOND, true, places), 0, "to the future");
	is_u64(places[0].to, 3, "is to the end");
	shmq_group_close(g);
}

/* Beside a consumer that goes on all the time: each seek delivers all of it again. */
static void seeks_and_consumers(void)
{
	struct other *o;
	unsigned wrong = 0;

	topic_make(q, "seeks", 2);
	publish_numbers(q, "seeks", 0, 20, false);
	o = other_start("seeks", "g", NULL, 0, 0);
	for (unsigned i = 0; i < 30; i++) {
		other_send(o, OTHER_TAKE, i % 20);
		wrong += seek("seeks", SHMQ_SEEK_BEGINNING, 0, false, NULL) != 0;
		other_wait(o);
		o->taken = 0;
	}
	is_u64(wrong, 0, "30 seeks beside a consumer");
	other_kill(o);
	seek("seeks", SHMQ_SEEK_BEGINNING, 0, false, NULL);
	{
		shmq_group *g = consumer(q, "seeks", "g", NULL, SHMQ_CONSUME_EXIT_AT_END);
		unsigned n = 0;
		struct shmq_delivery d;
		int r;

		while ((r = next_soon(g, &d)) == 0 && shmq_group_ack(g, &d) == 0)
			n++;
		is_i64(r, SHMQ_END, "then it goes on to the end");
		is_u64(n, 20, "with all of it");
		shmq_group_close(g);
	}
	is_u64(lag_of(q, "seeks", "g"), 0, "no lag");
}

static void deleting(void)
{
	struct shmq_delivery d, e;
	shmq_group *g, *h;
	uint64_t number;
	int r;

	topic_make(q, "delete", 1);
	publish_words(q, "delete", "a b c");
	g = consumer(q, "delete", "g", NULL, 0);
	next_is(g, &d, "a", 1, "a message");
	step(shmq_group_ack(g, &d));
	next_is(g, &d, "b", 1, "another");
	step(shmq_group_dead(g, &d, NULL));
	need(next_soon(g, &d));
	number = info_of(q, "delete", "g").number;
	is_i64(shmq_group_delete(q2, "delete", "g"), 0, "deleted beside its consumer");
	is_i64(shmq_group_next(g, &e), SHMQ_GONE, "who is told");
	ok(strstr(shmq_error(q), "deleted") != NULL, "%s", shmq_error(q));
	is_i64(shmq_group_wait(&g, 1, SECOND), 0, "and need not wait");
	r = shmq_group_renew(g);
	ok(r == SHMQ_GONE || r == 0, "renewing it is no error: %d", r);
	is_i64(shmq_group_delete(q2, "delete", "g"), SHMQ_ENOENT, "deleted twice");
	is_i64(shmq_group_info(q, "delete", "g", &(struct shmq_group_info){.logs = NULL}), SHMQ_ENOENT, "nothing to see");
	h = consumer(q2, "delete", "g", NULL, 0);
	is_str(take_all(h, TAKE_ACK, NULL), "a b c", "another group of that name begins anew");
	ok(info_of(q, "delete", "g").number > number, "with another number");
	is_u64(info_of(q, "delete", "g").dead, 0, "and no dead letters");
	is_i64(shmq_group_next(g, &e), SHMQ_GONE, "the old consumer does not get into it");
	ok(shmq_group_ack(g, &d) != 0 || lag_of(q, "delete", "g") == 0, "nor does its ack");
	shmq_group_close(g);
	is_u64(info_of(q, "delete", "g").consumers, 1, "nor its end");
	shmq_group_close(h);
}

static void topic_deleted(void)
{
	struct shmq_delivery d;
	shmq_group *g;
	int r = 0;

	topic_make(q, "topic-gone", 1);
	publish_words(q, "topic-gone", "a b");
	g = consumer(q, "topic-gone", "g", NULL, 0);
	next_is(g, &d, "a", 1, "a message");
	need(shmq_topic_delete(q2, "topic-gone"));
	for (unsigned i = 0; i < 2 && (r = next_soon(g, &d)) == 0; i++)
		; /* what it has claimed before */
	is_i64(r, SHMQ_GONE, "a topic that is deleted is gone");
	shmq_group_close(g);
	topic_make(q, "topic-gone", 1);
	g = consumer(q, "topic-gone", "g", NULL, 0);
	is_i64(shmq_group_next(g, &d), SHMQ_EMPTY, "one that is made again is empty");
	shmq_group_close(g);
}

static void directory_removed(void)
{
	struct shmq_open_options o = {.flags = SHMQ_CREATE};
	char dir[100], command[200];
	struct shmq_delivery d;
	shmq_group *g;
	int64_t end = now_ms() + LIMIT_MS;
	shmq *own;
	int r;

	snprintf(dir, sizeof dir, "%s/own", scratch);
	o.dir = dir;
	need(shmq_open(&own, &o));
	topic_make(own, "t", 1);
	g = consumer(own, "t", "g", NULL, 0);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	need(system(command));
	while ((r = shmq_group_next(g, &d)) == SHMQ_EMPTY && now_ms() < end) {
		r = shmq_group_wait(&g, 1, 100 * MS);
		if (r == SHMQ_GONE)
			break;
	}
	is_i64(r, SHMQ_GONE, "the runtime directory was removed");
	shmq_group_close(g);
	shmq_close(own);
}

/* ---- idle --------------------------------------------------------------------------- */

static void expiry(void)
{
	struct shmq_group_options o = {.expire_ns = 1 * SECOND}, never = {.expire_ns = SHMQ_FOREVER};
	struct shmq_topic_options t = {.slots = 8, .pool_bytes = 1 << 20};
	struct shmq_group_info info = {.logs = NULL};
	struct shmq_delivery d;
	shmq_group *g, *h;
	int64_t begun;
	shmq_pub *p;

	need(shmq_topic_create(q, "expire", &t));
	g = consumer(q, "expire", "idle", &o, 0);
	h = consumer(q, "expire", "busy", &o, 0);
	shmq_group_close(g);
	p = publisher(q2, "expire", SHMQ_PUB_NO_WAIT, 0);
	publish_until_full(p, "m");
	shmq_pub_close(p);
	take_all(h, TAKE_ACK, NULL);
	p = publisher(q2, "expire", 0, LIMIT_MS);
	begun = now_ms();
	is_i64(publish(p, "n"), 0, "a group that nobody uses is not waited for for ever");
	ok(now_ms() - begun >= 500, "but for a while: %d ms", (int)(now_ms() - begun));
	is_i64(shmq_group_info(q, "expire", "idle", &info), SHMQ_ENOENT, "it is deleted");
	is_i64(shmq_group_info(q, "expire", "busy", &info), 0, "one with a consumer is not");
	next_is(h, &d, "n", 1, "who goes on");
	step(shmq_group_ack(h, &d));
	g = consumer(q, "expire", "never", &never, 0);
	shmq_group_close(g);
	shmq_pub_close(p);
	p = publisher(q2, "expire", 0, 2500);
	for (unsigned i = 0; i < 30; i++) {
		if (publish(p, "x") != 0)
			break;
		take_all(h, TAKE_ACK, NULL);
	}
	is_i64(shmq_group_info(q, "expire", "never", &info), 0, "one that never expires holds for ever");
	shmq_pub_close(p);
	shmq_group_close(h);
	need(shmq_group_delete(q, "expire", "never"));
}

/* ---- looking ------------------------------------------------------------------------ */

struct browsed {
	char text[512];
	unsigned stop;
};

static int browse_one(void *context, const struct shmq_delivery *d, const char *state)
{
	struct browsed *b = context;

	snprintf(b->text + strlen(b->text), 64, "%s:%s/%u ", value_of(&d->message), state, d->attempt);
	return b->stop > 0 && --b->stop == 0 ? 77 : 0;
}

static void looking(void)
{
	struct shmq_open_options oo = {.dir = scratch, .flags = SHMQ_OBSERVE};
	struct shmq_group_options o = {.filter = "k.#"};
	struct browsed b = {.text = ""};
	struct shmq_group_info i;
	struct shmq_delivery d;
	shmq_group *g, *h;
	shmq *observer;

	topic_make(q, "look", 1);
	for (unsigned n = 0; n < 7; n++)
		publish_key(q, "look", n == 5 ? "other" : "k.1", (const char *[]){"a", "b", "c", "d", "e", "f", "g"}[n], -1);
	g = consumer(q, "look", "g", &o, 0);
	need(next_soon(g, &d)); /* a: acked */
	step(shmq_group_ack(g, &d));
	need(next_soon(g, &d)); /* b: waits here */
	step(shmq_group_retry(g, &d, 900 * MS, NULL, NULL));
	need(next_soon(g, &d)); /* c: waits in the return log */
	step(shmq_group_retry(g, &d, 60 * SECOND, NULL, NULL));
	need(next_soon(g, &d)); /* d: dead */
	step(shmq_group_dead(g, &d, NULL));
	need(next_soon(g, &d)); /* e: in hand; f does not match; g: new */
	need(shmq_open(&observer, &oo));
	is_i64(shmq_group_browse(observer, "look", "g", browse_one, &b), 0, "browsing");
	is_str(b.text, "b:waiting/2 e:working/1 g:new/1 c:waiting/2 ", "shows what is before it");
	b = (struct browsed){.stop = 2};
	is_i64(shmq_group_browse(observer, "look", "g", browse_one, &b), 77, "until it is told to stop");
	is_str(b.text, "b:waiting/2 e:working/1 ", "there");
	i = info_of(observer, "look", "g");
	is_u64(i.logs[0].offset, 1, "the committed offset");
	is_u64(i.logs[0].end_offset, 7, "the end");
	is_u64(i.logs[0].lag, 4, "lag: b, e, f, g");
	is_u64(i.logs[0].inflight, 1, "in flight: e");
	is_u64(i.logs[0].waiting, 1, "waiting: b");
	is_u64(i.retry, 1, "in the return log: c");
	is_u64(i.dead, 1, "dead: d");
	is_u64(i.consumers, 1, "one consumer");
	is_u64(i.delivered, 5, "five deliveries");
	is_u64(i.acked, 1, "one ack");
	is_u64(i.dead_lettered, 1, "one dead letter");
	ok(i.logs[0].oldest_ns > 0 && i.created_ns > 0 && i.used_ns >= i.created_ns - (uint64_t)SECOND, "times");
	is_str(i.filter_text, "k.#", "its filter");
	is_str(i.name, "g", "its name");
	is_i64(shmq_group_pause(observer, "look", "g", true), SHMQ_EINVAL, "who only looks changes nothing");
	is_i64(shmq_group_delete(observer, "look", "g"), SHMQ_EINVAL, "nor deletes");
	is_i64(shmq_group_open(observer, "look", "g", NULL, &h, NULL), SHMQ_EINVAL, "nor consumes");
	is_i64(shmq_group_seek(observer, "look", "g", &(struct shmq_seek){SHMQ_SEEK_END, 0}, false, NULL), SHMQ_EINVAL,
	       "nor moves");
	is_i64(shmq_group_seek(observer, "look", "g", &(struct shmq_seek){SHMQ_SEEK_END, 0}, true, NULL), 0,
	       "but may ask where to");
	shmq_close(observer);
	shmq_group_close(g);
}

int main(void)
{
	scratch_begin(120);
	q = broker();
	q2 = broker();
	pausing();
	altering();
	seeking();
	seeking_by_time();
	seeks_and_consumers();
	deleting();
	topic_deleted();
	directory_removed();
	expiry();
	looking();
	shmq_close(q2);
	shmq_close(q);
	return done();
}
