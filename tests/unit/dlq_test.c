/* SPDX-License-Identifier: MIT */
/* dlq_test.c - dead letters: what is kept of them, what can be done with them, and how many there is room for. */
#include "groups.h"

static shmq *q, *q2;

/* Makes the next message a dead letter. */
static int kill_next(shmq_group *g, const struct shmq_failure *why)
{
	struct shmq_delivery d;
	int r = next_soon(g, &d);

	return r != 0 ? r : shmq_group_dead(g, &d, why);
}

static shmq_dlq *letters(const char *topic)
{
	shmq_dlq *d;

	need(shmq_dlq_open(q2, topic, "g", &d));
	return d;
}

/* "value value ...", in order. */
static const char *all_letters(const char *topic)
{
	static char text[65536];
	struct shmq_dead_letter l;
	shmq_dlq *d = letters(topic);
	int r;

	text[0] = '\0';
	while ((r = shmq_dlq_next(d, &l)) == 0)
		snprintf(text + strlen(text), 64, "%s%s", text[0] != '\0' ? " " : "", value_of(&l.message));
	if (r != SHMQ_END)
		snprintf(text + strlen(text), 64, " result %d", r);
	shmq_dlq_close(d);
	return text;
}

static struct shmq_dead_letter letter(shmq_dlq *d)
{
	struct shmq_dead_letter l = {.id = 0};

	need(shmq_dlq_next(d, &l));
	return l;
}

/* ---- what is kept ------------------------------------------------------------------- */

static void what_is_kept(void)
{
	static char long_text[3 * SHMQ_FAILURE_TEXT_MAX];
	struct shmq_group_options o = {.retries = 2};
	struct shmq_failure f = {SHMQ_REASON_REJECTED, 3, "it said no", 10};
	struct shmq_header h = {"name", 4, "head", 4};
	struct shmq_message m = {.value = "value", .value_len = 5, .key = "key", .key_len = 3, .headers = &h, .header_count = 1,
				 .partition = 1};
	struct shmq_dead_letter l;
	struct shmq_delivery d;
	uint64_t time_ns;
	bool dead;
	shmq_group *g;
	shmq_dlq *q_;
	shmq_pub *p;

	topic_make(q, "kept", 2);
	publish_key(q, "kept", NULL, "before", 1);
	p = publisher(q, "kept", 0, 0);
	need(shmq_pub_send(p, &m));
	need(shmq_pub_flush(p));
	shmq_pub_close(p);
	g = consumer(q, "kept", "g", &o, 0);
	need(next_soon(g, &d));
	step(shmq_group_ack(g, &d));
	need(next_soon(g, &d));
	time_ns = d.message.time_ns;
	is_i64(shmq_group_dead(g, &d, &f), 0, "a dead letter");
	q_ = letters("kept");
	l = letter(q_);
	ok(l.message.value_len == 5 && memcmp(l.message.value, "value", 5) == 0 && l.message.key_len == 3 &&
		   memcmp(l.message.key, "key", 3) == 0 && l.message.header_count == 1 &&
		   memcmp(l.message.headers[0].value, "head", 4) == 0,
	   "value, key and headers");
	is_i64(l.message.partition, 1, "where it was published");
	is_u64(l.message.offset, 1, "as which");
	is_u64(l.message.time_ns, time_ns, "and when");
	is_u64(l.attempts, 1, "one attempt");
	is_u64(l.requeues, 0, "never requeued");
	is_i64(l.reason, SHMQ_REASON_REJECTED, "the reason");
	is_i64(l.status, 3, "the status");
	ok(l.text_len == 10 && memcmp(l.text, "it said no", 10) == 0, "the last words");
	ok(l.first_ns >= time_ns && l.dead_ns >= l.first_ns, "times");
	is_i64(shmq_dlq_next(q_, &l), SHMQ_END, "no other");

	memset(long_text, 'x', sizeof long_text);
	memcpy(long_text + sizeof long_text - 7, "the end", 7);
	f = (struct shmq_failure){SHMQ_REASON_TIMEOUT, 256 + 9, long_text, sizeof long_text};
	publish_words(q, "kept", "second");
	need(next_soon(g, &d));
	is_i64(shmq_group_retry(g, &d, 0, &f, &dead), 0, "a first failure");
	need(next_soon(g, &d));
	is_i64(shmq_group_retry(g, &d, 0, &f, &dead), 0, "a second");
	ok(dead, "is the last");
	is_i64(shmq_dlq_next(q_, &l), 0, "another letter, on the same handle");
	is_u64(l.attempts, 2, "two attempts");
	is_i64(l.reason, SHMQ_REASON_TIMEOUT, "its reason");
	is_i64(l.status, 256 + 9, "killed by a signal");
	is_u64(l.text_len, SHMQ_FAILURE_TEXT_MAX, "of a long text so much");
	ok(l.text_len >= 7 && memcmp((const char *)l.text + l.text_len - 7, "the end", 7) == 0, "is kept: its end");

	publish_words(q, "kept", "third");
	is_i64(kill_next(g, NULL), 0, "without a word");
	is_i64(shmq_dlq_next(q_, &l), 0, "a letter");
	is_i64(l.reason, SHMQ_REASON_REJECTED, "rejected");
	is_i64(l.status, -1, "no status");
	is_u64(l.text_len, 0, "no text");
	publish_words(q, "kept", "fourth");
	for (unsigned i = 0; i < 2; i++) {
		need(next_soon(g, &d));
		step(shmq_group_retry(g, &d, 0, NULL, &dead));
	}
	is_i64(shmq_dlq_next(q_, &l), 0, "one whose deliveries are used up");
	is_i64(l.reason, SHMQ_REASON_MAX_DELIVER, "says so");
	is_str(shmq_reason_text(SHMQ_REASON_MAX_DELIVER), "max-deliver", "the reasons in words");
	is_str(shmq_reason_text(SHMQ_REASON_REJECTED), "rejected", "the reasons in words");
	is_str(shmq_reason_text(SHMQ_REASON_TIMEOUT), "timeout", "the reasons in words");
	is_str(shmq_reason_text(SHMQ_REASON_EXPIRED), "expired", "the reasons in words");
	is_str(all_letters("kept"), "value second third fourth", "in order");
	shmq_dlq_close(q_);
	shmq_group_close(g);
}

/* ---- what can be done --------------------------------------------------------------- */

static void back_to_work(void)
{
	struct shmq_group_options o = {.retries = 1};
	struct shmq_dead_letter l, other;
	struct shmq_delivery d;
	shmq_group *g, *neighbour;
	shmq_dlq *a, *b;
	bool dead;

	topic_make(q, "requeue", 1);
	publish_words(q, "requeue", "a b c");
	g = consumer(q, "requeue", "g", &o, 0);
	neighbour = consumer(q, "requeue", "neighbour", &o, 0);
	take_all(neighbour, TAKE_ACK, NULL);
	for (unsigned i = 0; i < 3; i++)
		step(kill_next(g, NULL));
	a = letters("requeue");
	b = letters("requeue");
	l = letter(a);
	is_i64(shmq_dlq_requeue(a, &l, -1), SHMQ_EINVAL, "a delay that is none");
	is_i64(shmq_dlq_requeue(a, &l, 0), 0, "requeued");
	is_i64(shmq_dlq_requeue(a, &l, 0), SHMQ_LATE, "twice");
	is_i64(shmq_dlq_drop(b, &l), SHMQ_LATE, "or dropped");
	is_i64(shmq_dlq_get(a, l.id, &other), SHMQ_ENOENT, "it is no dead letter any more");
	is_u64(info_of(q, "requeue", "g").dead, 2, "two are left");
	is_u64(info_of(q, "requeue", "g").retry, 1, "one waits");
	next_is(g, &d, "a", 1, "it is delivered as if it had never been");
	is_u64(d.message.offset, 0, "as the same message");
	is_i64(shmq_group_next(neighbour, &d), SHMQ_EMPTY, "to its own group only");
	publish_words(q, "requeue", "x");
	next_is(neighbour, &d, "x", 1, "another group sees only what is new");
	step(shmq_group_ack(neighbour, &d));
	shmq_group_close(neighbour);
	next_is(g, &d, "x", 1, "as this one");
	step(shmq_group_ack(g, &d));
	shmq_group_close(g); /* with a in hand */
	g = consumer(q, "requeue", "g", &o, 0);
	for (unsigned round = 1; round <= 3; round++) {
		next_is(g, &d, "a", 1, "it is delivered");
		is_i64(shmq_group_retry(g, &d, 0, NULL, &dead), 0, "and fails");
		ok(dead, "it is dead again");
		is_str(all_letters("requeue"), "b c a", "behind the others");
		shmq_dlq_close(b);
		b = letters("requeue");
		do
			l = letter(b);
		while (strcmp(value_of(&l.message), "a") != 0);
		is_u64(l.requeues, round, "requeued %u times", round);
		is_u64(l.attempts, 1, "one attempt since");
		is_u64(l.message.offset, 0, "still the message that it was");
		is_i64(shmq_dlq_requeue(b, &l, 0), 0, "again");
	}
	next_is(g, &d, "a", 1, "it is delivered");
	is_i64(shmq_group_ack(g, &d), 0, "and done");
	shmq_dlq_close(b);
	b = letters("requeue");
	l = letter(b);
	is_i64(shmq_dlq_requeue(b, &l, 3600 * SECOND), 0, "one in an hour");
	is_i64(shmq_group_next(g, &d), SHMQ_EMPTY, "is not delivered now");
	is_u64(info_of(q, "requeue", "g").retry, 1, "it waits");
	l = letter(b);
	is_str(value_of(&l.message), "c", "the last one");
	is_i64(shmq_dlq_get(b, l.id, &other), 0, "by its id");
	is_str(value_of(&other.message), "c", "too");
	is_i64(shmq_dlq_drop(b, &l), 0, "is dropped");
	is_i64(shmq_dlq_get(b, l.id, &other), SHMQ_ENOENT, "and gone");
	is_i64(shmq_dlq_drop(b, &l), SHMQ_LATE, "once");
	is_i64(shmq_dlq_get(b, 1 << 30, &other), SHMQ_ENOENT, "no such id");
	is_u64(info_of(q, "requeue", "g").dead, 0, "none is left");
	shmq_dlq_close(a);
	shmq_dlq_close(b);
	shmq_group_close(g);
}

static void replaced(void)
{
	struct shmq_failure f = {SHMQ_REASON_REJECTED, 7, "why", 3};
	struct shmq_message m = {.value = "mended", .value_len = 6, .key = "k2", .key_len = 2, .partition = -1};
	struct shmq_dead_letter l, n;
	struct shmq_delivery e;
	shmq_group *g;
	shmq_dlq *d;

	topic_make(q, "replace", 1);
	publish_words(q, "replace", "broken");
	g = consumer(q, "replace", "g", NULL, 0);
	step(kill_next(g, &f));
	d = letters("replace");
	l = letter(d);
	is_i64(shmq_dlq_replace(d, &l, &m), 0, "replaced");
	is_i64(shmq_dlq_replace(d, &l, &m), SHMQ_LATE, "the old one is gone");
	is_str(all_letters("replace"), "mended", "the new one is there");
	n = letter(d);
	ok(n.id != l.id, "with another id");
	ok(n.message.key_len == 2 && memcmp(n.message.key, "k2", 2) == 0, "its key");
	ok(n.status == 7 && n.reason == SHMQ_REASON_REJECTED && n.text_len == 3 && memcmp(n.text, "why", 3) == 0 &&
		   n.attempts == 1 && n.message.offset == 0 && n.requeues == 0,
	   "and the history of the old one");
	is_i64(shmq_dlq_requeue(d, &n, 0), 0, "requeued");
	next_is(g, &e, "mended", 1, "it is worked on");
	step(shmq_group_ack(g, &e));
	shmq_dlq_close(d);
	shmq_group_close(g);
}

static void moved(void)
{
	struct shmq_topic_options small = {.slots = 8, .pool_bytes = 1 << 20};
	struct shmq_dead_letter l;
	shmq_group *g, *holds;
	shmq_pub *p, *foreign;
	shmq_dlq *d;

	topic_make(q, "move", 1);
	topic_make(q, "moved", 3);
	need(shmq_topic_create(q, "moved-full", &small));
	publish_key(q, "move", "kay", "a", -1);
	publish_words(q, "move", "b c");
	publish_key(q, "moved", "kay", "direct", -1);
	g = consumer(q, "move", "g", NULL, 0);
	for (unsigned i = 0; i < 3; i++)
		step(kill_next(g, NULL));
	d = letters("move");
	l = letter(d);
	foreign = publisher(q, "moved", 0, 0);
	p = publisher(q2, "moved", 0, 0);
	is_i64(shmq_dlq_move(d, &l, foreign, 0), SHMQ_EINVAL, "a publisher of another handle");
	is_i64(shmq_dlq_move(d, &l, p, 0), 0, "moved to another topic");
	is_i64(shmq_dlq_move(d, &l, p, 0), SHMQ_LATE, "once");
	is_str(all_letters("move"), "b c", "the others are there");
	for (int i = 0; i < 3; i++)
		if (strstr(contents(q, "moved", i), "direct") != NULL)
			is_str(contents(q, "moved", i), "direct a ", "where its key leads");
	shmq_pub_close(p);
	p = publisher(q2, "moved-full", SHMQ_PUB_NO_WAIT, 0);
	holds = consumer(q, "moved-full", "h", NULL, 0);
	publish_until_full(p, "m");
	shmq_pub_close(p);
	p = publisher(q2, "moved-full", 0, 0);
	l = letter(d);
	is_i64(shmq_dlq_move(d, &l, p, 50 * MS), SHMQ_TIMEOUT, "a target that is full");
	is_str(all_letters("move"), "b c", "changes nothing");
	take_all(holds, TAKE_ACK, NULL);
	is_i64(shmq_dlq_move(d, &l, p, LIMIT_MS * MS), 0, "until there is room");
	is_str(take_all(holds, TAKE_ACK, NULL), "b", "then it is there");
	need(shmq_topic_delete(q, "moved-full"));
	l = letter(d);
	is_i64(shmq_dlq_move(d, &l, p, 0), SHMQ_GONE, "a target that is deleted");
	is_str(all_letters("move"), "c", "changes nothing");
	shmq_pub_close(p);
	shmq_pub_close(foreign);
	shmq_dlq_close(d);
	shmq_group_close(g);
	shmq_group_close(holds);
}

/* Whoever replaces and moves is no consumer: an ordered group does not share out partitions to it. */
static void not_a_consumer(void)
{
	struct shmq_group_options o = {.mode = SHMQ_GROUP_ORDERED};
	struct shmq_message m = {.value = "r", .value_len = 1, .partition = -1};
	struct shmq_dead_letter l;
	struct shmq_delivery e;
	char text[256] = "";
	int64_t end;
	shmq_group *g;
	shmq_dlq *d;

	topic_make(q, "ordered", 2);
	publish_key(q, "ordered", NULL, "a", 0);
	g = consumer(q, "ordered", "g", &o, 0);
	step(kill_next(g, NULL));
	d = letters("ordered");
	l = letter(d);
	step(shmq_dlq_replace(d, &l, &m));
	is_u64(info_of(q, "ordered", "g").consumers, 1, "who replaces a letter is not counted as a consumer");
	end = now_ms() + 2500;
	while (now_ms() < end) { /* partitions are shared out once a second */
		if (shmq_group_next(g, &e) == SHMQ_EMPTY)
			shmq_group_wait(&g, 1, 100 * MS);
	}
	publish_key(q, "ordered", NULL, "b", 0);
	publish_key(q, "ordered", NULL, "c", 1);
	for (unsigned i = 0; i < 2 && next_within(g, &e, 5000) == 0; i++) {
		strcat(strcat(text, value_of(&e.message)), " ");
		step(shmq_group_ack(g, &e));
	}
	ok(strcmp(text, "b c ") == 0 || strcmp(text, "c b ") == 0, "both partitions are worked on: %s", text);
	shmq_dlq_close(d);
	shmq_group_close(g);
}

/* ---- room --------------------------------------------------------------------------- */

static void dropped(void)
{
	struct shmq_group_options o = {.dead = SHMQ_GROUP_DEAD_DROP, .retries = 1};
	struct shmq_delivery d;
	bool dead = false;
	shmq_group *g;

	topic_make(q, "drop", 1);
	publish_words(q, "drop", "a b c");
	g = consumer(q, "drop", "g", &o, 0);
	step(kill_next(g, NULL));
	need(next_soon(g, &d));
	is_i64(shmq_group_retry(g, &d, 0, NULL, &dead), 0, "a last delivery");
	ok(dead, "is told");
	is_u64(info_of(q, "drop", "g").dead, 0, "dead letters are not kept");
	is_u64(info_of(q, "drop", "g").dropped, 2, "but counted");
	is_u64(info_of(q, "drop", "g").dead_lettered, 0, "as dropped");
	is_u64(lag_of(q, "drop", "g"), 1, "and done");
	is_str(all_letters("drop"), "", "there is none");
	shmq_group_close(g);
}

static void full(void)
{
	struct shmq_group_options o = {.retries = 250,
				       .returns_rows = 16,
				       .returns_bytes = 1 << 20,
				       .backoff_ns = 1 * MS,
				       .backoff_max_ns = 20 * MS};
	struct shmq_delivery d;
	struct shmq_dead_letter l;
	unsigned given = 0;
	shmq_group *g;
	shmq_dlq *dlq;
	int r = 0;

	topic_make(q, "full", 1);
	publish_numbers(q, "full", 0, 40, true);
	g = consumer(q, "full", "g", &o, 0);
	while (given < 40 && (r = next_soon(g, &d)) == 0 && (r = shmq_group_dead(g, &d, NULL)) == 0)
		given++;
	is_u64(given, 16, "a return log of 16 rows has room for so many");
	is_i64(r, SHMQ_FULL, "then it is full");
	is_i64(shmq_group_ack(g, &d), SHMQ_LATE, "the message waits");
	ok(info_of(q, "full", "g").returns_full > 0, "that is counted");
	is_u64(info_of(q, "full", "g").dead, 16, "16 letters");
	is_u64(lag_of(q, "full", "g"), 24, "the others are not lost");
	is_str(all_letters("full"), numbers(0, 16), "they are those that came first");
	dlq = letters("full");
	for (unsigned i = 0; i < 4; i++) {
		l = letter(dlq);
		step(shmq_dlq_drop(dlq, &l));
	}
	shmq_dlq_close(dlq);
	given = 0;
	for (unsigned i = 0; i < 200 && given < 4; i++) {
		r = next_soon(g, &d);
		if (r == 0 && shmq_group_dead(g, &d, NULL) == 0)
			given++;
	}
	is_u64(given, 4, "there is room for as many as were dropped");
	for (unsigned i = 0; i < 100 && lag_of(q, "full", "g") > 0 && next_soon(g, &d) == 0; i++)
		step(shmq_group_ack(g, &d));
	is_u64(lag_of(q, "full", "g"), 0, "the rest can be done");
	is_u64(info_of(q, "full", "g").dead, 16, "16 letters, still");
	is_u64(info_of(q, "full", "g").acked + 20, 40, "none is lost");
	shmq_group_close(g);
}

/* Letters that stay, while many others come and go: the ring is turned over many times. */
static void compaction(unsigned rows, unsigned stay, unsigned pass, const char *topic)
{
	struct shmq_group_options o = {.returns_rows = rows, .returns_bytes = 1 << 20, .backoff_ns = 1 * MS,
				       .backoff_max_ns = 1 * MS};
	struct shmq_dead_letter l;
	struct shmq_delivery d;
	unsigned refused = 0, wrong = 0;
	shmq_group *g;
	shmq_dlq *dlq;

	topic_make(q, topic, 1);
	g = consumer(q, topic, "g", &o, 0);
	publish_numbers(q, topic, 0, stay, true);
	for (unsigned i = 0; i < stay; i++)
		wrong += kill_next(g, NULL) != 0;
	for (unsigned i = 0; i < pass; i++) {
		char text[16];

		snprintf(text, sizeof text, "p%u", i);
		publish_words(q, topic, text);
		wrong += next_soon(g, &d) != 0;
		while (shmq_group_dead(g, &d, NULL) == SHMQ_FULL && refused++ < 100000)
			wrong += next_soon(g, &d) != 0;
		dlq = letters(topic);
		do
			wrong += shmq_dlq_next(dlq, &l) != 0;
		while (strcmp(value_of(&l.message), text) != 0 && wrong == 0);
		wrong += shmq_dlq_drop(dlq, &l) != 0;
		shmq_dlq_close(dlq);
		if (wrong > 0)
			break;
	}
	is_u64(wrong, 0, "%s: %u letters come and go", topic, pass);
	is_u64(refused, 0, "%s: there is always room for them", topic);
	is_u64(info_of(q, topic, "g").dead, stay, "%s: those that stay are there", topic);
	dlq = letters(topic);
	for (unsigned i = 0; i < stay; i++) { /* not in order any more; each once */
		if (shmq_dlq_next(dlq, &l) != 0 || l.attempts != 1 || l.message.offset >= stay ||
		    strtoul(value_of(&l.message), NULL, 10) != l.message.offset)
			wrong++;
	}
	is_u64(wrong, 0, "%s: as they were", topic);
	is_i64(shmq_dlq_next(dlq, &l), SHMQ_END, "%s: and no others", topic);
	shmq_dlq_close(dlq);
	shmq_group_close(g);
}

/* A letter that was requeued, waits, and is moved to make room: it was requeued all the same. */
static void requeues_kept(void)
{
	struct shmq_group_options o = {.returns_rows = 16, .returns_bytes = 1 << 20, .retries = 1};
	struct shmq_dead_letter l;
	struct shmq_delivery d;
	shmq_group *g;
	shmq_dlq *dlq;

	topic_make(q, "count", 1);
	publish_words(q, "count", "first");
	g = consumer(q, "count", "g", &o, 0);
	step(kill_next(g, NULL));
	dlq = letters("count");
	l = letter(dlq);
	step(shmq_dlq_requeue(dlq, &l, 4 * SECOND));
	shmq_dlq_close(dlq);
	for (unsigned i = 0; i < 200; i++) {
		publish_words(q, "count", "x");
		step(kill_next(g, NULL));
		dlq = letters("count");
		l = letter(dlq);
		step(shmq_dlq_drop(dlq, &l));
		shmq_dlq_close(dlq);
	}
	next_is(g, &d, "first", 1, "it comes when its time has come");
	step(shmq_group_dead(g, &d, NULL));
	dlq = letters("count");
	l = letter(dlq);
	is_u64(l.requeues, 1, "it was requeued once");
	shmq_dlq_close(dlq);
	shmq_group_close(g);
}

static void large(void)
{
	struct shmq_topic_options t = {.slots = 64, .pool_bytes = 4 << 20};
	struct shmq_group_options o = {.returns_rows = 16, .returns_bytes = 1 << 20, .backoff_ns = 1 * MS, .backoff_max_ns = 1 * MS};
	static char body[1 << 20];
	struct shmq_dead_letter l;
	struct shmq_delivery d;
	unsigned wrong = 0;
	shmq_group *g;
	shmq_dlq *dlq;
	shmq_pub *p;
	size_t most;

	need(shmq_topic_create(q, "large", &t));
	p = publisher(q, "large", 0, LIMIT_MS);
	most = shmq_pub_message_max(p);
	g = consumer(q, "large", "g", &o, 0);
	for (unsigned i = 0; i < 40; i++) {
		memset(body, 'a' + (int)(i % 26), most);
		step(publish_bytes(p, body, most));
		need(next_soon(g, &d));
		wrong += d.message.value_len != most;
		if (!step(shmq_group_dead(g, &d, NULL)))
			break;
		dlq = letters("large");
		l = letter(dlq);
		wrong += l.message.value_len != most || memcmp(l.message.value, body, most) != 0;
		if (i % 3 == 0) {
			step(shmq_dlq_requeue(dlq, &l, 0));
			need(next_soon(g, &d));
			wrong += d.message.value_len != most || memcmp(d.message.value, body, most) != 0;
			step(shmq_group_ack(g, &d));
		} else {
			step(shmq_dlq_drop(dlq, &l));
		}
		shmq_dlq_close(dlq);
	}
	is_u64(wrong, 0, "the largest messages of a topic can be dead letters, 40 times: %zu bytes", most);
	shmq_pub_close(p);
	shmq_group_close(g);
}

static void others(void)
{
	struct shmq_open_options oo = {.dir = scratch, .flags = SHMQ_OBSERVE};
	struct shmq_dead_letter l;
	shmq *observer;
	shmq_group *g;
	shmq_dlq *d;

	topic_make(q, "others", 1);
	publish_words(q, "others", "a");
	is_i64(shmq_dlq_open(q, "none", "g", &d), SHMQ_ENOENT, "no such topic");
	ok(d == NULL, "no handle");
	is_i64(shmq_dlq_open(q, "others", "g", &d), SHMQ_ENOENT, "no such group");
	is_i64(shmq_dlq_open(q, "others", "-", &d), SHMQ_EINVAL, "no name");
	g = consumer(q, "others", "g", NULL, 0);
	step(kill_next(g, NULL));
	need(shmq_open(&observer, &oo));
	need(shmq_dlq_open(observer, "others", "g", &d));
	l = letter(d);
	is_str(value_of(&l.message), "a", "who only observes may look");
	ok(shmq_dlq_drop(d, &l) == SHMQ_EINVAL && shmq_dlq_requeue(d, &l, 0) == SHMQ_EINVAL &&
		   shmq_dlq_replace(d, &l, &l.message) == SHMQ_EINVAL,
	   "and do nothing");
	shmq_dlq_close(d);
	shmq_close(observer);
	d = letters("others");
	need(shmq_group_delete(q, "others", "g"));
	is_i64(shmq_dlq_next(d, &l), SHMQ_GONE, "a group that was deleted is gone");
	is_i64(shmq_dlq_get(d, 0, &l), SHMQ_GONE, "for all");
	is_i64(shmq_dlq_drop(d, &l), SHMQ_GONE, "that can be done");
	shmq_dlq_close(d);
	shmq_group_close(g);
}

int main(void)
{
	scratch_begin(120);
	q = broker();
	q2 = broker();
	what_is_kept();
	back_to_work();
	replaced();
	moved();
	not_a_consumer();
	dropped();
	full();
	compaction(16, 15, 300, "compact-few");
	compaction(1024, 1000, 2500, "compact-many");
	requeues_kept();
	large();
	others();
	shmq_close(q2);
	shmq_close(q);
	return done();
}
