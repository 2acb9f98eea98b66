/* SPDX-License-Identifier: MIT */
/* group_test.c - a group as its consumers see it: opened, claimed from, acked, given back, left. */
#include "groups.h"

static shmq *q;

/* ---- opening ------------------------------------------------------------------------ */

static int open_with(const char *topic, const char *group, const struct shmq_consume_options *o, bool *created)
{
	shmq_group *g;
	int r = shmq_group_open(q, topic, group, o, &g, created);

	ok((r == 0) == (g != NULL), "%s: a handle only when it is open", group);
	shmq_group_close(g);
	return r;
}

static void opening(void)
{
	struct shmq_consume_options o = {.flags = SHMQ_CONSUME_NO_CREATE};
	char long_name[300];
	bool created = false;

	topic_make(q, "open", 1);
	is_i64(open_with("no-topic", "g", NULL, NULL), SHMQ_ENOENT, "an unknown topic");
	is_i64(open_with("open", "g", &o, NULL), SHMQ_ENOENT, "an unknown group that is not to be made");
	is_i64(open_with("open", "g", NULL, &created), 0, "it is made");
	ok(created, "and that is told");
	is_i64(open_with("open", "g", &o, &created), 0, "it is there");
	ok(!created, "and was not made again");
	memset(long_name, 'n', sizeof long_name);
	long_name[SHMQ_NAME_MAX] = '\0';
	is_i64(open_with("open", long_name, NULL, NULL), 0, "a name of %d bytes", SHMQ_NAME_MAX);
	long_name[SHMQ_NAME_MAX] = 'n';
	long_name[SHMQ_NAME_MAX + 1] = '\0';
	is_i64(open_with("open", long_name, NULL, NULL), SHMQ_EINVAL, "one more");
	for (unsigned i = 0; i < 6; i++) {
		const char *bad = (const char *[]){"", ".", "..", "-g", "a/b", "a b"}[i];

		is_i64(open_with("open", bad, NULL, NULL), SHMQ_EINVAL, "no name: '%s'", bad);
		is_i64(shmq_group_name_check(bad), SHMQ_EINVAL, "no name, asked: '%s'", bad);
	}
	o = (struct shmq_consume_options){.prefetch = 4097};
	is_i64(open_with("open", "p", &o, NULL), SHMQ_EINVAL, "prefetch 4097");
	o.prefetch = 4096;
	is_i64(open_with("open", "p", &o, NULL), 0, "prefetch 4096");
}

static void options_in_range(void)
{
	static char filter[SHMQ_FILTER_MAX + 2];
	static const struct {
		struct shmq_group_options o;
		bool good;
		const char *what;
	} cases[] = {
		{{.retries = 250}, true, "retries 250"},
		{{.retries = 251}, false, "retries 251"},
		{{.mode = (enum shmq_group_mode)2}, false, "mode 2"},
		{{.dead = (enum shmq_group_dead)2}, false, "dead 2"},
		{{.lease_ns = 100 * MS}, true, "lease 100 ms"},
		{{.lease_ns = 100 * MS - 1}, false, "lease just below 100 ms"},
		{{.lease_ns = 86400 * SECOND}, true, "lease 1 day"},
		{{.lease_ns = 86400 * SECOND + 1}, false, "lease above 1 day"},
		{{.lease_ns = -1}, false, "lease -1"},
		{{.backoff_ns = 1 * MS, .backoff_max_ns = 1 * MS}, true, "back-off 1 ms"},
		{{.backoff_ns = 1 * MS - 1}, false, "back-off below 1 ms"},
		{{.backoff_ns = 30 * 86400 * SECOND}, true, "back-off 30 days"},
		{{.backoff_ns = 30 * 86400 * SECOND + 1}, false, "back-off above 30 days"},
		{{.backoff_ns = 10 * MS, .backoff_max_ns = 9 * MS}, false, "most below first back-off"},
		{{.backoff_ns = 10 * MS, .backoff_max_ns = 31 * 86400 * SECOND}, false, "most above 30 days"},
		{{.returns_rows = 16}, true, "16 rows"},
		{{.returns_rows = 15}, false, "15 rows"},
		{{.returns_rows = 1 << 19}, true, "2^19 rows"},
		{{.returns_rows = (1 << 19) + 1}, false, "more rows"},
		{{.returns_bytes = 1 << 20}, true, "1 MiB"},
		{{.returns_bytes = (1 << 20) - (256 << 10)}, false, "less"},
		{{.returns_bytes = (1 << 20) + 1}, false, "not in steps"},
		{{.returns_bytes = 512 << 20}, true, "512 MiB"},
		{{.returns_bytes = (512 << 20) + (256 << 10)}, false, "more bytes"},
		{{.expire_ns = 1000 * MS}, true, "expiry 1 s"},
		{{.expire_ns = 1000 * MS - 1}, false, "expiry below 1 s"},
		{{.expire_ns = SHMQ_FOREVER}, true, "no expiry"},
		{{.window = 64}, true, "window 64"},
		{{.window = 32}, false, "window 32"},
		{{.window = 100}, false, "window 100"},
		{{.window = 65536}, true, "window 65536"},
		{{.window = 131072}, false, "window 131072"},
		{{.filter = ""}, true, "an empty filter"},
		{{.filter = "a.*.#"}, true, "a filter"},
	};
	struct shmq_consume_options o = {0};
	struct shmq_group_options with = {.filter = filter};
	char name[32];

	topic_make(q, "range", 1);
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		shmq_group *g;
		int r;

		o.options = &cases[i].o;
		snprintf(name, sizeof name, "g%u", i);
		r = shmq_group_open(q, "range", name, &o, &g, NULL);
		is_i64(r, cases[i].good ? 0 : SHMQ_EINVAL, "%s", cases[i].what);
		shmq_group_close(g);
		if (!cases[i].good)
			is_i64(shmq_group_open(q, "range", name,
					       &(struct shmq_consume_options){.flags = SHMQ_CONSUME_NO_CREATE}, &g, NULL),
			       SHMQ_ENOENT, "%s: nothing was made", cases[i].what);
		if (r == 0)
			shmq_group_delete(q, "range", name);
	}
	memset(filter, 'f', SHMQ_FILTER_MAX);
	o.options = &with;
	is_i64(open_with("range", "f1", &o, NULL), 0, "a filter of %d bytes", SHMQ_FILTER_MAX);
	filter[SHMQ_FILTER_MAX] = 'f';
	is_i64(open_with("range", "f2", &o, NULL), SHMQ_EINVAL, "one more");
}

static void options_compared(void)
{
	struct shmq_group_options there = {.mode = SHMQ_GROUP_ORDERED,
					   .retries = 7,
					   .lease_ns = 5000 * MS,
					   .backoff_ns = 10 * MS,
					   .backoff_max_ns = 20 * MS,
					   .filter = "a.*",
					   .returns_rows = 100,
					   .returns_bytes = 2 << 20,
					   .expire_ns = 5000 * MS,
					   .window = 128,
					   .dead = SHMQ_GROUP_DEAD_DROP};
	static const struct shmq_group_options defaults;
	struct shmq_consume_options o = {.options = &there};
	struct shmq_group_options now;
	shmq_group *g;

	topic_make(q, "compare", 1);
	is_i64(open_with("compare", "g", &o, NULL), 0, "a group with all options");
	o.set = 511;
	is_i64(open_with("compare", "g", &o, NULL), 0, "the same ones are asked for");
	o.options = &defaults;
	for (unsigned bit = 1; bit < 512; bit *= 2) {
		o.set = bit;
		is_i64(open_with("compare", "g", &o, NULL), SHMQ_ECONFIG, "another option %u is asked for", bit);
		ok(strstr(shmq_error(q), "compare") != NULL, "option %u: %s", bit, shmq_error(q));
	}
	o.set = 0;
	is_i64(open_with("compare", "g", &o, NULL), 0, "others, but not meant");
	o.options = NULL;
	o.set = SHMQ_SET_RETRIES;
	is_i64(open_with("compare", "g", &o, NULL), SHMQ_ECONFIG, "no options are the defaults");
	need(shmq_group_open(q, "compare", "g", NULL, &g, NULL));
	shmq_group_options_now(g, &now);
	ok(now.mode == there.mode && now.retries == 7 && now.lease_ns == there.lease_ns &&
		   now.backoff_ns == there.backoff_ns && now.backoff_max_ns == there.backoff_max_ns &&
		   strcmp(now.filter, "a.*") == 0 && now.returns_rows == 100 && now.returns_bytes == 2 << 20 &&
		   now.expire_ns == there.expire_ns && now.window == 128 && now.dead == SHMQ_GROUP_DEAD_DROP,
	   "they are told as they were said");
	shmq_group_close(g);
	need(shmq_group_open(q, "compare", "d", NULL, &g, NULL));
	shmq_group_options_now(g, &now);
	ok(now.mode == SHMQ_GROUP_SHARED && now.retries == 5 && now.lease_ns == 30000 * MS &&
		   now.backoff_ns == 1000 * MS && now.backoff_max_ns == 300000 * MS && now.filter == NULL &&
		   now.returns_rows == 16384 && now.returns_bytes == 32 << 20 &&
		   now.expire_ns == 7 * 86400 * SECOND && now.window == 65536 && now.dead == SHMQ_GROUP_DEAD_KEEP,
	   "the defaults are those of shmq.h");
	shmq_group_close(g);
}

static void where_it_begins(void)
{
	static const struct {
		struct shmq_seek from;
		unsigned first;
		const char *what;
	} cases[] = {
		{{SHMQ_SEEK_BEGINNING, 0}, 0, "the beginning"},	 {{SHMQ_SEEK_END, 0}, 10, "the end"},
		{{SHMQ_SEEK_OFFSET, 7}, 7, "offset 7"},		 {{SHMQ_SEEK_OFFSET, 0}, 0, "offset 0"},
		{{SHMQ_SEEK_OFFSET, 1000}, 10, "an offset behind the end"}, {{SHMQ_SEEK_LAST, 3}, 7, "the last 3"},
		{{SHMQ_SEEK_LAST, 100}, 0, "more than there are"}, {{SHMQ_SEEK_LAST, 0}, 10, "the last 0"},
	};

	for (unsigned together = 0; together < 2; together++) {
		const char *topic = together ? "from-one" : "from-many";

		topic_make(q, topic, 1);
		publish_numbers(q, topic, 0, 10, together);
		for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
			struct shmq_consume_options o = {.from_set = true, .from = cases[i].from};
			char name[16];
			shmq_group *g;

			snprintf(name, sizeof name, "g%u", i);
			need(shmq_group_open(q, topic, name, &o, &g, NULL));
			is_str(take_all(g, TAKE_ACK, NULL), numbers(cases[i].first, 10), "%s: begins at %s", topic,
			       cases[i].what);
			shmq_group_close(g);
			is_i64(shmq_group_open(q, topic, name, &o, &g, NULL), SHMQ_EEXIST,
			       "%s: not for one that is there", topic);
		}
	}
}

static void one_per_handle(void)
{
	shmq_group *a, *b, *c;
	shmq *other = broker();

	topic_make(q, "one", 1);
	publish_words(q, "one", "m");
	a = consumer(q, "one", "g", NULL, 0);
	is_i64(shmq_group_open(q, "one", "g", NULL, &b, NULL), SHMQ_EINVAL, "a second consumer on one handle");
	ok(b == NULL, "is not there");
	is_str(take_all(a, TAKE_ACK, NULL), "m", "the first one goes on");
	is_i64(shmq_group_open(q, "one", "h", NULL, &b, NULL), 0, "one of another group is");
	is_i64(shmq_group_open(other, "one", "g", NULL, &c, NULL), 0, "one on another handle too");
	is_u64(info_of(q, "one", "g").consumers, 2, "two consumers");
	shmq_group_close(a);
	is_u64(info_of(q, "one", "g").consumers, 1, "one left");
	is_i64(shmq_group_open(q, "one", "g", NULL, &a, NULL), 0, "and comes again");
	shmq_group_close(a);
	shmq_group_close(b);
	shmq_group_close(c);
	shmq_close(other);
}

/* ---- claims ------------------------------------------------------------------------- */

static void a_message(void)
{
	struct shmq_header h[2] = {{"n", 1, "v", 1}, {"n", 1, "", 0}};
	struct shmq_message m = {.value = "value",
				 .value_len = 5,
				 .key = "key",
				 .key_len = 3,
				 .headers = h,
				 .header_count = 2,
				 .partition = 2};
	struct shmq_delivery d;
	shmq_group *g;
	shmq_pub *p;

	topic_make(q, "message", 3);
	p = publisher(q, "message", 0, 0);
	need(shmq_pub_send(p, &m));
	need(shmq_pub_flush(p));
	shmq_pub_close(p);
	g = consumer(q, "message", "g", NULL, 0);
	is_i64(shmq_group_next(g, &d), 0, "a message");
	ok(d.message.value_len == 5 && memcmp(d.message.value, "value", 5) == 0, "its value");
	ok(d.message.key_len == 3 && memcmp(d.message.key, "key", 3) == 0, "its key");
	ok(d.message.header_count == 2 && memcmp(d.message.headers[0].value, "v", 1) == 0 &&
		   d.message.headers[1].value_len == 0,
	   "its headers");
	is_i64(d.message.partition, 2, "its partition");
	is_u64(d.message.offset, 0, "its offset");
	ok(d.message.time_ns > 0, "its time");
	is_u64(d.attempt, 1, "its first attempt");
	is_i64(shmq_group_next(g, &d), SHMQ_EMPTY, "and no other");
	shmq_group_close(g);
}

static void in_order(void)
{
	shmq_group *g;
	int r;

	for (unsigned together = 0; together < 2; together++) {
		const char *topic = together ? "order-one" : "order-many";

		topic_make(q, topic, 1);
		publish_numbers(q, topic, 0, 500, together);
		g = consumer(q, topic, "g", NULL, 0);
		is_str(take_all(g, TAKE_ACK, &r), numbers(0, 500), "%s: each once, in order", topic);
		is_i64(r, SHMQ_EMPTY, "%s: then nothing", topic);
		shmq_group_close(g);
		is_u64(lag_of(q, topic, "g"), 0, "%s: no lag", topic);
		g = consumer(q, topic, "g", NULL, 0);
		is_str(take_all(g, TAKE_ACK, NULL), "", "%s: what was acked does not come again", topic);
		publish_numbers(q, topic, 500, 600, together);
		is_str(take_all(g, TAKE_ACK, NULL), numbers(500, 600), "%s: what comes now does", topic);
		shmq_group_close(g);
		g = consumer(q, topic, "late", NULL, 0);
		ok(strncmp(take_all(g, TAKE_ACK, NULL), "0 1 2", 5) == 0, "%s: another group gets its own", topic);
		shmq_group_close(g);
	}
}

#define SHARERS 4

static void several(void)
{
	shmq *handles[SHARERS];
	shmq_group *g[SHARERS];
	unsigned seen[2000] = {0}, wrong = 0, idle = 0;
	uint64_t last[SHARERS] = {0};

	topic_make(q, "several", 1);
	publish_numbers(q, "several", 0, 700, true);
	publish_numbers(q, "several", 700, 1000, false);
	publish_numbers(q, "several", 1000, 2000, true);
	for (unsigned i = 0; i < SHARERS; i++) {
		struct shmq_consume_options o = {.prefetch = 1 + i * 20};

		handles[i] = broker();
		need(shmq_group_open(handles[i], "several", "g", &o, &g[i], NULL));
	}
	for (unsigned i = 0; idle < 3 * SHARERS; i = (i + 1) % SHARERS) {
		struct shmq_delivery d;
		int r = shmq_group_next(g[i], &d);

		idle = r == SHMQ_EMPTY ? idle + 1 : 0;
		if (r != 0)
			continue;
		seen[strtoul(value_of(&d.message), NULL, 10) % 2000]++;
		wrong += d.attempt != 1;
		last[i]++;
		wrong += shmq_group_ack(g[i], &d) != 0;
	}
	for (unsigned i = 0; i < 2000; i++)
		wrong += seen[i] != 1;
	is_u64(wrong, 0, "%d consumers share 2000 messages: each once", SHARERS);
	for (unsigned i = 0; i < SHARERS; i++) {
		ok(last[i] > 0, "consumer %u had %u of them", i, (unsigned)last[i]);
		shmq_group_close(g[i]);
		shmq_close(handles[i]);
	}
	is_u64(lag_of(q, "several", "g"), 0, "no lag");
	is_u64(info_of(q, "several", "g").acked, 2000, "2000 acked");
	is_u64(info_of(q, "several", "g").delivered, 2000, "2000 delivered");
	is_u64(info_of(q, "several", "g").redelivered, 0, "none again");
}

static void in_any_order(void)
{
	struct shmq_delivery d[5];
	unsigned taken = 0;
	shmq_group *g;

	topic_make(q, "any", 1);
	publish_numbers(q, "any", 0, 5, false);
	g = consumer(q, "any", "g", NULL, 0);
	while (taken < 5 && shmq_group_next(g, &d[taken]) == 0)
		taken++;
	is_u64(taken, 5, "five in hand at once");
	is_u64(info_of(q, "any", "g").logs[0].inflight, 5, "five in flight");
	is_i64(shmq_group_ack(g, &d[4]), 0, "the last is acked first");
	is_u64(info_of(q, "any", "g").logs[0].offset, 0, "the committed offset stays");
	is_u64(info_of(q, "any", "g").logs[0].lag, 4, "lag 4");
	is_i64(shmq_group_ack(g, &d[0]), 0, "the first");
	is_u64(info_of(q, "any", "g").logs[0].offset, 1, "now it moves");
	is_i64(shmq_group_ack(g, &d[0]), SHMQ_LATE, "acked twice");
	is_i64(shmq_group_retry(g, &d[0], 0, NULL, NULL), SHMQ_LATE, "a retry of what is acked");
	is_i64(shmq_group_dead(g, &d[0], NULL), SHMQ_LATE, "a death of what is acked");
	is_i64(shmq_group_release(g, &d[0]), SHMQ_LATE, "a release of what is acked");
	is_i64(shmq_group_release(g, &d[2]), 0, "one is given back");
	is_i64(shmq_group_ack(g, &d[2]), SHMQ_LATE, "it cannot be acked any more");
	is_i64(shmq_group_ack(g, &d[1]), 0, "others can");
	is_i64(shmq_group_ack(g, &d[3]), 0, "all of them");
	next_is(g, &d[0], "2", 1, "what was given back comes again, as if it had not been delivered");
	is_i64(shmq_group_ack(g, &d[0]), 0, "and is acked");
	is_u64(info_of(q, "any", "g").logs[0].offset, 5, "all are done");
	shmq_group_close(g);
}

/* ---- not done ----------------------------------------------------------------------- */

static void retries(void)
{
	struct shmq_group_options o = {.retries = 3, .backoff_ns = 1 * MS, .backoff_max_ns = 2 * MS};
	struct shmq_delivery d;
	shmq_group *g;
	bool dead = true;

	topic_make(q, "retry", 1);
	publish_words(q, "retry", "a");
	g = consumer(q, "retry", "g", &o, 0);
	next_is(g, &d, "a", 1, "the first attempt");
	is_i64(shmq_group_retry(g, &d, 0, NULL, &dead), 0, "it fails");
	ok(!dead, "it is not dead");
	next_is(g, &d, "a", 2, "the second attempt");
	is_i64(shmq_group_retry(g, &d, -2, NULL, NULL), SHMQ_EINVAL, "a delay of -2 ns");
	is_i64(shmq_group_retry(g, &d, 30 * 86400 * SECOND + 1, NULL, NULL), SHMQ_EINVAL, "of more than 30 days");
	is_i64(shmq_group_retry(g, &d, SHMQ_BACKOFF, NULL, &dead), 0, "it is still in hand: back-off");
	is_u64(info_of(q, "retry", "g").logs[0].waiting, 1, "it waits");
	is_u64(info_of(q, "retry", "g").dead, 0, "no dead letter");
	next_is(g, &d, "a", 3, "the last attempt");
	is_i64(shmq_group_retry(g, &d, 0, NULL, &dead), 0, "it fails");
	ok(dead, "now it is dead");
	is_u64(info_of(q, "retry", "g").dead, 1, "a dead letter");
	is_u64(info_of(q, "retry", "g").dead_lettered, 1, "counted");
	is_u64(info_of(q, "retry", "g").redelivered, 2, "two redeliveries");
	is_u64(lag_of(q, "retry", "g"), 0, "it holds up nobody");
	is_i64(next_within(g, &d, 100), SHMQ_EMPTY, "it does not come again");
	is_i64(shmq_group_ack(g, &d), SHMQ_LATE, "nor can it be acked");
	shmq_group_close(g);
}

static void released_for_ever(void)
{
	struct shmq_group_options o = {.retries = 2};
	struct shmq_delivery d;
	unsigned wrong = 0;
	shmq_group *g;

	topic_make(q, "release", 1);
	publish_words(q, "release", "a");
	g = consumer(q, "release", "g", &o, 0);
	for (unsigned i = 0; i < 300; i++) {
		wrong += next_soon(g, &d) != 0 || d.attempt != 1;
		wrong += shmq_group_release(g, &d) != 0;
	}
	is_u64(wrong, 0, "given back 300 times: never counted");
	is_u64(info_of(q, "release", "g").dead, 0, "never dead");
	shmq_group_close(g);
}

/* How far away the time of a waiting message is, in ms. */
static int64_t due_of(struct shmq_group *c, uint64_t offset, uint64_t before)
{
	uint64_t word;

	if (window_look(&c->lanes[0].window, offset, &word) != SAYS_HELD || word_state(word) != WORD_WAITING)
		return -1000000;
	return word_due_in_ms(word, before);
}

static void backoff(void)
{
	struct shmq_group_options o = {.retries = 250, .backoff_ns = 20 * MS, .backoff_max_ns = 60 * MS};
	static const int64_t most[] = {20, 40, 60, 60};
	shmq_group *g;

	topic_make(q, "backoff", 1);
	g = consumer(q, "backoff", "g", &o, 0);
	for (unsigned n = 0; n < 4; n++) { /* the n+1st delivery fails with back-off */
		int64_t least = INT64_MAX, longest = -1;
		unsigned wrong = 0;

		for (unsigned i = 0; i < 30; i++) {
			struct shmq_delivery d;
			uint64_t before;
			int64_t due, took;

			publish_words(q, "backoff", "m");
			for (unsigned k = 0; k < n; k++)
				wrong += next_soon(g, &d) != 0 || shmq_group_retry(g, &d, 0, NULL, NULL) != 0;
			wrong += next_soon(g, &d) != 0 || d.attempt != n + 1;
			before = boot_ms();
			wrong += shmq_group_retry(g, &d, SHMQ_BACKOFF, NULL, NULL) != 0;
			due = due_of(g, d.message.offset, before);
			took = (int64_t)(boot_ms() - before);
			wrong += due < 0 || due > most[n] + took;
			least = due < least ? due : least;
			longest = due - took > longest ? due - took : longest;
			wrong += next_soon(g, &d) != 0 || d.attempt != n + 2 || shmq_group_ack(g, &d) != 0;
		}
		is_u64(wrong, 0, "back-off %u: within 0 to %d ms", n + 1, (int)most[n]);
		/* 30 times in one half: 2^-30 */
		ok(longest > most[n] / 2 && longest <= most[n], "back-off %u: sometimes long: %d ms", n + 1, (int)longest);
		ok(least < most[n] / 2, "back-off %u: sometimes short: %d ms", n + 1, (int)least);
	}
	shmq_group_close(g);
}

/* What waits long does so in the return log, and comes from there. */
static void a_long_wait(void)
{
	struct shmq_delivery d;
	struct shmq_group_info i;
	shmq_group *g;

	topic_make(q, "long", 1);
	publish_words(q, "long", "a b");
	g = consumer(q, "long", "g", NULL, 0);
	next_is(g, &d, "a", 1, "a message");
	is_i64(shmq_group_retry(g, &d, 1100 * MS, NULL, NULL), 0, "again in 1.1 s");
	is_i64(shmq_group_ack(g, &d), SHMQ_LATE, "it is out of hand");
	next_is(g, &d, "b", 1, "the next");
	is_i64(shmq_group_ack(g, &d), 0, "is acked");
	i = info_of(q, "long", "g");
	is_u64(i.retry, 1, "one waits in the return log");
	is_u64(i.logs[0].lag, 0, "the partition is done");
	next_is(g, &d, "a", 2, "it comes again");
	is_u64(d.message.offset, 0, "with its own offset");
	is_i64(d.message.partition, 0, "and partition");
	is_i64(shmq_group_retry(g, &d, 0, NULL, NULL), 0, "again");
	next_is(g, &d, "a", 3, "and again");
	is_i64(shmq_group_release(g, &d), 0, "given back");
	next_is(g, &d, "a", 3, "which is not counted");
	is_i64(shmq_group_ack(g, &d), 0, "acked");
	is_u64(info_of(q, "long", "g").retry, 0, "nothing waits");
	shmq_group_close(g);
}

/* ---- flags -------------------------------------------------------------------------- */

static void at_most_once(void)
{
	shmq_group *g;

	topic_make(q, "most", 1);
	publish_numbers(q, "most", 0, 100, true);
	g = consumer(q, "most", "g", NULL, SHMQ_CONSUME_AT_MOST_ONCE);
	is_str(take_all(g, TAKE_HOLD, NULL), numbers(0, 100), "at most once: everything");
	is_u64(lag_of(q, "most", "g"), 0, "is acked when it is handed out");
	is_u64(info_of(q, "most", "g").acked, 100, "and counted as acked");
	shmq_group_close(g);
	g = consumer(q, "most", "g", NULL, 0);
	is_str(take_all(g, TAKE_HOLD, NULL), "", "nothing comes again");
	shmq_group_close(g);
}

/* Alone in the topic: what comes next is this one. */
static void claimed(shmq_group *g, struct shmq_delivery *d, const char *value, const char *what)
{
	publish_words(q, "manual", value);
	next_is(g, d, value, 1, what);
}

static void manual_start(void)
{
	struct shmq_group_options o = {.retries = 2};
	struct shmq_message m = {.value = "x", .value_len = 1};
	struct shmq_delivery d;
	bool dead = true;
	shmq_group *g;
	shmq_pub *p;

	topic_make(q, "manual", 1);
	topic_make(q, "manual-out", 1);
	p = publisher(q, "manual-out", 0, 0);
	g = consumer(q, "manual", "g", &o, SHMQ_CONSUME_MANUAL_START);
	claimed(g, &d, "a", "claimed");
	is_i64(shmq_group_start(g, &d), 0, "started");
	is_u64(d.attempt, 1, "attempt 1");
	is_i64(shmq_group_start(g, &d), 0, "started twice is started");
	is_u64(d.attempt, 1, "once");
	is_i64(shmq_group_ack(g, &d), 0, "acked");
	is_i64(shmq_group_start(g, &d), SHMQ_LATE, "too late to start");
	claimed(g, &d, "b", "claimed, to be acked");
	is_i64(shmq_group_ack(g, &d), 0, "without a start");
	claimed(g, &d, "c", "claimed, to be a dead letter");
	is_i64(shmq_group_dead(g, &d, NULL), 0, "without a start");
	is_u64(info_of(q, "manual", "g").dead, 1, "it is");
	claimed(g, &d, "d", "claimed, to be released");
	is_i64(shmq_group_release(g, &d), 0, "without a start");
	next_is(g, &d, "d", 1, "not counted");
	is_i64(shmq_group_retry(g, &d, -7, NULL, NULL), SHMQ_EINVAL, "a retry that is not acceptable, without a start");
	is_i64(shmq_group_retry(g, &d, 0, NULL, &dead), 0, "it is still in hand: a retry");
	ok(!dead, "its first");
	next_is(g, &d, "d", 2, "it comes again");
	is_i64(shmq_group_start(g, &d), 0, "started");
	is_i64(shmq_group_release(g, &d), 0, "given back");
	next_is(g, &d, "d", 2, "not counted");
	is_i64(shmq_group_start(g, &d), 0, "started");
	is_i64(shmq_group_retry(g, &d, 0, NULL, &dead), 0, "a retry");
	ok(dead, "that was its last");
	claimed(g, &d, "e", "claimed, to be settled");
	is_i64(shmq_group_settle(g, &d, p, &m, 1, 0), 0, "without a start");
	claimed(g, &d, "f", "claimed, to be settled into nothing");
	is_i64(shmq_group_settle(g, &d, p, NULL, 0, 0), 0, "without a start");
	is_u64(lag_of(q, "manual", "g"), 0, "all is done");
	is_u64(info_of(q, "manual", "g").retry, 0, "nothing waits");
	is_str(contents(q, "manual-out", -1), "x ", "what was settled is there");
	shmq_pub_close(p);
	shmq_group_close(g);
}

/* What is claimed ahead, and what is in hand, goes to who comes next; in order, and uncounted. */
static void give_back(void)
{
	struct shmq_consume_options o = {.prefetch = 10};
	struct shmq_delivery d[4];
	shmq_group *g;

	for (unsigned together = 0; together < 2; together++) {
		const char *topic = together ? "back-one" : "back-many";

		topic_make(q, topic, 1);
		publish_numbers(q, topic, 0, 100, together);
		need(shmq_group_open(q, topic, "g", &o, &g, NULL));
		for (unsigned i = 0; i < 4; i++)
			step(shmq_group_next(g, &d[i]));
		step(shmq_group_ack(g, &d[0]));
		step(shmq_group_ack(g, &d[2]));
		shmq_group_close(g);
		is_u64(info_of(q, topic, "g").logs[0].inflight, 0, "%s: nothing in flight", topic);
		need(shmq_group_open(q, topic, "g", &o, &g, NULL));
		is_str(take_all(g, TAKE_ACK, NULL) + 4, numbers(4, 100), "%s: the next one goes on in order", topic);
		shmq_group_close(g);
		is_u64(lag_of(q, topic, "g"), 0, "%s: to the end", topic);
	}
}

/* Who leaves has claimed ahead what another one has done meanwhile. */
static void give_back_of_what_is_done(void)
{
	struct shmq_consume_options o = {.prefetch = 10};
	struct shmq_delivery d, e;
	shmq *handle = broker();
	shmq_group *a, *b;
	unsigned n = 0;

	topic_make(q, "overtaken", 1);
	publish_numbers(q, "overtaken", 0, 30, true);
	need(shmq_group_open(q, "overtaken", "g", &o, &a, NULL));
	need(shmq_group_open(handle, "overtaken", "g", &o, &b, NULL));
	next_is(a, &d, "0", 1, "one in hand, nine claimed ahead");
	for (; n < 9 && shmq_group_next(b, &e) == 0 && strtoul(value_of(&e.message), NULL, 10) < 10; n++)
		step(shmq_group_ack(b, &e));
	is_u64(n, 9, "another one has nothing else to do, and does those");
	step(shmq_group_ack(a, &d));
	shmq_group_close(a);
	is_str(take_all(b, TAKE_ACK, NULL), numbers(10, 30), "what is behind them goes on");
	shmq_group_close(b);
	shmq_close(handle);
}

static void partitions(void)
{
	unsigned last[5] = {0}, wrong = 0, n = 0;
	struct shmq_delivery d;
	shmq_group *g;
	char text[32];

	topic_make(q, "parts", 5);
	for (unsigned i = 0; i < 200; i++) {
		snprintf(text, sizeof text, "%u", i + 1);
		publish_key(q, "parts", NULL, text, (int)(i % 4)); /* nothing in the last one */
	}
	g = consumer(q, "parts", "g", NULL, 0);
	while (shmq_group_next(g, &d) == 0) {
		unsigned v = (unsigned)strtoul(value_of(&d.message), NULL, 10);

		wrong += d.message.partition != (int)((v - 1) % 4) || last[d.message.partition] >= v;
		last[d.message.partition % 5] = v;
		n++;
		wrong += shmq_group_ack(g, &d) != 0;
	}
	is_u64(n, 200, "five partitions: all messages");
	is_u64(wrong, 0, "each partition in order");
	publish_key(q, "parts", NULL, "first", 4);
	next_is(g, &d, "first", 1, "the first message of a partition that was made later");
	step(shmq_group_ack(g, &d));
	shmq_group_close(g);
	is_u64(lag_of(q, "parts", "g"), 0, "no lag");
}

static void filters(void)
{
	static const struct {
		const char *filter, *passed;
	} cases[] = {
		{NULL, "ab abc none empty a b"}, {"", "ab abc none empty a b"}, {"a.*", "ab"},
		{"a.#", "ab abc a"},		 {"#", "ab abc none empty a b"}, {"b", "b"},
		{"*", "a b"},			 {"zzz", ""},
	};

	topic_make(q, "filter", 1);
	publish_key(q, "filter", "a.b", "ab", -1);
	publish_key(q, "filter", "a.b.c", "abc", -1);
	publish_key(q, "filter", NULL, "none", -1);
	publish_key(q, "filter", "", "empty", -1);
	publish_key(q, "filter", "a", "a", -1);
	publish_key(q, "filter", "b", "b", -1);
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct shmq_group_options o = {.filter = cases[i].filter};
		unsigned words = cases[i].passed[0] != '\0';
		struct shmq_group_info info;
		char name[16];
		shmq_group *g;

		for (const char *c = cases[i].passed; *c != '\0'; c++)
			words += *c == ' ';
		snprintf(name, sizeof name, "g%u", i);
		g = consumer(q, "filter", name, &o, 0);
		if (i != 6) /* how many words an empty key has is another test's */
			is_str(take_all(g, TAKE_ACK, NULL), cases[i].passed, "filter %s",
			       cases[i].filter != NULL ? cases[i].filter : "(none)");
		else
			take_all(g, TAKE_ACK, NULL);
		shmq_group_close(g);
		info = info_of(q, "filter", name);
		is_u64(info.logs[0].lag, 0, "nothing is left");
		if (i != 6)
			is_u64(info.filtered, 6 - words, "filtered %u", 6 - words);
		is_u64(info.acked + info.filtered, 6, "acked and filtered are all");
	}
}

/* ---- the end ------------------------------------------------------------------------ */

static void exit_at_end(void)
{
	shmq *other = broker();
	struct shmq_delivery d, e;
	shmq_group *g, *h;
	int r;

	topic_make(q, "end", 2);
	g = consumer(q, "end", "empty", NULL, SHMQ_CONSUME_EXIT_AT_END);
	is_i64(shmq_group_next(g, &d), SHMQ_END, "an empty topic is at its end");
	publish_words(q, "end", "later");
	is_i64(shmq_group_next(g, &d), SHMQ_END, "what comes later does not matter");
	shmq_group_close(g);

	publish_words(q, "end", "a b c");
	g = consumer(q, "end", "g", NULL, SHMQ_CONSUME_EXIT_AT_END);
	h = consumer(other, "end", "g", NULL, 0);
	need(next_soon(h, &e)); /* in the hands of another */
	is_i64(shmq_group_next(g, &d), 0, "one of those that are left");
	is_i64(shmq_group_retry(g, &d, 200 * MS, NULL, NULL), 0, "it has to wait");
	take_all(g, TAKE_ACK, &r);
	ok(r == SHMQ_EMPTY || r == SHMQ_END, "then there is nothing to do: %d", r);
	if (r == SHMQ_EMPTY) {
		r = next_soon(g, &d);
		is_i64(r, 0, "no end before what waits is done");
		is_u64(d.attempt, 2, "this one");
		is_i64(shmq_group_next(g, &e), SHMQ_EMPTY, "no end while it is in hand");
		is_i64(shmq_group_ack(g, &d), 0, "it is done");
	} else {
		ok(false, "an end before what waits is done");
	}
	is_i64(shmq_group_next(g, &d), SHMQ_END, "the end: the rest is in the hands of another");
	shmq_group_close(h);
	is_i64(shmq_group_next(g, &d), 0, "who gives it back");
	is_i64(shmq_group_ack(g, &d), 0, "it is done too");
	is_i64(shmq_group_next(g, &d), SHMQ_END, "the end");
	shmq_group_close(g);
	is_u64(lag_of(q, "end", "g"), 0, "nothing is left");
	shmq_close(other);
}

static void exit_at_end_of_returns(void)
{
	struct shmq_delivery d;
	shmq_group *g;
	int64_t begun = now_ms();
	int r;

	topic_make(q, "end-returns", 1);
	publish_words(q, "end-returns", "a b");
	g = consumer(q, "end-returns", "g", NULL, SHMQ_CONSUME_EXIT_AT_END);
	next_is(g, &d, "a", 1, "a message");
	is_i64(shmq_group_retry(g, &d, 1100 * MS, NULL, NULL), 0, "waits long");
	next_is(g, &d, "b", 1, "another");
	is_i64(shmq_group_dead(g, &d, NULL), 0, "dies");
	r = next_soon(g, &d);
	is_i64(r, 0, "no end before what waits in the return log");
	ok(now_ms() - begun >= 1000, "which took its time");
	step(shmq_group_ack(g, &d));
	is_i64(shmq_group_next(g, &d), SHMQ_END, "then the end, whatever is dead");
	shmq_group_close(g);
}

static void exit_at_end_stops_there(void)
{
	shmq_group *g;
	int r;

	for (unsigned together = 0; together < 2; together++) {
		const char *topic = together ? "stops-one" : "stops-many";
		const char *text;

		topic_make(q, topic, 1);
		publish_numbers(q, topic, 0, 5, together);
		g = consumer(q, topic, "g", NULL, SHMQ_CONSUME_EXIT_AT_END);
		publish_numbers(q, topic, 5, 200, true);
		text = take_all(g, TAKE_ACK, &r);
		is_i64(r, SHMQ_END, "%s: the end that was there", topic);
		is_str(text, numbers(0, 5), "%s: not beyond it", topic);
		shmq_group_close(g);
		is_u64(lag_of(q, topic, "g"), 195, "%s: the rest is left for others", topic);
	}
}

/* ---- waiting ------------------------------------------------------------------------ */

static void publish_later(void *argument)
{
	pause_ms(50);
	publish_words(broker(), argument, "x");
}

static void waiting(void)
{
	struct shmq_delivery d;
	int64_t begun;
	shmq_group *g;
	pid_t pid;
	int r;

	topic_make(q, "wait", 1);
	g = consumer(q, "wait", "g", NULL, 0);
	is_i64(shmq_group_next(g, &d), SHMQ_EMPTY, "nothing there");
	is_i64(shmq_group_wait(&g, 1, 0), SHMQ_TIMEOUT, "a look");
	begun = now_ms();
	while ((r = shmq_group_wait(&g, 1, 100 * MS)) == 0 && shmq_group_next(g, &d) == SHMQ_EMPTY &&
	       now_ms() - begun < LIMIT_MS)
		;
	is_i64(r, SHMQ_TIMEOUT, "a wait that is over");
	ok(now_ms() - begun >= 99, "after its time: %d ms", (int)(now_ms() - begun));
	pid = start(publish_later, (void *)(uintptr_t) "wait");
	while ((r = shmq_group_next(g, &d)) == SHMQ_EMPTY && shmq_group_wait(&g, 1, LIMIT_MS * MS) == 0)
		;
	is_i64(r, 0, "a message wakes it");
	is_i64(finish(pid), 0, "of another process");
	is_i64(shmq_group_retry(g, &d, 60 * MS, NULL, NULL), 0, "it comes again in a while");
	begun = now_ms();
	while ((r = shmq_group_next(g, &d)) == SHMQ_EMPTY && shmq_group_wait(&g, 1, LIMIT_MS * MS) == 0)
		;
	is_i64(r, 0, "what is due wakes it");
	ok(now_ms() - begun < LIMIT_MS / 2, "of its own: after %d ms", (int)(now_ms() - begun));
	is_i64(shmq_group_wait(&g, 0, 0), SHMQ_EINVAL, "a wait for nobody");
	shmq_group_close(g);
}

/* ---- fork --------------------------------------------------------------------------- */

struct forked {
	shmq_group *g;
	struct shmq_delivery d;
	shmq_pub *p;
	shmq_dlq *dlq;
	struct shmq_dead_letter letter;
};

static void forked_child(void *argument)
{
	struct forked *f = argument;
	struct shmq_group_options o;
	struct shmq_delivery d;
	struct shmq_dead_letter l;
	unsigned wrong = 0;

	wrong += shmq_group_next(f->g, &d) != SHMQ_EFORKED;
	wrong += shmq_group_start(f->g, &f->d) != SHMQ_EFORKED;
	wrong += shmq_group_ack(f->g, &f->d) != SHMQ_EFORKED;
	wrong += shmq_group_retry(f->g, &f->d, 0, NULL, NULL) != SHMQ_EFORKED;
	wrong += shmq_group_dead(f->g, &f->d, NULL) != SHMQ_EFORKED;
	wrong += shmq_group_release(f->g, &f->d) != SHMQ_EFORKED;
	wrong += shmq_group_settle(f->g, &f->d, f->p, NULL, 0, 0) != SHMQ_EFORKED;
	wrong += shmq_group_renew(f->g) != SHMQ_EFORKED;
	wrong += shmq_group_wait(&f->g, 1, 0) != SHMQ_EFORKED;
	shmq_group_options_now(f->g, &o);
	wrong += shmq_dlq_next(f->dlq, &l) != SHMQ_EFORKED;
	wrong += shmq_dlq_get(f->dlq, 0, &l) != SHMQ_EFORKED;
	wrong += shmq_dlq_requeue(f->dlq, &f->letter, 0) != SHMQ_EFORKED;
	wrong += shmq_dlq_drop(f->dlq, &f->letter) != SHMQ_EFORKED;
	wrong += shmq_dlq_replace(f->dlq, &f->letter, &f->letter.message) != SHMQ_EFORKED;
	wrong += shmq_dlq_move(f->dlq, &f->letter, f->p, 0) != SHMQ_EFORKED;
	shmq_dlq_close(f->dlq);
	shmq_group_close(f->g);
	shmq_pub_close(f->p);
	shmq_close(q);
	_exit((int)wrong);
}

static void forking(void)
{
	struct forked f;
	shmq_group *g;

	topic_make(q, "fork", 1);
	publish_words(q, "fork", "a b c");
	f.g = g = consumer(q, "fork", "g", NULL, 0);
	f.p = publisher(q, "fork", 0, 0);
	need(next_soon(g, &f.d));
	need(shmq_group_dead(g, &f.d, NULL));
	need(shmq_dlq_open(q, "fork", "g", &f.dlq));
	need(shmq_dlq_next(f.dlq, &f.letter));
	need(next_soon(g, &f.d));
	is_i64(finish(start(forked_child, &f)), 0, "in a forked child every call says so, and all can be closed");
	is_i64(shmq_group_ack(g, &f.d), 0, "the parent has what it had");
	is_str(take_all(g, TAKE_ACK, NULL), "c", "and goes on");
	is_i64(shmq_dlq_drop(f.dlq, &f.letter), 0, "dead letters too");
	shmq_dlq_close(f.dlq);
	shmq_pub_close(f.p);
	shmq_group_close(g);
}

/* ---- damage ------------------------------------------------------------------------- */

static void spoil(const char *topic, const char *text)
{
	size_t bytes;
	char *at = map_topic_file(q, topic, "log.0.0", &bytes), *found;

	found = memmem(at, bytes, text, strlen(text));
	need(found == NULL);
	found[2] ^= 1;
	munmap(at, bytes);
}

static void damaged(enum shmq_group_mode mode, const char *topic)
{
	struct shmq_group_options o = {.mode = mode};
	unsigned told = 0, n = 0;
	struct shmq_delivery d;
	char text[256] = "";
	shmq_group *g;
	int r;

	topic_make(q, topic, 1);
	publish_words(q, topic, "a b spoiled-1 c d");
	publish_numbers(q, topic, 0, 3, true);
	publish_words(q, topic, "spoiled-2 e");
	spoil(topic, "spoiled-1");
	spoil(topic, "spoiled-2");
	g = consumer(q, topic, "g", &o, 0);
	while ((r = shmq_group_next(g, &d)) == 0 || r == SHMQ_ECORRUPT) {
		if (n++ > 50)
			break;
		told += r == SHMQ_ECORRUPT;
		if (r == 0) {
			snprintf(text + strlen(text), 64, "%s ", value_of(&d.message));
			step(shmq_group_ack(g, &d));
		}
	}
	for (unsigned i = 0; i < 20; i++)
		told += shmq_group_next(g, &d) == SHMQ_ECORRUPT;
	is_str(text, "a b c d 0 1 2 e ", "%s: everything but two damaged frames", topic);
	is_u64(told, 2, "%s: each is told once", topic);
	shmq_group_close(g);
	is_u64(lag_of(q, topic, "g"), 0, "%s: and passed over", topic);
	g = consumer(q, topic, "g", &o, SHMQ_CONSUME_EXIT_AT_END);
	is_i64(shmq_group_next(g, &d), SHMQ_END, "%s: who comes next is not told again", topic);
	shmq_group_close(g);
}

/* A damaged frame of many rows. */
static void damaged_rows(enum shmq_group_mode mode, unsigned prefetch, const char *topic)
{
	struct shmq_group_options o = {.mode = mode};
	struct shmq_consume_options co = {.options = &o, .prefetch = prefetch};
	unsigned told = 0, n = 0, given = 0;
	struct shmq_delivery d;
	shmq_group *g;
	int r;

	topic_make(q, topic, 1);
	publish_numbers(q, topic, 0, 10, true);
	publish_numbers(q, topic, 7000001, 7000101, true);
	publish_numbers(q, topic, 20, 30, true);
	spoil(topic, "7000037");
	need(shmq_group_open(q, topic, "g", &co, &g, NULL));
	while (((r = shmq_group_next(g, &d)) == 0 || r == SHMQ_ECORRUPT) && n++ < 500) {
		told += r == SHMQ_ECORRUPT;
		given += r == 0;
		if (r == 0)
			step(shmq_group_ack(g, &d));
	}
	for (unsigned i = 0; i < 20; i++)
		told += shmq_group_next(g, &d) == SHMQ_ECORRUPT;
	is_u64(given, 20, "%s: the frames around it", topic);
	is_u64(told, 1, "%s: a frame of 100 messages is told once", topic);
	shmq_group_close(g);
	is_u64(lag_of(q, topic, "g"), 0, "%s: and passed over", topic);
}

/* ---- many --------------------------------------------------------------------------- */

#define MANY 300

static int count_names(void *context, const char *name)
{
	unsigned *seen = context, n = 0;

	if (sscanf(name, "many-%u", &n) == 1 && n < MANY)
		seen[n]++;
	return 0;
}

static int stop_at_first(void *context, const char *name)
{
	(void)name;
	++*(unsigned *)context;
	return 42;
}

static void many_groups(void)
{
	struct shmq_group_options o = {.window = 64, .returns_rows = 16, .returns_bytes = 1 << 20};
	unsigned seen[MANY] = {0}, wrong = 0, calls = 0;
	char name[32];

	topic_make(q, "many", 1);
	publish_words(q, "many", "x y");
	for (unsigned i = 0; i < MANY; i++) {
		shmq_group *g;

		snprintf(name, sizeof name, "many-%u", i);
		g = consumer(q, "many", name, &o, 0);
		for (unsigned k = 0; k < i % 3; k++) {
			struct shmq_delivery d;

			wrong += shmq_group_next(g, &d) != 0 || shmq_group_ack(g, &d) != 0;
		}
		shmq_group_close(g);
	}
	is_u64(wrong, 0, "%d groups of one topic", MANY);
	is_i64(shmq_group_list(q, "many", count_names, seen), 0, "are listed");
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "many-%u", i);
		wrong += seen[i] != 1 || lag_of(q, "many", name) != 2 - i % 3;
	}
	is_u64(wrong, 0, "each once, and each where it was left");
	is_i64(shmq_group_list(q, "many", stop_at_first, &calls), 42, "listing ends when it is told to");
	is_u64(calls, 1, "at once");
	for (unsigned i = 0; i < MANY; i += 2) {
		snprintf(name, sizeof name, "many-%u", i);
		wrong += shmq_group_delete(q, "many", name) != 0;
	}
	memset(seen, 0, sizeof seen);
	need(shmq_group_list(q, "many", count_names, seen));
	for (unsigned i = 0; i < MANY; i++)
		wrong += seen[i] != i % 2;
	is_u64(wrong, 0, "half of them are deleted, the others are there");
	is_i64(shmq_group_list(q, "no-topic", count_names, seen), SHMQ_ENOENT, "no topic, no list");
}

int main(void)
{
	scratch_begin(120);
	q = broker();
	opening();
	options_in_range();
	options_compared();
	where_it_begins();
	one_per_handle();
	a_message();
	in_order();
	several();
	in_any_order();
	retries();
	released_for_ever();
	backoff();
	a_long_wait();
	at_most_once();
	manual_start();
	give_back();
	give_back_of_what_is_done();
	partitions();
	filters();
	exit_at_end();
	exit_at_end_of_returns();
	exit_at_end_stops_there();
	waiting();
	forking();
	damaged(SHMQ_GROUP_SHARED, "spoiled-shared");
	damaged(SHMQ_GROUP_ORDERED, "spoiled-ordered");
	damaged_rows(SHMQ_GROUP_SHARED, 0, "spoiled-rows");
	damaged_rows(SHMQ_GROUP_SHARED, 10, "spoiled-rows-some");
	damaged_rows(SHMQ_GROUP_ORDERED, 0, "spoiled-rows-ordered");
	many_groups();
	shmq_close(q);
	return done();
}
