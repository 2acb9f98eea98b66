/* SPDX-License-Identifier: MIT */
/* lines_test.c - delimited input: what is carried over, refused, dropped, and in which order. */
#include "scratch.h"

static shmq *q;

static shmq_pub *topic(const char *name, const struct shmq_topic_options *o, int64_t wait_ms)
{
	need(shmq_topic_create(q, name, o));
	return publisher(q, name, 0, wait_ms);
}

/* _room and _add of so many bytes, which must fit. */
static int feed_bytes(shmq_pub *p, int partition, const void *data, size_t bytes, uint64_t *records)
{
	size_t room;
	void *to;
	int r = shmq_pub_lines_room(p, partition, '\n', &to, &room);

	if (r != 0)
		return r;
	need(room < bytes);
	memcpy(to, data, bytes);
	return shmq_pub_lines_add(p, bytes, records);
}

static int feed(shmq_pub *p, int partition, const char *text)
{
	return feed_bytes(p, partition, text, strlen(text), NULL);
}

/* ---- the ordinary life of an incomplete record ---- */

static const char input[] = "b\n\nccc\ndd"; /* no length twice; the last one is unterminated */
#define INPUT_BYTES (sizeof input - 1)

/* The lengths of the values, as digits; '?' for one that never was in the input. */
static void lengths(shmq_sub *s, char digits[16])
{
	static const char *const values[] = {"", "b", "dd", "ccc"};
	struct shmq_batch b;
	struct shmq_message m;

	while (shmq_sub_next(s, &b) == 0) {
		while (shmq_batch_next(&b, &m) == 1) {
			bool known = m.value_len < 4 &&
				     memcmp(m.value, values[m.value_len], m.value_len) == 0;

			if (strlen(digits) < 15)
				strcat(digits,
				       known ? (char[]){(char)('0' + m.value_len), 0} : "?");
		}
	}
}

/* One bit of `cuts` for each byte but the last: whether a piece ends there. */
static bool whole_in_pieces(shmq_pub *p, shmq_sub *s, int partition, unsigned cuts, bool idle)
{
	bool ordered = partition >= 0 || shmq_pub_partitions(p) == 1;
	uint64_t records, sum = 0;
	char digits[16] = "";

	for (size_t from = 0, to = 1; to <= INPUT_BYTES; to++) {
		if (to < INPUT_BYTES && !(cuts >> (to - 1) & 1))
			continue;
		step(feed_bytes(p, partition, input + from, to - from, &records));
		sum += records;
		from = to;
		if (idle)
			step(shmq_pub_idle(p));
	}
	step(shmq_pub_lines_end(p, &records));
	lengths(s, digits);
	for (unsigned i = 0; i < 9 && !ordered; i++) /* frames take turns: sorted */
		for (char *d = digits; d[0] != '\0' && d[1] != '\0'; d++)
			if (d[0] > d[1])
				memcpy(d, (char[]){d[1], d[0]}, 2);
	if (strcmp(digits, ordered ? "1032" : "0123") == 0 && sum + records == 4)
		return true;
	printf("# cuts %#x: %u records, of lengths %s\n", cuts, (unsigned)(sum + records), digits);
	return false;
}

static void split_everywhere(unsigned partitions, int partition, bool idle)
{
	struct shmq_topic_options o = {.partitions = partitions, .pool_bytes = 1 << 20};
	shmq_pub *p = topic("split", &o, 1000);
	shmq_sub *s = subscriber(q, "split", 0);
	unsigned cuts = 0, all = 1u << (INPUT_BYTES - 1);

	while (cuts < all && whole_in_pieces(p, s, partition, cuts, idle))
		cuts++;
	is_u64(cuts, all, "split in all ways: %u partitions, into %d%s", partitions, partition,
	       idle ? ", idle in between" : "");
	shmq_sub_close(s);
	shmq_pub_close(p);
	need(shmq_topic_delete(q, "split"));
}

/* ---- records longer than an extent (256 KiB), up to the largest ---- */

#define POOL (4u << 20)
static const size_t long_records[] = {10,     300000,        5, 262144 - 64, 262144,
				      700000, POOL / 4 - 65, 0, 131072,      131071};
#define LONG_RECORDS (sizeof long_records / sizeof *long_records)

static char byte_of(size_t record, size_t i)
{
	return (char)('a' + (record * 5 + i * 7 + i / 4096) % 26);
}

/* Reads what is there; returns how many of the records came, each as it should be. */
static size_t verify_long(shmq_sub *s, size_t next)
{
	struct shmq_batch b;
	struct shmq_message m;

	while (shmq_sub_next(s, &b) == 0) {
		while (shmq_batch_next(&b, &m) == 1) {
			const char *value = m.value;

			if (next >= LONG_RECORDS || m.value_len != long_records[next])
				return 0;
			for (size_t i = 0; i < m.value_len; i++)
				if (value[i] != byte_of(next, i))
					return 0;
			next++;
		}
	}
	return next;
}

static void long_in_pieces(size_t piece, bool idle)
{
	struct shmq_topic_options o = {.pool_bytes = POOL};
	shmq_pub *p = topic("long", &o, 1000);
	shmq_sub *s = subscriber(q, "long", 0);
	size_t record = 0, at = 0, came = 0;

	while (record < LONG_RECORDS) {
		size_t room, n = 0;
		void *to;

		need(shmq_pub_lines_room(p, -1, '\n', &to, &room));
		for (; n < room && n < piece && record < LONG_RECORDS; n++) {
			bool end = at == long_records[record];

			((char *)to)[n] = end ? '\n' : byte_of(record, at);
			record += end;
			at = end ? 0 : at + 1;
		}
		step(shmq_pub_lines_add(p, n, NULL));
		if (idle)
			step(shmq_pub_idle(p));
		came = verify_long(s, came);
	}
	is_u64(came, LONG_RECORDS, "long records in pieces of at most %zu bytes%s", piece,
	       idle ? ", idle in between" : "");
	shmq_sub_close(s);
	shmq_pub_close(p);
	need(shmq_topic_delete(q, "long"));
}

/* ---- each room has its partition ---- */

static void partition_of_each_room(void)
{
	struct shmq_topic_options o = {.partitions = 2};
	shmq_pub *p = topic("partition", &o, 1000);

	step(feed(p, 0, "a\n"));
	step(feed(p, 1, "b\n"));
	step(feed(p, 0, "c\nd"));
	step(feed(p, 0, "d\n"));
	step(feed(p, 1, "e"));
	step(shmq_pub_lines_end(p, NULL));
	step(feed(p, 0, "f\n"));
	is_str(contents(q, "partition", 0), "a c dd f ", "what was asked for partition 0 is there");
	is_str(contents(q, "partition", 1), "b e ", "what was asked for partition 1 is there");
	shmq_pub_close(p);
}

static void change_in_the_middle(void)
{
	struct shmq_topic_options o = {.partitions = 2};
	shmq_pub *p = topic("change", &o, 1000);
	size_t room;
	void *to;

	step(feed(p, 0, "a\nb"));
	is_i64(feed(p, 1, "c\n"), SHMQ_EINVAL, "another partition in the middle of a record");
	is_i64(shmq_pub_lines_room(p, 0, ';', &to, &room), SHMQ_EINVAL,
	       "another delimiter in the middle of a record");
	is_i64(feed(p, 0, "b\n"), 0, "the record can go on");
	is_i64(feed(p, 1, "c\n"), 0, "another partition behind it");
	is_str(contents(q, "change", 0), "a bb ", "the record is whole");
	is_str(contents(q, "change", 1), "c ", "the next one is in the other partition");
	shmq_pub_close(p);
}

/* ---- a record that is refused: SHMQ_EDATA ---- */

/* Feeds bytes without a delimiter until _room refuses them. */
static int feed_too_much(shmq_pub *p)
{
	for (int i = 0; i < 100; i++) {
		size_t room;
		void *to;
		int r = shmq_pub_lines_room(p, -1, '\n', &to, &room);

		if (r != 0)
			return r;
		memset(to, 'x', room);
		step(shmq_pub_lines_add(p, room, NULL));
	}
	return 0;
}

static void refused_is_dropped_whole(void)
{
	struct shmq_topic_options o = {.pool_bytes = 1 << 20};
	shmq_pub *p = topic("refused", &o, 1000);
	uint64_t records = 9;

	step(feed(p, -1, "before\nxx"));
	is_i64(feed_too_much(p), SHMQ_EDATA, "a record of more than a quarter of the pool");
	step(feed(p, -1, "xxxx"));
	step(feed(p, -1, "xx\nafter\n"));
	is_str(contents(q, "refused", -1), "before after ",
	       "what follows its delimiter is published");

	is_i64(feed_too_much(p), SHMQ_EDATA, "again");
	is_i64(shmq_pub_lines_end(p, &records), 0, "its input ends within it");
	is_u64(records, 0, "nothing of it is published");
	step(feed(p, -1, "next\n"));
	is_str(contents(q, "refused", -1), "before after next ", "the next input begins clean");
	shmq_pub_close(p);
}

/* The end of an input is its end also when something else had to be dropped. */
static void refused_and_full(void)
{
	struct shmq_topic_options o = {.slots = 8, .pool_bytes = 1 << 20, .full = SHMQ_FULL_REJECT};
	shmq_pub *p = topic("refused-full", &o, 1000);
	struct shmq_message m = {.value = "m", .value_len = 1};

	publish_until_full(p, "m");
	is_i64(feed_too_much(p), SHMQ_EDATA, "a record is refused on a full topic");
	step(shmq_pub_send(p, &m));
	is_i64(shmq_pub_lines_end(p, NULL), SHMQ_FULL,
	       "a message that was sent behind it is dropped");
	step(shmq_topic_purge(q, "refused-full", NULL));
	step(feed(p, -1, "next\n"));
	is_str(contents(q, "refused-full", -1), "next ", "the next input begins clean");
	shmq_pub_close(p);
}

/* ---- no room: SHMQ_FULL, SHMQ_TIMEOUT ---- */

/* An unterminated record meets a full ring or (the pool alone is filled) a full pool. */
static void full_at_the_end(const char *name, bool pool)
{
	struct shmq_topic_options o = {
	    .slots = pool ? 65536 : 8, .pool_bytes = 1 << 20, .full = SHMQ_FULL_REJECT};
	shmq_pub *p = topic(name, &o, 1000), *other = publisher(q, name, 0, 1000);
	static char big[200000];
	uint64_t records = 9, dropped;

	step(feed(p, -1, "AAA"));
	step(shmq_pub_idle(p));
	for (size_t bytes = sizeof big; bytes > 0; bytes /= 4)
		while (publish_bytes(other, big, bytes) == 0)
			;
	shmq_pub_idle(other);
	dropped = shmq_pub_dropped(p);
	is_i64(shmq_pub_lines_end(p, &records), SHMQ_FULL, "%s: no room for the last record", name);
	is_u64(records, 0, "%s: it is not published", name);
	is_u64(shmq_pub_dropped(p) - dropped, 1, "%s: it is counted", name);
	step(shmq_topic_purge(q, name, NULL));
	step(feed_bytes(p, -1, "BBB\n", 4, &records));
	is_u64(records, 1, "%s: the next input has one record", name);
	is_str(contents(q, name, -1), "BBB ", "%s: nothing is left of the first input", name);
	shmq_pub_close(other);
	shmq_pub_close(p);
}

/* Complete records that meet a full topic are dropped and counted; the incomplete one stays. */
static void full_in_between(void)
{
	struct shmq_topic_options o = {.slots = 8, .full = SHMQ_FULL_REJECT};
	shmq_pub *p = topic("between", &o, 1000);
	uint64_t dropped;

	publish_until_full(p, "m");
	dropped = shmq_pub_dropped(p);
	is_i64(feed(p, -1, "a\nb\nc"), SHMQ_FULL, "complete records on a full topic");
	is_u64(shmq_pub_dropped(p) - dropped, 2, "two are dropped");
	step(shmq_topic_purge(q, "between", NULL));
	step(feed(p, -1, "c\n"));
	is_str(contents(q, "between", -1), "cc ", "the incomplete one goes on");
	shmq_pub_close(p);
}

static void nothing_overtakes(void)
{
	struct shmq_topic_options o = {.slots = 8};
	shmq_pub *p = topic("order", &o, 30);
	struct shmq_message second = {.value = "second", .value_len = 6};
	uint64_t records = 0;
	char text[256] = "";
	shmq_sub *s;

	for (int i = 0; i < 8; i++)
		step(publish(p, "m"));
	is_i64(feed(p, -1, "first\n"), SHMQ_TIMEOUT, "no room within the wait");
	is_i64(shmq_pub_flush(p), SHMQ_TIMEOUT, "a flush does not say that it is visible");
	is_i64(shmq_pub_send(p, &second), SHMQ_TIMEOUT, "a message behind it is not accepted");
	s = subscriber(q, "order", 0);
	read_all(s, text, sizeof text);
	is_i64(shmq_pub_send(p, &second), 0, "now there is room");
	is_i64(shmq_pub_flush(p), 0, "flush");
	is_i64(shmq_pub_lines_add(p, 0, &records), 0, "nothing is left to add");
	text[0] = '\0';
	read_all(s, text, sizeof text);
	is_str(text, "first second ", "in the order in which they were given");
	shmq_sub_close(s);
	shmq_pub_close(p);
}

/* ---- a record that is accepted alone, and interrupted before it is linked ---- */

/* The interrupted call may be _end (of an unterminated record) or _add (of the largest). */
static int interrupted_call(shmq_pub *p, bool largest, uint64_t *records)
{
	size_t left = shmq_pub_message_max(p) + 1, room;
	char *to;

	if (!largest)
		return shmq_pub_lines_end(p, records);
	for (;;) {
		need(shmq_pub_lines_room(p, -1, '\n', (void **)&to, &room));
		if (room >= left)
			break;
		memset(to, 'x', room);
		need(shmq_pub_lines_add(p, room, NULL));
		left -= room;
	}
	memset(to, 'x', left - 1);
	to[left - 1] = '\n';
	return shmq_pub_lines_add(p, left, records);
}

static void interrupted_alone(const char *name, bool largest)
{
	struct shmq_topic_options o = {.slots = 8, .pool_bytes = 1 << 20};
	shmq_pub *p = topic(name, &o, 0), *other = publisher(q, name, SHMQ_PUB_NO_WAIT, 0);
	uint64_t records = 9;
	char want[32];

	snprintf(want, sizeof want, largest ? "(%zu) " : "AAA ", shmq_pub_message_max(p));
	if (!largest)
		step(feed(p, -1, "AAA"));
	publish_until_full(other, "m");
	shmq_pub_idle(other);
	timer(20);
	is_i64(interrupted_call(p, largest, &records), SHMQ_INTERRUPTED, "%s: interrupted", name);
	timer(0);
	is_u64(records, 0, "%s: it is not linked yet", name);
	step(shmq_topic_purge(q, name, NULL));
	is_i64(shmq_pub_lines_add(p, 0, &records), 0, "%s: the next call, with 0 bytes", name);
	is_u64(records, 1, "%s: counts it", name);
	is_str(contents(q, name, -1), want, "%s: and has linked it", name);
	is_i64(shmq_pub_lines_end(p, &records), 0, "%s: the end", name);
	is_u64(records, 0, "%s: does not count it again", name);
	is_str(contents(q, name, -1), want, "%s: it is there once", name);
	shmq_pub_close(other);
	shmq_pub_close(p);
}

/* ---- a room is void after any other call ---- */

static void stale_room(void *argument)
{
	struct shmq_message m = {.value = "m", .value_len = 1};
	const char *between = argument;
	shmq *mine = broker(); /* the parent's is not ours */
	shmq_pub *p = publisher(mine, "stale", 0, 1000);
	size_t room;
	void *to;

	need(shmq_pub_lines_room(p, -1, '\n', &to, &room));
	memcpy(to, "AAA\n", 4);
	if (strcmp(between, "idle") == 0)
		need(shmq_pub_idle(p));
	if (strcmp(between, "send") == 0)
		need(shmq_pub_send(p, &m));
	if (strcmp(between, "batch") == 0)
		need(shmq_pub_batch(p, &m, 1));
	if (strcmp(between, "end") == 0)
		need(shmq_pub_lines_end(p, NULL));
	if (strcmp(between, "add") == 0)
		need(shmq_pub_lines_add(p, 4, NULL));
	_exit(-shmq_pub_lines_add(p, 4, NULL));
}

int main(void)
{
	static const char *const between[] = {"idle", "send", "batch", "end", "add"};
	static const size_t pieces[] = {7, 4096, 100000, SIZE_MAX};

	scratch_begin(60);
	q = broker();
	for (int idle = 0; idle < 2; idle++) {
		split_everywhere(1, -1, idle);
		split_everywhere(3, 2, idle);
		split_everywhere(3, -1, idle);
	}
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
		long_in_pieces(pieces[i], false);
	long_in_pieces(50000, true);
	partition_of_each_room();
	change_in_the_middle();
	refused_is_dropped_whole();
	refused_and_full();
	full_at_the_end("full-ring", false);
	full_at_the_end("full-pool", true);
	full_in_between();
	nothing_overtakes();
	interrupted_alone("unterminated", false);
	interrupted_alone("largest", true);
	need(shmq_topic_create(q, "stale", NULL));
	for (size_t i = 0; i < sizeof between / sizeof *between; i++)
		is_i64(finish(start(stale_room, (void *)(uintptr_t)between[i])), -SHMQ_EINVAL,
		       "_room, _%s, _add is refused", between[i]);
	shmq_close(q);
	return done();
}
