/* SPDX-License-Identifier: MIT */
/* room_test.c - full topics: who is waited for, for how long, and who is not. */
#include "scratch.h"
#include "small_fs.h"
#include "topic.h"

#define OVERRUN_MS 1000 /* a subscriber that stands still for so long is overrun */
#define LATE_MS    5000 /* no machine is as slow as this */

static shmq *q;

static void topic(const char *name, enum shmq_full full)
{
	struct shmq_topic_options o = {.slots = 8, .full = full};

	need(shmq_topic_create(q, name, &o));
}

/* The topic is full, and the subscriber behind it did not move all the time. */
static shmq_sub *still_subscriber(const char *name, unsigned flags)
{
	shmq_pub *p = publisher(q, name, SHMQ_PUB_NO_WAIT, 0);
	shmq_sub *s = subscriber(q, name, flags);

	publish_until_full(p, "m");
	shmq_pub_close(p);
	return s;
}

/* ---- waits ---- */

/* Publishes one message, going on after each signal; how it ended, and after how long. */
static int publish_among_signals(shmq_pub *p, int64_t *ms, unsigned *interrupted)
{
	struct shmq_message m = {.value = "m", .value_len = 1};
	int64_t start = now_ms();
	int r = shmq_pub_send(p, &m);

	timer(20);
	*interrupted = 0;
	while (r == 0 && (r = shmq_pub_flush(p)) == SHMQ_INTERRUPTED &&
	       now_ms() - start < LATE_MS) {
		r = 0;
		++*interrupted;
	}
	timer(0);
	*ms = now_ms() - start;
	return r;
}

static void signals_do_not_restart_a_wait(void)
{
	unsigned interrupted;
	shmq_sub *s;
	shmq_pub *p;
	int64_t ms;

	topic("timeout", SHMQ_FULL_BLOCK);
	s = still_subscriber("timeout", SHMQ_SUB_HOLD);
	p = publisher(q, "timeout", 0, 200);
	is_i64(publish_among_signals(p, &ms, &interrupted), SHMQ_TIMEOUT,
	       "a wait of 0.2 s ends, with a signal every 20 ms");
	ok(ms >= 200 && ms < LATE_MS, "after %d ms", (int)ms);
	ok(interrupted > 0, "%u signals were told", interrupted);
	shmq_pub_close(p);
	shmq_sub_close(s);

	topic("stopped", SHMQ_FULL_BLOCK);
	s = still_subscriber("stopped", 0);
	p = publisher(q, "stopped", 0, 0);
	is_i64(publish_among_signals(p, &ms, &interrupted), 0,
	       "a stopped subscriber is overrun, with a signal every 20 ms");
	ok(ms >= OVERRUN_MS * 9 / 10 && ms < LATE_MS, "after %d ms", (int)ms);
	shmq_pub_close(p);
	shmq_sub_close(s);
}

/* A wait is interrupted, and there is room before it goes on: the next one has its whole time. */
static void a_wait_that_is_over(void)
{
	struct shmq_message m = {.value = "m", .value_len = 1};
	shmq_pub *p, *quick;
	int64_t start;

	topic("over", SHMQ_FULL_BLOCK);
	p = publisher(q, "over", 0, 200);
	quick = publisher(q, "over", SHMQ_PUB_NO_WAIT, 0);
	publish_until_full(quick, "m");
	step(shmq_pub_send(p, &m));
	timer(20);
	is_i64(shmq_pub_flush(p), SHMQ_INTERRUPTED, "a wait is interrupted");
	timer(0);
	step(shmq_topic_purge(q, "over", NULL));
	is_i64(shmq_pub_flush(p), 0, "then there is room at once");
	pause_ms(300);
	publish_until_full(quick, "m");
	start = now_ms();
	is_i64(publish(p, "m"), SHMQ_TIMEOUT, "the next wait of 0.2 s ends");
	ok(now_ms() - start >= 200, "after %d ms", (int)(now_ms() - start));
	shmq_pub_close(quick);
	shmq_pub_close(p);
}

/* ---- who stands still is overrun by those who do not wait, too ---- */

static void refusals_overrun(enum shmq_full full, unsigned pub_flags, const char *what)
{
	struct shmq_batch b;
	unsigned refused = 0;
	int64_t start, ms;
	shmq_sub *s;
	shmq_pub *p;
	int r;

	topic(what, full);
	s = still_subscriber(what, 0);
	p = publisher(q, what, pub_flags, 0);
	start = now_ms();
	while ((r = publish(p, "m")) == SHMQ_FULL && now_ms() - start < LATE_MS) {
		refused++;
		pause_ms(20);
	}
	ms = now_ms() - start;
	is_i64(r, 0, "%s: a stopped subscriber is overrun", what);
	ok(ms >= OVERRUN_MS * 9 / 10 && ms < LATE_MS, "%s: after %u refusals in %d ms", what,
	   refused, (int)ms);
	for (int i = 0; i < 16 && step(publish(p, "m")); i++) /* head passes it */
		;
	is_i64(shmq_sub_next(s, &b), SHMQ_OVERRUN, "%s: it is told", what);
	ok(shmq_sub_missed(s) > 0, "%s: how many it missed", what);
	shmq_pub_close(p);
	shmq_sub_close(s);
}

#define STILL 8 /* with a second for each it would be too late */

static void all_that_stand_still(void)
{
	shmq_sub *still[STILL], *reads;
	char text[256] = "";
	struct shmq_batch b;
	unsigned told = 0;
	int64_t start;
	shmq_pub *p;

	topic("still", SHMQ_FULL_BLOCK);
	for (int i = 0; i < STILL; i++)
		still[i] = subscriber(q, "still", 0);
	reads = still_subscriber("still", 0); /* it will read on */
	read_all(reads, text, sizeof text);
	p = publisher(q, "still", 0, LATE_MS);
	start = now_ms();
	is_i64(publish(p, "last"), 0, "%d subscribers that stand still are overrun", STILL);
	ok(now_ms() - start < LATE_MS, "at once: after %d ms", (int)(now_ms() - start));
	for (int i = 0; i < STILL; i++) {
		told += shmq_sub_next(still[i], &b) == SHMQ_OVERRUN;
		shmq_sub_close(still[i]);
	}
	is_u64(told, STILL, "all of them are told");
	text[0] = '\0';
	is_i64(read_all(reads, text, sizeof text), SHMQ_EMPTY, "one that has read is not");
	is_str(text, "last ", "and reads on");
	shmq_pub_close(p);
	shmq_sub_close(reads);
}

/* A subscriber that does not finish attaching holds everything: until it is sent back. */
static void attaching_for_ever(void)
{
	unsigned refused = 0;
	struct topic t;
	struct reader r;
	shmq_sub *s;
	shmq_pub *p;
	int64_t start;
	int last;

	topic("attaching", SHMQ_FULL_REJECT);
	s = subscriber(q, "attaching", 0);
	p = publisher(q, "attaching", 0, 0);
	need(topic_open(q, "attaching", false, true, NULL, &t));
	need(reader_claim(&q->error, &t.readers, q->session.id, &r));
	start = now_ms();
	do {
		last = publish(p, "m");
		refused += last == SHMQ_FULL;
		read_all(s, (char[4096]){""}, 4096);
		pause_ms(last == SHMQ_FULL ? 20 : 0);
	} while ((last == SHMQ_FULL || refused == 0) && now_ms() - start < LATE_MS);
	ok(refused > 0, "a subscriber that attaches holds a full topic");
	is_i64(last, 0, "not for ever: after %d ms", (int)(now_ms() - start));
	ok(!reader_gate_set(&t.readers, &r, 0, 0), "it finds out");
	reader_release(&t.readers, &r);
	topic_close(&t);
	shmq_pub_close(p);
	shmq_sub_close(s);
}

/* ---- a host that stood still overruns nobody ---- */

struct standstill {
	atomic_u32 attached, blocked, read_on; /* steps, made known to the other processes */
	int result, read;                      /* of the subscriber, when it has ended */
};

static void await(const atomic_u32 *flag)
{
	while (*flag == 0)
		pause_ms(1);
}

static void standstill_publisher(void *argument)
{
	struct standstill *st = argument;
	shmq *mine = broker();

	publish_until_full(publisher(mine, "standstill", SHMQ_PUB_NO_WAIT, 0), "m");
	st->blocked = 1;
	publish(publisher(mine, "standstill", 0, 0), "last");
	_exit(0);
}

/* Reads nothing until it is told to, then everything. */
static void standstill_subscriber(void *argument)
{
	struct standstill *st = argument;
	shmq_sub *s = subscriber(broker(), "standstill", 0);
	struct shmq_batch b;
	int r = 0;

	st->attached = 1;
	await(&st->read_on);
	for (int64_t start = now_ms(); st->read < 9 && now_ms() - start < LATE_MS;
	     pause_ms(r != 0)) {
		r = shmq_sub_next(s, &b);
		st->read += r == 0;
		if (r != 0 && r != SHMQ_EMPTY)
			break;
	}
	st->result = r;
	_exit(0);
}

static void stop(pid_t pid)
{
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
}

static void standing_still_together(void)
{
	struct standstill *st = shared_page();
	pid_t sub, pub;

	topic("standstill", SHMQ_FULL_BLOCK);
	sub = start(standstill_subscriber, st);
	await(&st->attached);
	pub = start(standstill_publisher, st);
	await(&st->blocked);
	pause_ms(100); /* it waits, and has looked at whom for */
	stop(pub);
	stop(sub);
	pause_ms(OVERRUN_MS + 200);
	kill(pub, SIGCONT);
	pause_ms(100); /* it looks again, before the other one can do anything */
	kill(sub, SIGCONT);
	st->read_on = 1;
	is_i64(finish(sub), 0, "a publisher and a subscriber that were stopped together go on");
	is_i64(finish(pub), 0, "both of them");
	is_i64(st->result, 0, "the subscriber is not overrun");
	is_i64(st->read, 9, "it reads everything");
}

/* ---- results ---- */

static void gone_is_not_full(enum shmq_full full, unsigned pub_flags, const char *what)
{
	shmq_pub *p;
	unsigned gone = 0;

	topic(what, full);
	p = publisher(q, what, pub_flags, 0);
	publish_until_full(p, "m");
	need(shmq_topic_delete(q, what));
	for (int i = 0; i < 10; i++)
		gone += publish(p, "m") == SHMQ_GONE;
	is_u64(gone, 10, "%s: a full topic that was deleted is gone", what);
	shmq_pub_close(p);
}

static void drop_old_with_nobody_reading(void)
{
	shmq_pub *p;
	shmq_sub *s;
	char text[256] = "", last[16] = "";
	unsigned n = 0;
	int64_t start;

	topic("drop-old", SHMQ_FULL_DROP_OLD);
	p = publisher(q, "drop-old", 0, 100);
	start = now_ms();
	while (n < 1000) {
		snprintf(last, sizeof last, "%u ", n);
		if (publish(p, last) != 0)
			break;
		n++;
	}
	is_u64(n, 1000, "drop-old: 1000 messages into 8 slots that nobody reads");
	ok(now_ms() - start < LATE_MS / 2, "drop-old: it waits for nobody");
	s = subscriber(q, "drop-old", 0);
	is_i64(read_all(s, text, sizeof text), SHMQ_EMPTY, "drop-old: a subscriber comes");
	ok(strlen(text) > 4 && strcmp(text + strlen(text) - 5, "999  ") == 0,
	   "drop-old: the newest are there: %s", text);
	shmq_sub_close(s);
	shmq_pub_close(p);
}

/* ---- several extents at once, while others take single ones ---- */

static void slow_reader(void *argument)
{
	shmq_sub *s = subscriber(broker(), "large", SHMQ_SUB_HOLD);
	struct shmq_batch b;

	*(atomic_u32 *)argument = 1;
	for (;;) {
		if (shmq_sub_next(s, &b) == 0)
			pause_ms(1);
		else
			shmq_sub_wait(&s, 1, 100000000);
	}
}

static void small_publisher(void *argument)
{
	static char small[30000];
	shmq_pub *p = publisher(broker(), "large", 0, 0);

	for (unsigned n = 0; publish_bytes(p, small, sizeof small) == 0; n++)
		if (n == 100) /* the pool has been filled */
			*(atomic_u32 *)argument = 1;
}

static void large_is_not_starved(void)
{
	struct shmq_topic_options o = {.pool_bytes = 8 << 18};
	static char large[400000]; /* two neighbours of eight extents */
	atomic_u32 *ready = shared_page();
	unsigned sent = 0;
	pid_t reader, small;
	shmq_pub *p;

	need(shmq_topic_create(q, "large", &o));
	reader = start(slow_reader, &ready[0]);
	await(&ready[0]);
	small = start(small_publisher, &ready[1]);
	await(&ready[1]);
	p = publisher(q, "large", 0, LATE_MS / 2);
	while (sent < 3 && publish_bytes(p, large, sizeof large) == 0)
		sent++;
	is_u64(sent, 3, "large messages among many small ones");
	finish_by_force(small);
	finish_by_force(reader);
	shmq_pub_close(p);
}

/* ---- a full filesystem ---- */

static void dies_attaching(void *argument)
{
	struct topic t;
	struct reader r;
	shmq *mine = broker();

	(void)argument;
	need(topic_open(mine, "dead", false, true, NULL, &t));
	need(reader_claim(&mine->error, &t.readers, mine->session.id, &r));
	raise(SIGKILL);
}

static char block[60000];

/* As many as go in of so many, read at once when there is a subscriber. */
static unsigned publish_blocks(shmq_pub *p, shmq_sub *s, unsigned count)
{
	struct shmq_batch b;
	unsigned n = 0;

	while (n < count && publish_bytes(p, block, sizeof block) == 0) {
		n++;
		while (s != NULL && shmq_sub_next(s, &b) == 0)
			;
	}
	return n;
}

/* The pool is larger than the filesystem: what was read is used again. */
static void no_space(const char *name, bool subscribe, bool dead, enum shmq_full full)
{
	struct shmq_topic_options o = {
	    .pool_bytes = 16 << 20, .keep_bytes = 16 << 20, .full = full};
	shmq *own = small_broker();
	shmq_sub *s = NULL;
	shmq_pub *p;

	need(shmq_topic_create(own, name, &o));
	if (subscribe)
		s = subscriber(own, name, 0);
	if (dead)
		is_i64(finish(start(dies_attaching, NULL)), -SIGKILL, "%s: killed", name);
	p = publisher(own, name, 0, 1000);
	is_u64(publish_blocks(p, s, 300), 300, "no space: %s: 18 MB through 8", name);
	shmq_pub_close(p);
	shmq_sub_close(s);
	free_up();
	need(shmq_topic_delete(own, name));
	shmq_close(own);
}

/* Somebody else fills the filesystem: large messages go where there are pages already. */
static void no_space_for_a_run(void)
{
	struct shmq_topic_options o = {.pool_bytes = 16 << 20, .keep_bytes = 16 << 20};
	static char large[600000];
	shmq *own = small_broker();
	struct shmq_batch b;
	shmq_pub *p;
	shmq_sub *s;

	need(shmq_topic_create(own, "run", &o));
	p = publisher(own, "run", 0, 1000);
	s = subscriber(own, "run", 0);
	is_u64(publish_blocks(p, NULL, 85), 85, "no space: 5 MB that are not read yet");
	while (shmq_sub_next(s, &b) == 0)
		;
	fill_up();
	is_i64(publish_bytes(p, large, sizeof large), 0,
	       "no space: a large message where there are pages");
	is_u64(publish_blocks(p, s, 200), 200, "no space: and small ones");
	shmq_pub_close(p);
	shmq_sub_close(s);
	free_up();
	need(shmq_topic_delete(own, "run"));
	shmq_close(own);
}

/* A publisher that does not wait keeps no memory free for what it was refused. */
static void refused_large(void)
{
	struct shmq_topic_options o = {.pool_bytes = 8 << 18, .full = SHMQ_FULL_REJECT};
	static char small[200000], large[400000]; /* an extent, two */
	unsigned before = 0, after = 0;
	shmq_pub *p;

	need(shmq_topic_create(q, "refused", &o));
	p = publisher(q, "refused", 0, 0);
	while (publish_bytes(p, small, sizeof small) == 0)
		before++;
	is_i64(publish_bytes(p, large, sizeof large), SHMQ_FULL, "a large message is refused");
	step(shmq_topic_purge(q, "refused", NULL));
	while (publish_bytes(p, small, sizeof small) == 0)
		after++;
	is_u64(after + 1, before, "then there is room for as many small ones, but for one kept");
	shmq_pub_close(p);
}

int main(void)
{
	scratch_begin(60);
	q = broker();
	signals_do_not_restart_a_wait();
	a_wait_that_is_over();
	refusals_overrun(SHMQ_FULL_REJECT, 0, "reject");
	refusals_overrun(SHMQ_FULL_BLOCK, SHMQ_PUB_NO_WAIT, "no-wait");
	all_that_stand_still();
	attaching_for_ever();
	standing_still_together();
	gone_is_not_full(SHMQ_FULL_REJECT, 0, "reject-gone");
	gone_is_not_full(SHMQ_FULL_BLOCK, SHMQ_PUB_NO_WAIT, "no-wait-gone");
	drop_old_with_nobody_reading();
	large_is_not_starved();
	refused_large();
	shmq_close(q);
	if (small_filesystem()) {
		no_space("control", true, false, SHMQ_FULL_BLOCK);
		no_space("dead", true, true, SHMQ_FULL_BLOCK);
		no_space("unread", false, false, SHMQ_FULL_DROP_OLD);
		no_space_for_a_run();
	} else {
		skip("mounting a small filesystem: %s", strerror(errno));
	}
	return done();
}
