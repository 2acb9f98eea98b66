/* SPDX-License-Identifier: MIT */
/*
 * group_edges_test.c - groups where something is full, damaged, as large as it can be, or left over from the dead.
 */
#include "seams.h"
#include "small_fs.h"

#include <glob.h>

static shmq *q;

/* ---- own contents ------------------------------------------------------------------- */

static bool is_own(const struct shmq_message *m)
{
	char want[32];

	snprintf(want, sizeof want, "p%d-%u", m->partition, (unsigned)m->offset);
	return strcmp(value_of(m), want) == 0;
}

/* Positions and offsets are the same in both logs. */
static void two_partitions(void)
{
	struct shmq_dead_letter letter;
	unsigned own = 0, again = 0, dead = 0;
	struct shmq_delivery d[6];
	shmq_group *g;
	shmq_dlq *dlq;

	topic_make(q, "two", 2);
	for (int i = 0; i < 6; i++) {
		char text[32];

		snprintf(text, sizeof text, "p%d-%d", i % 2, i / 2);
		publish_key(q, "two", NULL, text, i % 2);
	}
	g = consumer(broker(), "two", "g", NULL, 0);
	for (unsigned i = 0; i < 6; i++)
		own += later(g, &d[i]) == 0 && is_own(&d[i].message);
	is_u64(own, 6, "messages of two partitions");
	for (unsigned i = 0; i < 6; i++)
		step(shmq_group_release(g, &d[i]));
	for (unsigned i = 0; i < 6; i++)
		again += later(g, &d[i]) == 0 && is_own(&d[i].message);
	is_u64(again, 6, "that come again have their own content");
	for (unsigned i = 0; i < 6; i++)
		step(shmq_group_dead(g, &d[i], NULL));
	need(shmq_dlq_open(q, "two", "g", &dlq));
	while (shmq_dlq_next(dlq, &letter) == 0)
		dead += is_own(&letter.message);
	is_u64(dead, 6, "and as dead letters, too");
	shmq_dlq_close(dlq);
	shmq_group_close(g);
}

/* ---- the return log is full --------------------------------------------------------- */

static void due_when_full(void)
{
	struct shmq_topic_options to = {.pool_bytes = 2 << 20};
	struct shmq_group_options o = {.returns_bytes = 1 << 20, .retries = 250};
	struct shmq_group_info info;
	unsigned sent = 0, n = 0, early = 0;
	struct shmq_delivery d;
	int64_t begun;
	size_t bytes;
	shmq_group *g;
	shmq_pub *p;
	char *big;

	need(shmq_topic_create(q, "due", &to));
	g = consumer(broker(), "due", "g", &o, 0);
	p = publisher(q, "due", SHMQ_PUB_NO_WAIT, 0);
	bytes = shmq_pub_message_max(p);
	big = calloc(1, bytes);
	need(big == NULL);
	begun = ahead_ns;
	for (unsigned i = 0; i < 200; i++) {
		int r = sent < 30 ? publish_bytes(p, big, bytes) : SHMQ_FULL;

		sent += r == 0;
		if (shmq_group_next(g, &d) != 0) {
			leap(20);
			continue;
		}
		n++;
		early += d.attempt > 1;
		step(shmq_group_retry(g, &d, 3600 * SECOND, NULL, NULL));
	}
	info = info_of(q, "due", "g");
	ok(info.returns_full > 0 && n == sent, "%u messages wait an hour; the return log is full", sent);
	is_u64(early, 0, "none comes before that");
	leap(3600 * 1000);
	ok(ahead_ns - begun < 3700 * SECOND && later(g, &d) == 0 && d.attempt == 2, "then they do");
	free(big);
	shmq_pub_close(p);
	shmq_group_close(g);
}

static void dying_when_full(void)
{
	struct shmq_group_options o = {.returns_rows = 16, .retries = 2};
	unsigned died = 0, wrong = 0;
	struct shmq_delivery d;
	bool dead;
	shmq_group *g;

	topic_make(q, "dying", 1);
	publish_numbers(q, "dying", 0, 16, true);
	g = consumer(broker(), "dying", "g", &o, 0);
	for (unsigned i = 0; i < 16; i++)
		wrong += later(g, &d) != 0 || shmq_group_retry(g, &d, 1100 * MS, NULL, NULL) != 0;
	is_u64(info_of(q, "dying", "g").retry, 16, "a return log of 16 rows has 16");
	leap(1200);
	for (unsigned i = 0; i < 16; i++) {
		wrong += later(g, &d) != 0 || shmq_group_retry(g, &d, 0, NULL, &dead) != 0;
		died += dead;
	}
	is_u64(wrong, 0, "they come again");
	is_u64(died, 16, "and die");
	is_u64(info_of(q, "dying", "g").dead, 16, "in the room that they had");
	publish_words(q, "dying", "x");
	step(later(g, &d));
	is_i64(shmq_group_dead(g, &d, NULL), SHMQ_FULL, "there is none for one more");
	shmq_group_close(g);
}

static void letters_are_moved(void)
{
	struct shmq_message m = {.value = "new", .value_len = 3, .partition = -1};
	struct shmq_group_options o = {.returns_rows = 16, .retries = 250};
	struct shmq_dead_letter kept[5], letter;
	struct shmq_delivery d;
	unsigned seen = 0;
	shmq_group *g;
	shmq_pub *p;
	shmq_dlq *dlq;

	topic_make(q, "moved", 1);
	topic_make(q, "moved-out", 1);
	publish_words(q, "moved", "k0 k1 k2 k3 k4");
	g = consumer(broker(), "moved", "g", &o, 0);
	for (unsigned i = 0; i < 5; i++)
		step(later(g, &d) != 0 || shmq_group_dead(g, &d, NULL) != 0);
	need(shmq_dlq_open(q, "moved", "g", &dlq));
	for (unsigned i = 0; i < 5; i++)
		step(shmq_dlq_next(dlq, &kept[i]));
	for (unsigned i = 0; i < 200; i++) { /* three rings full */
		publish_words(q, "moved", "x");
		if (!step(later(g, &d) != 0 || shmq_group_dead(g, &d, NULL) != 0))
			break;
		while (shmq_dlq_next(dlq, &letter) == 0) {
			if (*(const char *)letter.message.value == 'x')
				step(shmq_dlq_drop(dlq, &letter));
			else
				seen += letter.id > 4;
		}
	}
	ok(window_floor(&g->g.returns_window) > 4, "dead letters were moved");
	is_u64(seen, 0, "their ids stay");
	for (unsigned i = 0; i < 5; i++) {
		is_i64(shmq_dlq_get(dlq, kept[i].id, &letter), 0, "letter %u is found", i);
		ok(letter.id == kept[i].id && value_of(&letter.message)[1] == '0' + (int)i, "and is that one");
	}
	is_i64(shmq_dlq_requeue(dlq, &kept[0], 0), 0, "one that was read before is requeued");
	ok(later(g, &d) == 0 && strcmp(value_of(&d.message), "k0") == 0, "and comes");
	step(shmq_group_ack(g, &d));
	is_i64(shmq_dlq_drop(dlq, &kept[1]), 0, "one is dropped");
	is_i64(shmq_dlq_get(dlq, kept[1].id, &letter), SHMQ_ENOENT, "and gone");
	is_i64(shmq_dlq_drop(dlq, &kept[1]), SHMQ_LATE, "once");
	is_i64(shmq_dlq_replace(dlq, &kept[2], &m), 0, "one is replaced");
	is_i64(shmq_dlq_replace(dlq, &kept[2], &m), SHMQ_LATE, "once");
	p = publisher(q, "moved-out", 0, LIMIT_MS);
	is_i64(shmq_dlq_move(dlq, &kept[3], p, 0), 0, "one is moved elsewhere");
	is_str(contents(q, "moved-out", -1), "k3 ", "and is there");
	is_u64(info_of(q, "moved", "g").dead, 2, "two are left: one as it was, one new");
	shmq_pub_close(p);
	shmq_dlq_close(dlq);
	shmq_group_close(g);
}

/* ---- waiting ------------------------------------------------------------------------ */

/* How many of ten waits for a second came to sleep. */
static unsigned waits_that_sleep(shmq_group *g, const char *what)
{
	unsigned slept = 0, given = 0;
	struct shmq_delivery d;

	for (unsigned i = 0; i < 10; i++) {
		unsigned before = sleeps;

		given += shmq_group_next(g, &d) != SHMQ_EMPTY;
		shmq_group_wait(&g, 1, 1 * SECOND);
		slept += sleeps > before;
	}
	is_u64(given, 0, "%s: nothing is handed out", what);
	return slept;
}

static void paused(void)
{
	struct shmq_delivery d[2];
	shmq_group *g;

	topic_make(q, "paused", 1);
	publish_numbers(q, "paused", 0, 10, false);
	g = consumer(broker(), "paused", "g", NULL, 0);
	step(shmq_group_next(g, &d[0]));
	step(shmq_group_next(g, &d[1]));
	step(shmq_group_ack(g, &d[0]));
	step(shmq_group_retry(g, &d[1], 5 * MS, NULL, NULL));
	leap(2);
	is_i64(shmq_group_next(g, &d[0]), 0, "a group with something to do, and a retry that will be due");
	ok(g->due_ms != UINT64_MAX, "and that knows when");
	step(shmq_group_pause(q, "paused", "g", true));
	step(shmq_group_ack(g, &d[0]));
	leap(20);
	is_u64(waits_that_sleep(g, "paused"), 10, "paused: each wait sleeps");
	step(shmq_group_pause(q, "paused", "g", false));
	is_u64(ack_so_many(g, 8), 8, "then it goes on");
	shmq_group_close(g);
}

static void window_full(void)
{
	struct shmq_group_options o = {.window = 64};
	struct shmq_delivery d[64];
	unsigned n = 0;
	shmq_group *g;

	topic_make(q, "window", 1);
	publish_numbers(q, "window", 0, 1, true);
	for (unsigned i = 0; i < 70; i++)
		publish_numbers(q, "window", 2 * i, 2 * i + 2, true);
	g = consumer(broker(), "window", "g", &o, 0);
	while (n < 64 && shmq_group_next(g, &d[n]) == 0)
		n++;
	is_u64(n, 64, "a window of 64 in hand, up to the middle of a frame");
	is_u64(waits_that_sleep(g, "full"), 10, "full: each wait sleeps");
	for (unsigned i = 0; i < n; i++)
		step(shmq_group_ack(g, &d[i]));
	is_u64(ack_so_many(g, 77), 77, "then it goes on");
	shmq_group_close(g);
}

/* ---- ordered groups ----------------------------------------------------------------- */

static void letters_are_no_consumers(void)
{
	struct shmq_message m = {.value = "new", .value_len = 3, .partition = -1};
	struct shmq_group_options o = {.mode = SHMQ_GROUP_ORDERED};
	struct shmq_dead_letter letter;
	struct shmq_delivery d;
	shmq_group *g;
	shmq_dlq *dlq;

	topic_make(q, "ordered", 4);
	for (int i = 0; i < 4; i++)
		publish_key(q, "ordered", NULL, "x", i);
	g = consumer(broker(), "ordered", "g", &o, 0);
	step(later(g, &d));
	step(shmq_group_dead(g, &d, NULL));
	need(shmq_dlq_open(q, "ordered", "g", &dlq));
	step(shmq_dlq_next(dlq, &letter));
	is_i64(shmq_dlq_replace(dlq, &letter, &m), 0, "who changes dead letters has a lease");
	is_u64(info_of(q, "ordered", "g").consumers, 1, "but is no consumer");
	is_u64(ack_so_many(g, 3), 3, "the only consumer has all partitions");
	for (unsigned i = 0; i < 5; i++) { /* seconds in which it could give some away */
		leap(1100);
		is_i64(shmq_group_next(g, &d), SHMQ_EMPTY, "nothing new");
	}
	for (int i = 0; i < 4; i++)
		publish_key(q, "ordered", NULL, "y", i);
	is_u64(ack_so_many(g, 4), 4, "and keeps them");
	shmq_dlq_close(dlq);
	shmq_group_close(g);
}

/* ---- damage ------------------------------------------------------------------------- */

static void one_log_damaged(unsigned flags, const char *name)
{
	struct shmq_consume_options o = {.flags = flags};
	unsigned told = 0, given = 0, other = 0;
	struct shmq_delivery d;
	shmq_group *g;
	int r;

	r = shmq_group_open(broker(), "logs", name, &o, &g, NULL);
	if (!is_i64(r, 0, "%s: opened beside a damaged log", name))
		return;
	for (unsigned i = 0; i < 100 && given < 4; i++) {
		r = shmq_group_next(g, &d);
		told += r == SHMQ_ECORRUPT;
		given += r == 0;
		other += r < 0 && r != SHMQ_ECORRUPT;
		if (r == 0)
			step(given < 4 ? shmq_group_retry(g, &d, 0, NULL, NULL) : shmq_group_ack(g, &d));
		leap(50);
	}
	for (unsigned i = 0; i < 20; i++) {
		leap(500);
		r = shmq_group_next(g, &d);
		told += r == SHMQ_ECORRUPT;
		other += r != SHMQ_ECORRUPT && r != SHMQ_EMPTY && r != SHMQ_END;
	}
	is_u64(given, 4, "%s: the other partition goes on", name);
	is_u64(told, 1, "%s: the damage is told once", name);
	is_u64(other, 0, "%s: nothing else happens", name);
	if (flags & SHMQ_CONSUME_EXIT_AT_END)
		is_i64(shmq_group_next(g, &d), SHMQ_END, "%s: and comes to an end", name);
	shmq_group_close(g);
}

static void damaged_log(void)
{
	shmq_group *g;
	size_t bytes;
	char *at;

	topic_make(q, "logs", 2);
	publish_key(q, "logs", NULL, "x", 0);
	publish_key(q, "logs", NULL, "y", 1);
	g = consumer(broker(), "logs", "old", NULL, 0);
	shmq_group_close(g);
	g = consumer(broker(), "logs", "old-to-end", NULL, 0);
	shmq_group_close(g);
	at = map_topic_file(q, "logs", "log.0.0", &bytes);
	memset(at + 16, 0, 8);
	munmap(at, bytes);
	one_log_damaged(0, "old");
	one_log_damaged(0, "new");
	one_log_damaged(SHMQ_CONSUME_EXIT_AT_END, "old-to-end");
	one_log_damaged(SHMQ_CONSUME_EXIT_AT_END, "new-to-end");
}

static void damaged_newest(void)
{
	unsigned told = 0, given = 0;
	struct shmq_delivery d;
	shmq_group *g;
	size_t bytes;
	char *at, *found;

	topic_make(q, "newest", 1);
	publish_numbers(q, "newest", 7000000, 7002000, true);
	at = map_topic_file(q, "newest", "log.0.0", &bytes);
	found = memmem(at, bytes, "7000025", 7);
	need(found == NULL);
	found[3] ^= 1;
	munmap(at, bytes);
	g = consumer(broker(), "newest", "g", NULL, 0);
	for (unsigned i = 0; i < 300; i++) {
		int r = shmq_group_next(g, &d);

		told += r == SHMQ_ECORRUPT;
		given += r == 0;
		leap(10);
	}
	is_u64(told, 1, "a damaged frame of 2000 messages, the newest: told once");
	is_u64(given, 0, "nothing of it is given");
	is_u64(lag_of(q, "newest", "g"), 0, "it is passed over");
	publish_words(q, "newest", "behind");
	ok(later(g, &d) == 0 && strcmp(value_of(&d.message), "behind") == 0, "what comes then is given");
	shmq_group_close(g);
}

static int count_groups(void *context, const char *name)
{
	(void)name;
	++*(unsigned *)context;
	return 0;
}

/* Files of a topic's groups. */
static size_t group_files(const char *topic, const char *pattern)
{
	glob_t found;
	size_t n = 0;

	if (glob(topic_path(q, topic, pattern), 0, NULL, &found) == 0)
		n = found.gl_pathc;
	globfree(&found);
	return n;
}

/* A word of one file of a group is another one. */
static void damaged_group(const char *topic, const char *pattern, size_t where, uint64_t word)
{
	unsigned n = 0;
	size_t bytes;
	glob_t found;
	shmq_group *g;
	char *at;

	topic_make(q, topic, 1);
	g = consumer(broker(), topic, "g", NULL, 0);
	shmq_group_close(g);
	need(glob(topic_path(q, topic, pattern), 0, NULL, &found));
	at = map_topic_file(q, topic, strrchr(found.gl_pathv[0], '/') + 1, &bytes);
	memcpy(at + where, &word, sizeof word);
	munmap(at, bytes);
	globfree(&found);
	is_i64(shmq_group_open(q, topic, "g", NULL, &g, NULL), SHMQ_ECORRUPT, "%s: cannot be opened", pattern);
	is_i64(shmq_group_delete(q, topic, "g"), 0, "%s: but deleted", pattern);
	step(shmq_group_list(q, topic, count_groups, &n));
	is_u64(n, 0, "%s: it is gone", pattern);
	is_u64(group_files(topic, "group.*"), 0, "%s: with its files", pattern);
	is_i64(shmq_group_open(q, topic, "g", NULL, &g, NULL), 0, "%s: another can be made", pattern);
	shmq_group_close(g);
}

/* ---- the largest message ------------------------------------------------------------ */

static void largest(void)
{
	struct shmq_topic_options o = {.pool_bytes = 1 << 20};
	struct shmq_dead_letter letter;
	struct shmq_delivery d;
	shmq *mine = broker();
	shmq_group *g, *h;
	shmq_pub *p, *out;
	shmq_dlq *dlq;
	char want[64];
	size_t bytes;
	char *big;

	need(shmq_topic_create(q, "large", &o));
	need(shmq_topic_create(q, "large-out", &o));
	p = publisher(q, "large", 0, LIMIT_MS);
	bytes = shmq_pub_message_max(p);
	big = malloc(bytes);
	need(big == NULL);
	memset(big, 'b', bytes);
	step(publish_bytes(p, big, bytes));
	g = consumer(mine, "large", "g", NULL, 0);
	out = publisher(mine, "large-out", 0, LIMIT_MS);
	step(later(g, &d));
	is_i64(shmq_group_settle(g, &d, out, &d.message, 1, 0), 0, "the largest message is settled with one like it");
	snprintf(want, sizeof want, "(%zu) ", bytes);
	is_str(contents(q, "large-out", -1), want, "which can be read");
	h = consumer(broker(), "large-out", "g", NULL, 0);
	ok(later(h, &d) == 0 && d.message.value_len == bytes && memcmp(d.message.value, big, bytes) == 0,
	   "and consumed");
	step(shmq_group_ack(h, &d));
	step(publish_bytes(p, big, bytes));
	step(later(g, &d));
	is_i64(shmq_group_dead(g, &d, NULL), 0, "it can be a dead letter");
	need(shmq_dlq_open(q, "large", "g", &dlq));
	step(shmq_dlq_next(dlq, &letter));
	shmq_pub_close(out);
	out = publisher(q, "large-out", 0, LIMIT_MS);
	is_i64(shmq_dlq_move(dlq, &letter, out, 0), 0, "and be moved to the other topic");
	ok(later(h, &d) == 0 && d.message.value_len == bytes && memcmp(d.message.value, big, bytes) == 0,
	   "where it is consumed");
	free(big);
	shmq_pub_close(p);
	shmq_pub_close(out);
	shmq_dlq_close(dlq);
	shmq_group_close(g);
	shmq_group_close(h);
}

/* ---- a full target ------------------------------------------------------------------ */

static unsigned notices;

static void on_notice(void *context, const char *sentence)
{
	(void)context;
	notices += strstr(sentence, "target") != NULL;
}

static shmq_group *watcher;

static void watch(void)
{
	step(shmq_group_renew(watcher));
}

static void told_while_settling(void)
{
	struct shmq_open_options with = {.dir = scratch, .flags = SHMQ_CREATE, .notice = on_notice};
	struct shmq_message m = {.value = "x", .value_len = 1, .partition = -1};
	struct shmq_group_options o = {.lease_ns = 1 * SECOND};
	struct shmq_topic_options to = {.slots = 8};
	struct shmq_delivery d;
	shmq_group *g;
	shmq *mine;
	shmq_pub *p;

	need(shmq_open(&mine, &with));
	need(shmq_topic_create(q, "target", &to));
	topic_make(q, "source", 1);
	publish_words(q, "source", "x");
	p = publisher(q, "target", SHMQ_PUB_NO_WAIT, 0);
	publish_until_full(p, "x");
	shmq_pub_close(p);
	p = publisher(mine, "target", 0, 0);
	g = consumer(mine, "source", "g", &o, 0);
	step(later(g, &d));
	watcher = consumer(broker(), "source", "g", &o, 0);
	while_asleep = watch;
	is_i64(shmq_group_settle(g, &d, p, &m, 1, 5 * SECOND), SHMQ_TIMEOUT, "a settle waits for room");
	while_asleep = NULL;
	is_u64(notices, 1, "that is told, once");
	is_i64(shmq_group_ack(g, &d), 0, "the lease of a second was kept all the time");
	shmq_pub_close(p);
	shmq_group_close(watcher);
	shmq_group_close(g);
}

/* ---- dead makers -------------------------------------------------------------------- */

static void make_and_die(void *file)
{
	link_file = file;
	on_link_file = die;
	consumer(broker(), "makers", "half", NULL, 0);
	_exit(0);
}

static void dead_makers(void)
{
	static char *const last[] = {"group.1.window.*", "group.2.config.1", "group.3.returns", "group.4"};
	shmq_group *g;

	topic_make(q, "makers", 1);
	for (unsigned i = 0; i < 4; i++)
		is_i64(finish(start(make_and_die, last[i])), -SIGKILL, "a maker dies behind %s", last[i]);
	ok(group_files("makers", "group.*") > 0, "files are left");
	g = consumer(broker(), "makers", "live", NULL, 0);
	shmq_group_close(g);
	is_u64(group_files("makers", "group.[1-4]*"), 0, "who makes another one sweeps them");
	is_u64(group_files("makers", "group.5*"), 4, "and has its own");
	step(shmq_group_delete(q, "makers", "live"));
	is_u64(group_files("makers", "group.*"), 0, "until that is deleted");
}

/* ---- a full filesystem -------------------------------------------------------------- */

static void no_space(void)
{
	shmq *own = small_broker();
	unsigned told = 0;
	struct shmq_delivery d;
	shmq_group *g;

	topic_make(own, "full", 1);
	publish_words(own, "full", "x y z");
	g = consumer(broker(), "full", "g", NULL, 0);
	fill_up();
	for (unsigned i = 0; i < 10; i++) { /* claimed ahead, then found by sweeps */
		told += shmq_group_next(g, &d) == SHMQ_ENOSPACE;
		leap(5);
	}
	is_u64(told, 10, "a full filesystem: told each time");
	free_up();
	is_u64(ack_so_many(g, 3), 3, "nothing is lost once there is room");
	shmq_group_close(g);
	shmq_close(own);
}

int main(void)
{
	scratch_begin(60);
	q = broker();
	two_partitions();
	due_when_full();
	dying_when_full();
	letters_are_moved();
	paused();
	window_full();
	letters_are_no_consumers();
	damaged_log();
	damaged_newest();
	damaged_group("damaged-window", "group.1.window.*", offsetof(struct file_head, number), 0);
	damaged_group("damaged-config", "group.1.config.*", offsetof(struct file_head, number), 0);
	/* A base above the floor: no message would ever be done. */
	damaged_group("window-base", "group.1.window.*",
	              sizeof(struct window_file) + offsetof(struct window_line, base), 254);
	damaged_group("window-done", "group.1.window.*",
	              sizeof(struct window_file) + offsetof(struct window_line, done_count), 254);
	damaged_group("returns-done", "group.1", offsetof(struct group_file, returns) + offsetof(struct window_line, done_first),
	              254);
	damaged_group("returns-base", "group.1",
	              offsetof(struct group_file, returns) + offsetof(struct window_line, base), 254);
	largest();
	told_while_settling();
	dead_makers();
	shmq_close(q);
	if (small_filesystem())
		no_space();
	else
		skip("mounting a small filesystem: %s", strerror(errno));
	return done();
}
