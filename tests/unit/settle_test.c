/* SPDX-License-Identifier: MIT */
/* settle_test.c - one publish that acks the message it was made from: both or neither. */
#include "groups.h"

static shmq *q;

static struct shmq_message message(const char *value, const char *key, int partition)
{
	return (struct shmq_message){.value = value,
				     .value_len = strlen(value),
				     .key = key,
				     .key_len = key != NULL ? strlen(key) : 0,
				     .partition = partition};
}

static void topic_small(const char *name, unsigned partitions, enum shmq_full full)
{
	struct shmq_topic_options o = {.partitions = partitions, .slots = 8, .pool_bytes = 1 << 20, .full = full};

	need(shmq_topic_create(q, name, &o));
}

/* In which partition of a topic a value stands; -1: in none. */
static int partition_of(const char *topic, unsigned partitions, const char *value)
{
	char word[64];

	snprintf(word, sizeof word, "%s ", value);
	for (unsigned p = 0; p < partitions; p++)
		if (strstr(contents(q, topic, (int)p), word) != NULL)
			return (int)p;
	return -1;
}

/* ---- into another topic ------------------------------------------------------------- */

static void one_and_many(void)
{
	struct shmq_message m[3] = {message("x", NULL, -1), message("y", NULL, -1), message("z", NULL, -1)};
	struct shmq_delivery d;
	shmq_group *g;
	shmq_pub *p;

	topic_make(q, "in", 1);
	topic_make(q, "out", 1);
	publish_words(q, "in", "a b c");
	g = consumer(q, "in", "g", NULL, 0);
	p = publisher(q, "out", 0, 0);
	next_is(g, &d, "a", 1, "an input");
	is_i64(shmq_group_settle(g, &d, p, m, 1, 0), 0, "one output");
	is_str(contents(q, "out", -1), "x ", "is there");
	is_u64(lag_of(q, "in", "g"), 2, "its input is done");
	is_i64(shmq_group_settle(g, &d, p, m, 1, 0), SHMQ_LATE, "not a second time");
	is_i64(shmq_group_ack(g, &d), SHMQ_LATE, "nor acked");
	next_is(g, &d, "b", 1, "the next");
	is_i64(shmq_group_settle(g, &d, p, m, 3, 0), 0, "three outputs");
	next_is(g, &d, "c", 1, "the last");
	is_i64(shmq_group_settle(g, &d, p, NULL, 0, 0), 0, "no output");
	is_str(contents(q, "out", -1), "x x y z ", "nothing is missing, nothing too much");
	is_u64(lag_of(q, "in", "g"), 0, "all is done");
	is_u64(info_of(q, "in", "g").acked, 3, "three acked");
	is_u64(shmq_pub_linked(p), 4, "the publisher has linked four");
	shmq_pub_close(p);
	shmq_group_close(g);
}

/* What the publisher had open is flushed first. */
static void open_frames(void)
{
	struct shmq_message m = message("settled", NULL, -1), before = message("before", NULL, -1);
	struct shmq_delivery d;
	shmq_group *g;
	shmq_pub *p;

	topic_make(q, "in-open", 1);
	topic_make(q, "out-open", 1);
	publish_words(q, "in-open", "a");
	g = consumer(q, "in-open", "g", NULL, 0);
	p = publisher(q, "out-open", 0, 0);
	need(next_soon(g, &d));
	step(shmq_pub_send(p, &before));
	is_i64(shmq_group_settle(g, &d, p, &m, 1, 0), 0, "with an open frame");
	is_str(contents(q, "out-open", -1), "before settled ", "it goes before");
	step(shmq_pub_send(p, &before));
	step(shmq_pub_flush(p));
	is_str(contents(q, "out-open", -1), "before settled before ", "and the publisher goes on");
	shmq_pub_close(p);
	shmq_group_close(g);
}

static void by_key(void)
{
	struct shmq_message m[3];
	struct shmq_delivery d;
	shmq_group *g;
	shmq_pub *p;
	int by_publish[16];
	char key[16], value[16];
	unsigned wrong = 0;

	topic_make(q, "in-key", 1);
	topic_make(q, "out-key", 7);
	for (unsigned i = 0; i < 16; i++) {
		snprintf(key, sizeof key, "k%u", i);
		snprintf(value, sizeof value, "p%u", i);
		publish_key(q, "out-key", key, value, -1);
		by_publish[i] = partition_of("out-key", 7, value);
	}
	for (unsigned i = 0; i < 16; i++) {
		snprintf(key, sizeof key, "k%u", i);
		publish_key(q, "in-key", key, "input", -1);
	}
	g = consumer(q, "in-key", "g", NULL, 0);
	p = publisher(q, "out-key", 0, 0);
	for (unsigned i = 0; i < 16; i++) { /* the input's key, or the first one's */
		struct shmq_delivery e;
		unsigned leads, input;

		need(next_soon(g, &d));
		input = (unsigned)strtoul((const char *)d.message.key + 1, NULL, 10) % 16;
		leads = i % 2 ? 15 - i : input;
		snprintf(value, sizeof value, "s%u", i);
		snprintf(key, sizeof key, "k%u", leads);
		m[0] = message(value, i % 2 ? key : NULL, -1);
		if (i == 8) { /* the input's memory is the next one's by then */
			need(next_soon(g, &e));
			step(shmq_group_release(g, &e));
		}
		if (!step(shmq_group_settle(g, &d, p, m, 1, 0)) ||
		    !(partition_of("out-key", 7, value) == by_publish[leads]))
			wrong++;
	}
	ok(wrong == 0, "where a key leads: that of the output, or the input's: %u wrong", wrong);
	publish_key(q, "in-key", "k3", "input", -1);
	need(next_soon(g, &d));
	m[0] = message("m0", NULL, 5);
	m[1] = message("m1", NULL, -1);
	is_i64(shmq_group_settle(g, &d, p, m, 2, 0), 0, "a partition that is said");
	is_i64(partition_of("out-key", 7, "m1"), 5, "is where all go");
	publish_key(q, "in-key", "k3", "input", -1);
	need(next_soon(g, &d));
	m[1].partition = 4;
	is_i64(shmq_group_settle(g, &d, p, m, 2, 0), SHMQ_EDATA, "two partitions are one too many");
	m[1] = message("m1", "k0", -1);
	m[0].partition = (by_publish[0] + 1) % 7;
	is_i64(shmq_group_settle(g, &d, p, m, 2, 0), SHMQ_EDATA, "by key too");
	m[0] = message("m2", NULL, 7);
	is_i64(shmq_group_settle(g, &d, p, m, 1, 0), SHMQ_EINVAL, "a partition that is not there");
	m[0] = message("m2", NULL, by_publish[0]);
	is_i64(shmq_group_settle(g, &d, p, m, 2, 0), 0, "it is still in hand: the same partition in two ways");
	is_u64(lag_of(q, "in-key", "g"), 0, "all is done");
	shmq_pub_close(p);
	shmq_group_close(g);
}

static void content(void)
{
	struct shmq_header h = {"name", 4, "head", 4};
	struct shmq_message m = message("value", "key", -1), got;
	struct shmq_sub_options so = {.flags = SHMQ_SUB_BROWSE};
	struct shmq_delivery d;
	struct shmq_batch b;
	shmq_group *g;
	shmq_pub *p;
	shmq_sub *s;

	m.headers = &h;
	m.header_count = 1;
	topic_make(q, "in-content", 1);
	topic_make(q, "out-content", 1);
	publish_words(q, "in-content", "a");
	g = consumer(q, "in-content", "g", NULL, 0);
	p = publisher(q, "out-content", 0, 0);
	need(next_soon(g, &d));
	is_i64(shmq_group_settle(g, &d, p, &m, 1, 0), 0, "with key and headers");
	need(shmq_sub_open(q, "out-content", &so, &s));
	need(shmq_sub_next(s, &b));
	is_i64(shmq_batch_next(&b, &got), 1, "an output");
	ok(got.value_len == 5 && memcmp(got.value, "value", 5) == 0 && got.key_len == 3 &&
		   memcmp(got.key, "key", 3) == 0 && got.header_count == 1 && got.headers[0].value_len == 4 &&
		   memcmp(got.headers[0].value, "head", 4) == 0,
	   "is what was said");
	is_i64(shmq_batch_next(&b, &got), 0, "and the only one");
	shmq_sub_close(s);
	shmq_pub_close(p);
	shmq_group_close(g);
}

static void too_large(void)
{
	static char large[1 << 20];
	struct shmq_message m = {.value = large, .partition = -1};
	struct shmq_delivery d;
	shmq_group *g;
	shmq_pub *p;
	size_t most, fits = 0;

	topic_make(q, "in-large", 1);
	topic_small("out-large", 1, SHMQ_FULL_REJECT);
	publish_words(q, "in-large", "a b");
	g = consumer(q, "in-large", "g", NULL, 0);
	p = publisher(q, "out-large", 0, 0);
	most = shmq_pub_message_max(p);
	need(next_soon(g, &d));
	m.value_len = most + 1;
	is_i64(shmq_group_settle(g, &d, p, &m, 1, 0), SHMQ_EDATA, "a byte too large");
	ok(strlen(shmq_error(q)) > 0, "%s", shmq_error(q));
	m.value_len = most / 2 + 4096;
	is_i64(shmq_group_settle(g, &d, p, (struct shmq_message[]){m, m}, 2, 0), SHMQ_EDATA, "too large together");
	for (m.value_len = most; m.value_len > most - 4096; m.value_len -= 64)
		if (shmq_group_settle(g, &d, p, &m, 1, 0) == 0) {
			fits = m.value_len;
			break;
		}
	ok(fits > most - 2048, "what it takes is about as large as any message: %zu of %zu", fits, most);
	is_u64(lag_of(q, "in-large", "g"), 1, "and settles");
	shmq_pub_close(p);
	shmq_group_close(g);
}

/* ---- no room ------------------------------------------------------------------------ */

static void full_target(void)
{
	struct shmq_message m = message("x", NULL, -1);
	struct shmq_delivery d;
	shmq_group *g, *h;
	shmq_pub *p, *rejects;
	int64_t begun;
	shmq *other = broker();

	topic_make(q, "in-full", 1);
	topic_small("out-full", 1, SHMQ_FULL_BLOCK);
	topic_small("out-reject", 1, SHMQ_FULL_REJECT);
	publish_words(q, "in-full", "a b c d");
	h = consumer(other, "out-full", "h", NULL, 0); /* holds the target */
	p = publisher(q, "out-full", SHMQ_PUB_NO_WAIT, 0);
	publish_until_full(p, "m");
	shmq_pub_close(p);
	p = publisher(q, "out-full", 0, 0);
	rejects = publisher(q, "out-reject", 0, 0);
	publish_until_full(rejects, "m");
	g = consumer(q, "in-full", "g", NULL, 0);
	need(next_soon(g, &d));
	begun = now_ms();
	is_i64(shmq_group_settle(g, &d, p, &m, 1, 0), SHMQ_TIMEOUT, "a full target, no wait");
	ok(now_ms() - begun < LIMIT_MS / 2, "does not wait");
	is_i64(shmq_group_settle(g, &d, p, &m, 1, 150 * MS), SHMQ_TIMEOUT, "a full target, 150 ms");
	ok(now_ms() - begun >= 150, "waits");
	is_i64(shmq_group_settle(g, &d, rejects, &m, 1, SHMQ_FOREVER), SHMQ_FULL, "one that rejects does not");
	timer(20);
	is_i64(shmq_group_settle(g, &d, p, &m, 1, SHMQ_FOREVER), SHMQ_INTERRUPTED, "a signal");
	timer(0);
	is_u64(info_of(q, "in-full", "g").logs[0].inflight, 1, "it is still in hand");
	take_all(h, TAKE_ACK, NULL);
	is_i64(shmq_group_settle(g, &d, p, &m, 1, LIMIT_MS * MS), 0, "there is room again");
	is_str(take_all(h, TAKE_ACK, NULL), "x", "one output");
	is_u64(lag_of(q, "in-full", "g"), 3, "and its input is done");
	shmq_group_close(g);
	shmq_group_close(h);
	shmq_pub_close(p);
	shmq_pub_close(rejects);
	shmq_close(other);
}

static void drains_later(void *argument)
{
	shmq_group *g = consumer(broker(), "out-wait", "h", NULL, 0);
	struct shmq_delivery d;

	*(atomic_u32 *)argument = 1;
	until(*(atomic_u32 *)argument == 2);
	pause_ms(600);
	while (next_within(g, &d, 2000) == 0)
		shmq_group_ack(g, &d);
	shmq_group_close(g);
	_exit(0);
}

/* Waiting for room for several leases does not lose the input. */
static void lease_renewed(void)
{
	struct shmq_group_options o = {.lease_ns = 100 * MS};
	struct shmq_message m = message("x", NULL, -1);
	atomic_u32 *steps = shared_page();
	struct shmq_delivery d;
	shmq *other = broker();
	shmq_group *g, *rival;
	shmq_pub *p;
	pid_t pid;

	topic_make(q, "in-wait", 1);
	topic_small("out-wait", 1, SHMQ_FULL_BLOCK);
	publish_words(q, "in-wait", "a");
	pid = start(drains_later, steps);
	until(steps[0] == 1);
	p = publisher(q, "out-wait", SHMQ_PUB_NO_WAIT, 0);
	publish_until_full(p, "m");
	shmq_pub_close(p);
	p = publisher(q, "out-wait", 0, 0);
	g = consumer(q, "in-wait", "g", &o, 0);
	need(next_soon(g, &d));
	steps[0] = 2;
	is_i64(shmq_group_settle(g, &d, p, &m, 1, LIMIT_MS * MS), 0, "a wait of six leases for room");
	is_i64(finish(pid), 0, "the reader has read");
	rival = consumer(other, "in-wait", "g", &o, 0);
	is_i64(shmq_group_next(rival, &d), SHMQ_EMPTY, "the input is done");
	shmq_group_close(rival);
	shmq_close(other);
	shmq_pub_close(p);
	shmq_group_close(g);
}

static void gone_target(void)
{
	struct shmq_message m = message("x", NULL, -1);
	struct shmq_delivery d;
	shmq *other = broker();
	shmq_group *g;
	shmq_pub *p, *foreign;

	topic_make(q, "in-gone", 1);
	topic_make(q, "out-gone", 1);
	topic_make(q, "out-other", 1);
	publish_words(q, "in-gone", "a");
	g = consumer(q, "in-gone", "g", NULL, 0);
	p = publisher(q, "out-gone", 0, 0);
	foreign = publisher(other, "out-other", 0, 0);
	need(next_soon(g, &d));
	is_i64(shmq_group_settle(g, &d, foreign, &m, 1, 0), SHMQ_EINVAL, "a publisher of another handle");
	need(shmq_topic_delete(q, "out-gone"));
	is_i64(shmq_group_settle(g, &d, p, &m, 1, 0), SHMQ_GONE, "a target that was deleted");
	is_u64(info_of(q, "in-gone", "g").logs[0].inflight, 1, "it is still in hand");
	shmq_pub_close(p);
	p = publisher(q, "out-other", 0, 0);
	is_i64(shmq_group_settle(g, &d, p, &m, 1, 0), 0, "into another one");
	is_str(contents(q, "out-other", -1), "x ", "once");
	shmq_pub_close(p);
	shmq_pub_close(foreign);
	shmq_group_close(g);
	shmq_close(other);
}

/* Into the topic that it came from. */
static void own_topic(void)
{
	struct shmq_message m = message("again", NULL, -1);
	struct shmq_delivery d;
	shmq_group *g;
	shmq_pub *p;
	unsigned n = 0;

	topic_small("loop", 1, SHMQ_FULL_BLOCK);
	publish_words(q, "loop", "a b");
	g = consumer(q, "loop", "g", NULL, 0);
	p = publisher(q, "loop", 0, 0);
	while (n < 100 && next_soon(g, &d) == 0 && shmq_group_settle(g, &d, p, &m, 1, LIMIT_MS * MS) == 0)
		n++;
	is_u64(n, 100, "settled into its own topic of 8 slots, 100 times");
	is_u64(lag_of(q, "loop", "g"), 2, "as many as before");
	shmq_pub_close(p);
	shmq_group_close(g);
}

/* What comes from the return log. */
static void from_returns(void)
{
	struct shmq_message m = message("x", NULL, -1);
	struct shmq_delivery d;
	shmq_group *g;
	shmq_pub *p;

	topic_make(q, "in-returns", 3);
	topic_make(q, "out-returns", 5);
	publish_key(q, "in-returns", "kay", "a", -1);
	publish_key(q, "out-returns", "kay", "direct", -1);
	g = consumer(q, "in-returns", "g", NULL, 0);
	p = publisher(q, "out-returns", 0, 0);
	need(next_soon(g, &d));
	need(shmq_group_retry(g, &d, 1001 * MS, NULL, NULL));
	is_u64(info_of(q, "in-returns", "g").retry, 1, "a row of the return log");
	next_is(g, &d, "a", 2, "comes again");
	is_i64(shmq_group_settle(g, &d, p, &m, 1, 0), 0, "and is settled");
	is_i64(partition_of("out-returns", 5, "x"), partition_of("out-returns", 5, "direct"), "where its key leads");
	is_u64(info_of(q, "in-returns", "g").retry, 0, "it is done");
	is_i64(shmq_group_next(g, &d), SHMQ_EMPTY, "nothing comes again");
	shmq_pub_close(p);
	shmq_group_close(g);
}

/* ---- in the middle (linked with --wrap: Makefile) ----------------------------------- */

enum point { NOWHERE, BEFORE_INTENT, BEFORE_LINK, BEHIND_LINK };
static enum point point;
static int signal_there;

static void at(enum point here)
{
	if (point != here)
		return;
	point = NOWHERE;
	raise(signal_there);
}

void __real_intent_write(struct intent *i, uint64_t seq, const struct intent_view *v);
void __wrap_intent_write(struct intent *i, uint64_t seq, const struct intent_view *v);
void __wrap_intent_write(struct intent *i, uint64_t seq, const struct intent_view *v)
{
	at(BEFORE_INTENT);
	__real_intent_write(i, seq, v);
}

bool __real_ring_link_at(struct log *l, uint64_t position, uint64_t word);
bool __wrap_ring_link_at(struct log *l, uint64_t position, uint64_t word);
bool __wrap_ring_link_at(struct log *l, uint64_t position, uint64_t word)
{
	at(BEFORE_LINK);
	return __real_ring_link_at(l, position, word);
}

void __real_ring_linked(struct log *l, struct tail *t, const struct frame *f);
void __wrap_ring_linked(struct log *l, struct tail *t, const struct frame *f);
void __wrap_ring_linked(struct log *l, struct tail *t, const struct frame *f)
{
	at(BEHIND_LINK);
	__real_ring_linked(l, t, f);
}

struct middle {
	const char *in, *out;
	enum point point;
	int signal;
	_Atomic int result; /* of the settle, when it has returned */
};

static void settles_to_there(void *argument)
{
	struct middle *m = argument;
	struct shmq_group_options o = {.lease_ns = 100 * MS};
	struct shmq_message out = message("x", NULL, -1);
	shmq *mine = broker();
	shmq_group *g = consumer(mine, m->in, "g", &o, 0);
	shmq_pub *p = publisher(mine, m->out, 0, 0);
	struct shmq_delivery d;

	need(next_soon(g, &d));
	signal_there = m->signal;
	point = m->point;
	m->result = shmq_group_settle(g, &d, p, &out, 1, LIMIT_MS * MS);
	shmq_pub_close(p);
	shmq_group_close(g);
	_exit(0);
}

static unsigned read_outputs(shmq_group *reads)
{
	struct shmq_delivery d;
	unsigned outputs = 0;

	while (shmq_group_next(reads, &d) == 0) {
		outputs += strcmp(value_of(&d.message), "x") == 0;
		step(shmq_group_ack(reads, &d));
	}
	return outputs;
}

/* Somebody else publishes `others` frames into the target meanwhile: more than it has room for at once. */
static void middle(enum point where, int signal, unsigned others, bool target_gone)
{
	static const char *const wheres[] = {"", "before it is announced", "announced", "linked"};
	struct shmq_group_options o = {.lease_ns = 100 * MS};
	struct shmq_message again = message("x", NULL, -1);
	struct middle *m = shared_page();
	char in[64], out[64], what[128];
	struct shmq_delivery d;
	unsigned outputs = 0;
	shmq_group *g, *reads;
	int r, status;
	int64_t end;
	shmq_pub *p;
	pid_t pid;

	snprintf(in, sizeof in, "in-%d-%d-%u-%d", (int)where, signal, others, target_gone);
	snprintf(out, sizeof out, "out-%d-%d-%u-%d", (int)where, signal, others, target_gone);
	snprintf(what, sizeof what, "%s, %s, %u others in between%s", signal == SIGKILL ? "killed" : "stopped",
		 wheres[where], others, target_gone ? ", target deleted" : "");
	topic_make(q, in, 1);
	topic_small(out, 1, SHMQ_FULL_BLOCK);
	reads = consumer(q, out, "reads", NULL, 0);
	publish_words(q, in, "input");
	*m = (struct middle){in, out, where, signal, -99};
	pid = start(settles_to_there, m);
	if (signal == SIGKILL)
		is_i64(finish(pid), -SIGKILL, "%s", what);
	else
		ok(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status), "%s", what);
	p = publisher(q, out, 0, LIMIT_MS);
	for (unsigned i = 0; i < others; i++) {
		step(publish(p, "other"));
		outputs += read_outputs(reads);
	}
	if (target_gone) {
		shmq_group_close(reads);
		shmq_pub_close(p);
		need(shmq_topic_delete(q, out));
		topic_small(out, 1, SHMQ_FULL_BLOCK);
		reads = consumer(q, out, "reads", NULL, 0);
		p = publisher(q, out, 0, LIMIT_MS);
		outputs = 0;
	}
	/* another consumer: what was not settled comes to it, what was does not */
	g = consumer(q, in, "g", &o, signal == SIGKILL ? SHMQ_CONSUME_EXIT_AT_END : 0);
	end = now_ms() + LIMIT_MS;
	do {
		r = next_within(g, &d, 20);
		if (r == 0)
			step(shmq_group_settle(g, &d, p, &again, 1, LIMIT_MS * MS));
	} while (r == 0 || (r == SHMQ_EMPTY && lag_of(q, in, "g") > 0 && now_ms() < end));
	is_i64(r, signal == SIGKILL ? SHMQ_END : SHMQ_EMPTY, "%s: others come to the end", what);
	if (signal == SIGSTOP) {
		kill(pid, SIGCONT);
		is_i64(finish(pid), 0, "%s: it is woken", what);
		if (where == BEHIND_LINK && !target_gone)
			is_i64(m->result, 0, "%s: it had been in time", what);
		else
			ok(m->result == SHMQ_LATE || (target_gone && m->result == SHMQ_GONE), "%s: it is late: %d", what,
			   m->result);
	}
	outputs += read_outputs(reads);
	is_u64(outputs, 1, "%s: one output", what);
	is_u64(lag_of(q, in, "g"), 0, "%s: nothing is left", what);
	shmq_group_close(g);
	shmq_group_close(reads);
	shmq_pub_close(p);
}

static void in_the_middle(void)
{
	for (enum point where = BEFORE_INTENT; where <= BEHIND_LINK; where++)
		for (unsigned others = 0; others <= 20; others += 20) {
			middle(where, SIGKILL, others, false);
			middle(where, SIGSTOP, others, false);
		}
	for (enum point where = BEFORE_INTENT; where <= BEHIND_LINK; where++) {
		middle(where, SIGKILL, 1, true);
		middle(where, SIGSTOP, 1, true);
	}
}

/* ---- killed ------------------------------------------------------------------------- */

#define INPUTS 60000

/* Settles one after the other, until it is killed. */
static void settler(void *argument)
{
	struct shmq_group_options o = {.lease_ns = 100 * MS, .retries = 250};
	shmq *mine = broker();
	shmq_group *g = consumer(mine, "in-kill", "g", &o, 0);
	shmq_pub *p = publisher(mine, "out-kill", 0, 0);
	struct shmq_delivery d;
	char value[32];

	++*(atomic_u32 *)argument;
	while (next_within(g, &d, 60000) == 0) {
		struct shmq_message m = {.value = value, .partition = -1};

		m.value_len = (size_t)snprintf(value, sizeof value, "%.*s", (int)d.message.value_len,
					       (const char *)d.message.value);
		shmq_group_settle(g, &d, p, &m, 1, LIMIT_MS * MS);
		++((atomic_u32 *)argument)[1];
	}
	_exit(0);
}

/* Killed anywhere, many times: every input has one output. */
static void exactly_once(void)
{
	struct shmq_group_options o = {.lease_ns = 100 * MS, .retries = 250};
	atomic_u32 *counts = shared_page();
	static unsigned seen[INPUTS];
	unsigned wrong = 0, kills = 0;
	int64_t deadline = now_ms() + 2 * LIMIT_MS;
	shmq_group *g, *out;
	shmq *other = broker();
	struct shmq_delivery d;

	topic_make(q, "in-kill", 1);
	topic_make(q, "out-kill", 3);
	publish_numbers(q, "in-kill", 0, INPUTS, true);
	g = consumer(q, "in-kill", "g", &o, 0); /* only gives back */
	out = consumer(other, "out-kill", "out", NULL, 0);
	while (lag_of(q, "in-kill", "g") > 0) {
		pid_t pid;
		uint32_t before = counts[0], settled;

		settled = counts[1];
		pid = start(settler, counts);
		until(counts[0] > before);
		for (int64_t end = now_ms() + 2000; counts[1] - settled < kills % 5 && now_ms() < end;)
			cpu_relax();
		for (unsigned spin = 0; spin < kills * 97 % 3000; spin++)
			cpu_relax();
		finish_by_force(pid);
		kills++;
		if (shmq_group_renew(g) < 0 || kills >= 5000 || now_ms() > deadline)
			break;
		for (; shmq_group_next(out, &d) == 0; step(shmq_group_ack(out, &d)))
			seen[strtoul(value_of(&d.message), NULL, 10) % INPUTS]++;
	}
	ok(lag_of(q, "in-kill", "g") == 0, "all inputs are done, with %u kills", kills);
	for (; shmq_group_next(out, &d) == 0; step(shmq_group_ack(out, &d)))
		seen[strtoul(value_of(&d.message), NULL, 10) % INPUTS]++;
	for (unsigned i = 0; i < INPUTS; i++)
		wrong += seen[i] != 1;
	is_u64(wrong, 0, "each has one output");
	shmq_group_close(g);
	shmq_group_close(out);
	shmq_close(other);
}

int main(void)
{
	scratch_begin(120);
	q = broker();
	one_and_many();
	open_frames();
	by_key();
	content();
	too_large();
	full_target();
	lease_renewed();
	gone_target();
	own_topic();
	from_returns();
	in_the_middle();
	exactly_once();
	shmq_close(q);
	return done();
}
