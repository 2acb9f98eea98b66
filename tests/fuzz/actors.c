/* SPDX-License-Identifier: MIT */
/* actors.c - what the processes of a case do with the library; every byte they are given is read. */
#include "actors.h"

#include <malloc.h>
#include <sanitizer/asan_interface.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "damage.h"
#include "group_actors.h"
#include "layout.h"

#define OTHER     "other"
#define FATAL_MAX 20 /* errors of one publisher before another is opened */

static volatile unsigned sum; /* of everything read: nothing is optimised away */

void touch(const void *data, size_t bytes)
{
	const unsigned char *p = data;
	unsigned s = 0;

	for (size_t i = 0; i < bytes; i++)
		s += p[i];
	sum += s;
}

const char *sentence(shmq *q)
{
	const char *text = shmq_error(q);

	touch(text, strlen(text) + 1);
	return text;
}

static int broker_open(const struct plan *p, unsigned flags, shmq **q)
{
	struct shmq_open_options o = {.dir = p->dir, .flags = flags, .program = "fuzz"};
	int r = LIB(shmq_open, q, &o);

	if (*q != NULL)
		sentence(*q);
	return r;
}

static void broker_close(shmq *q)
{
	call_begin("shmq_close");
	shmq_close(q);
	call_end(0);
}

/* ---- publishing ----------------------------------------------------------------------- */

#define BODY_BYTES (300u << 10)
static unsigned char body[BODY_BYTES];

static size_t some_size(struct rng *r, size_t most)
{
	size_t n = rng_one_in(r, 40) ? most - rng_below(r, 100)
	           : rng_one_in(r, 6) ? rng_below(r, 20000)
	                              : rng_below(r, 200);

	return n < most ? n : most;
}

struct some_message {
	struct shmq_message m;
	struct shmq_header headers[4];
};

static void message_make(struct some_message *s, struct rng *r, unsigned partitions, size_t most)
{
	s->m = (struct shmq_message){.value = body + rng_below(r, 100),
	                             .value_len = some_size(r, most),
	                             .partition = rng_one_in(r, 2) ? -1 : (int)rng_below(r, partitions)};
	if (s->m.value_len > BODY_BYTES - 100)
		s->m.value_len = BODY_BYTES - 100;
	if (rng_one_in(r, 3)) {
		s->m.key = body + rng_below(r, 100);
		s->m.key_len = rng_below(r, 30);
	}
	if (!rng_one_in(r, 3))
		return;
	s->m.headers = s->headers;
	s->m.header_count = rng_below(r, 5);
	for (unsigned i = 0; i < s->m.header_count; i++)
		s->headers[i] = (struct shmq_header){body, rng_below(r, 20), body + 50, rng_below(r, 60)};
}

static int send_one(shmq_pub *p, struct rng *r)
{
	struct some_message s;

	message_make(&s, r, shmq_pub_partitions(p), shmq_pub_message_max(p));
	return LIB(shmq_pub_send, p, &s.m);
}

static int send_batch(shmq_pub *p, struct rng *r)
{
	struct some_message s[20];
	struct shmq_message m[20];
	unsigned n = 1 + rng_below(r, 20);
	int partition = (int)rng_below(r, shmq_pub_partitions(p));

	for (unsigned i = 0; i < n; i++) {
		message_make(&s[i], r, shmq_pub_partitions(p), 3000);
		m[i] = s[i].m;
		m[i].partition = rng_one_in(r, 30) ? -1 : partition;
	}
	return LIB(shmq_pub_batch, p, m, n);
}

static int send_lines(shmq_pub *p, struct rng *r)
{
	unsigned char delim = rng_one_in(r, 4) ? 0 : '\n';
	int partition = rng_one_in(r, 2) ? -1 : (int)rng_below(r, shmq_pub_partitions(p)), result = 0;

	for (unsigned n = 1 + rng_below(r, 6); n > 0 && result == 0; n--) {
		uint64_t records;
		unsigned char *to;
		void *buffer;
		size_t room, bytes;

		result = LIB(shmq_pub_lines_room, p, partition, delim, &buffer, &room);
		if (result != 0)
			break;
		to = buffer;
		to[room - 1] = 1; /* it is ours to its end */
		bytes = some_size(r, room);
		memset(to, 'x', bytes);
		for (size_t i = rng_below(r, 80); i < bytes; i += 1 + rng_below(r, 200))
			to[i] = delim;
		result = LIB(shmq_pub_lines_add, p, bytes, &records);
	}
	if (result == 0 && !rng_one_in(r, 4))
		result = LIB(shmq_pub_lines_end, p, NULL);
	return result;
}

static bool racing;

static int publish_once(shmq_pub *p, struct rng *r)
{
	if (racing && !rng_one_in(r, 10)) {
		struct shmq_message m = {.value = body, .value_len = rng_below(r, 100)};
		int result = LIB(shmq_pub_send, p, &m);

		return result != 0 ? result : LIB(shmq_pub_flush, p);
	}
	switch (rng_below(r, 12)) {
	case 0:
	case 1:
		return send_batch(p, r);
	case 2:
	case 3:
		return send_lines(p, r);
	case 4:
		return LIB(shmq_pub_idle, p);
	case 5:
	case 6:
	case 7:
		return LIB(shmq_pub_flush, p);
	}
	return send_one(p, r);
}

static void pub_end(shmq_pub *p, struct rng *r)
{
	if (rng_one_in(r, 3))
		LIB(shmq_pub_flush, p);
	shmq_pub_dropped(p);
	call_begin("shmq_pub_close");
	shmq_pub_close(p);
	call_end(0);
}

/* Some publishers, so many calls in all. */
static void publish(shmq *q, struct rng *r, const char *topic, unsigned calls)
{
	struct shmq_pub_options o = {.wait_ns = 1000000, .flags = rng_one_in(r, 3) ? SHMQ_PUB_NO_WAIT : 0};

	while (calls > 0) {
		unsigned errors = 0;
		shmq_pub *p;

		calls--;
		if (LIB(shmq_pub_open, q, topic, &o, &p, NULL) != 0) {
			sentence(q);
			continue;
		}
		for (unsigned n = rng_below(r, 300); n > 0 && calls > 0 && errors < FATAL_MAX; n--, calls--) {
			int result = publish_once(p, r);

			if (result != 0)
				sentence(q);
			errors += result < 0 || result == SHMQ_GONE;
		}
		pub_end(p, r);
	}
}

/* ---- subscribing ---------------------------------------------------------------------- */

static uint64_t clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct shmq_seek some_seek(struct rng *r)
{
	struct shmq_seek s = {.kind = (enum shmq_seek_kind)rng_below(r, 5)};

	if (s.kind == SHMQ_SEEK_TIME)
		s.value = rng_one_in(r, 3) ? rng_any(r) : clock_now() - rng_below(r, 100000000);
	else
		s.value = rng_one_in(r, 3) ? rng_any(r) : rng_below(r, 300);
	return s;
}

void message_touch(const struct shmq_message *m)
{
	touch(m->value, m->value_len);
	if (m->key != NULL)
		touch(m->key, m->key_len);
	for (size_t i = 0; i < m->header_count; i++) {
		touch(m->headers[i].name, m->headers[i].name_len);
		touch(m->headers[i].value, m->headers[i].value_len);
	}
}

/* What is behind the frame in its private copy is nobody's: reading it is reported from here on. The
 * library's allocation is larger than the frame. */
static void *poisoned;
static size_t poisoned_bytes;

static void poison(const struct shmq_batch *b)
{
	const struct frame *f = (const struct frame *)b->values - 1;

	poisoned = (char *)(uintptr_t)f + f->length;
	poisoned_bytes = malloc_usable_size((void *)(uintptr_t)f) - f->length;
	ASAN_POISON_MEMORY_REGION(poisoned, poisoned_bytes);
}

static void unpoison(void)
{
	ASAN_UNPOISON_MEMORY_REGION(poisoned, poisoned_bytes);
	poisoned_bytes = 0;
}

/* Hands all of a batch out. A row may be an error, and the next one again. */
static void batch_touch(struct shmq_batch *b)
{
	unsigned wrong = 0;

	touch(b->topic, strlen(b->topic) + 1);
	touch(b->values, b->value_bytes);
	if (b->delimited && b->value_bytes > 0 &&
	    ((const unsigned char *)b->values)[b->value_bytes - 1] != b->delim)
		complain("a delimited batch does not end with its delimiter");
	for (uint64_t rows = 0;; rows++) {
		struct shmq_message m;
		int result = shmq_batch_next(b, &m); /* not timed: a million of them in a batch */

		if (result == 0)
			return;
		if (result == 1)
			message_touch(&m);
		else if (result != SHMQ_ECORRUPT)
			complain("shmq_batch_next() returned %d", result);
		if (rows > b->count)
			complain("shmq_batch_next() hands out more than %u messages", b->count);
		if (result != 1 && ++wrong == 100)
			return;
	}
}

/* What the caller's loop may see before it comes to an end, once nothing changes any more. */
static uint64_t calls_until_end(const struct plan *p)
{
	return 1000 + damage_log_bytes(p) / 32; /* a frame takes 64 bytes, a slot 8 */
}

static void drain(const struct plan *p, shmq *q, shmq_sub *s, struct rng *r, unsigned calls)
{
	uint64_t bound = calls_until_end(p) + 2 * calls, quiet = 0, useless = 0, data = 0, errors = 0, overruns = 0;

	while (calls > 0) {
		struct shmq_batch b;
		int result = LIB(shmq_sub_next, s, &b);

		if (result == 0) {
			poison(&b);
			if (!rng_one_in(r, 8))
				batch_touch(&b);
			unpoison();
			useless = 0;
			data++;
		} else if (result == SHMQ_OVERRUN || result == SHMQ_ECORRUPT) {
			sentence(q);
			errors += result == SHMQ_ECORRUPT;
			overruns += result == SHMQ_OVERRUN;
		} else if (result == SHMQ_EMPTY) {
			if (rng_one_in(r, 4))
				shmq_sub_lag(s);
			result = LIB(shmq_sub_wait, &s, 1, rng_one_in(r, 2) ? 0 : 300000);
			if (result == SHMQ_GONE || result < 0)
				return;
			if (!board->damaging && result == SHMQ_TIMEOUT)
				calls--;
			useless += result == 0;
		} else { /* SHMQ_END, SHMQ_GONE, and errors that do not pass */
			sentence(q);
			return;
		}
		if (board->damaging) {
			quiet = useless = 0;
			continue;
		}
		if (useless > 1000 && p->actors == 0)
			complain("shmq_sub_wait() says that there is something, shmq_sub_next() that there is not");
		if (p->actors == 0 && ++quiet > bound)
			complain("shmq_sub_next() comes to no end: %llu data, %llu errors, %llu overruns (%s)",
			         (unsigned long long)data, (unsigned long long)errors,
			         (unsigned long long)overruns, sentence(q));
	}
}

static void subscribe(const struct plan *p, shmq *q, struct rng *r, const char *topic, unsigned calls)
{
	static const char *const filters[] = {NULL, NULL, "#", "x.*", "*", "#.x.#"};
	static const unsigned flags[] = {SHMQ_SUB_HOLD,   SHMQ_SUB_BROWSE,   SHMQ_SUB_EXIT_AT_END,
	                                 SHMQ_SUB_NO_SPIN, SHMQ_SUB_SPIN};
	uint32_t partitions[3] = {rng_below(r, 3), rng_below(r, 3), rng_below(r, 3)};
	struct shmq_sub_options o = {.from = some_seek(r), .until_set = rng_one_in(r, 4)};
	shmq_sub *s;

	for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++)
		if (rng_one_in(r, i < 3 ? 3 : 6))
			o.flags |= flags[i];
	if (o.until_set)
		o.until = some_seek(r);
	o.filter = filters[rng_below(r, sizeof filters / sizeof *filters)];
	if (rng_one_in(r, 5)) {
		o.partitions = partitions;
		o.partition_count = 1 + rng_below(r, 2);
	}
	if (LIB(shmq_sub_open, q, topic, &o, &s) != 0) {
		sentence(q);
		return;
	}
	call_begin("shmq_sub_lag");
	shmq_sub_lag(s);
	call_end(0);
	drain(p, q, s, r, calls);
	shmq_sub_missed(s);
	call_begin("shmq_sub_close");
	shmq_sub_close(s);
	call_end(0);
}

/* ---- administering -------------------------------------------------------------------- */

static int list_one(void *context, const char *name, uint64_t number)
{
	(void)number;
	touch(name, strlen(name) + 1);
	if (strlen(name) > SHMQ_NAME_MAX)
		complain("a listed name is %zu bytes long", strlen(name));
	return ++*(unsigned *)context > 70000 ? SHMQ_FULL : 0;
}

static void look(shmq *q, const char *topic)
{
	struct shmq_topic_info info = {.logs = malloc(SHMQ_PARTITIONS_MAX * sizeof *info.logs)};
	struct shmq_counters counters;
	unsigned listed = 0;

	if (LIB(shmq_topic_info, q, topic, &info) == 0) {
		touch(info.name, strlen(info.name));
		touch(info.logs, info.options.partitions * sizeof *info.logs);
	} else {
		sentence(q);
	}
	free(info.logs);
	LIB(shmq_topic_list, q, list_one, &listed);
	LIB(shmq_counters_read, q, &counters);
}

static void administer(const struct plan *p, shmq *q, struct rng *r, unsigned calls)
{
	uint64_t purged;

	for (; calls > 0; calls--) {
		const char *topic = rng_one_in(r, 4) ? OTHER : TOPIC;
		struct shmq_topic_options o = p->options;
		shmq *observer;

		switch (rng_below(r, 12)) {
		case 0:
		case 1:
			if (broker_open(p, SHMQ_OBSERVE, &observer) == 0)
				look(observer, topic);
			broker_close(observer);
			break;
		case 2:
		case 3:
			LIB(shmq_topic_purge, q, topic, &purged);
			break;
		case 4:
			LIB(shmq_topic_repair, q, topic);
			break;
		case 5:
			LIB(shmq_topic_delete, q, topic);
			break;
		case 6:
		case 7:
			o.full = (enum shmq_full)rng_below(r, 4);
			LIB(shmq_topic_create, q, topic, &o);
			break;
		default:
			look(q, topic);
		}
		sentence(q);
		usleep(rng_below(r, 3000));
	}
}

/* ---- the processes -------------------------------------------------------------------- */

static void body_make(struct rng *r)
{
	rng_fill(r, body, sizeof body);
	for (unsigned i = 0; i < 400; i++)
		body[i] = (unsigned char)"ab.x"[body[i] % 4];
}

void actor_first(const struct plan *p)
{
	struct rng r = rng_part(p->seed, p->number * 100ull + 3);
	shmq *q;

	body_make(&r);
	if (broker_open(p, SHMQ_CREATE, &q) != 0 || shmq_topic_create(q, TOPIC, &p->options) != 0 ||
	    shmq_topic_create(q, OTHER, NULL) != 0)
		complain("nothing is damaged, and yet: %s", sentence(q));
	publish(q, &r, TOPIC, 20 + rng_below(&r, 300));
	publish(q, &r, OTHER, 5);
	if (rng_one_in(&r, 2)) /* what the dead leave: a session, extents, a reader */
		subscribe(p, q, &r, TOPIC, 3);
	if (rng_one_in(&r, 2)) {
		struct shmq_sub_options o = {.flags = SHMQ_SUB_HOLD};
		struct shmq_pub_options no_wait = {.flags = SHMQ_PUB_NO_WAIT};
		shmq_pub *pub;
		shmq_sub *sub;

		LIB(shmq_pub_open, q, TOPIC, &no_wait, &pub, NULL);
		LIB(shmq_sub_open, q, TOPIC, &o, &sub);
		groups_first(p, q, &r, true);
		send_one(pub, &r);
		_exit(0);
	}
	groups_first(p, q, &r, false);
	broker_close(q);
}

static void on_sigbus(int sig)
{
	(void)sig;
	_exit(ACTOR_SIGBUS);
}

void actor_run(const struct plan *p, unsigned n)
{
	struct rng r = rng_part(p->seed, p->number * 100ull + 10 + n);
	unsigned job = p->holes ? (n == 1 ? 4 : 1) : p->racing ? n > 1 : n == 0 ? 0 : n == 1 ? 1 + 3 * rng_below(&r, 2) :
	               rng_below(&r, 8);
	uint64_t end = now_ns() + 30000000ull + (p->live > 0 ? 50000000u : 0);

	racing = p->racing;
	if (p->truncate)
		signal(SIGBUS, on_sigbus);
	body_make(&r);
	do {
		shmq *q;

		if (broker_open(p, rng_one_in(&r, 3) && !p->holes ? SHMQ_CREATE : 0, &q) == 0) {
			const char *topic = rng_one_in(&r, 12) ? OTHER : TOPIC;

			if (job == 0)
				publish(q, &r, topic, (racing ? 2000 : 100) + rng_below(&r, 300));
			else if (job <= 2)
				subscribe(p, q, &r, topic, 3 + rng_below(&r, 20));
			else if (job >= 4 && job <= 6)
				consume(p, q, &r, topic, 20 + rng_below(&r, 100), !p->holes);
			else if (job == 7)
				administer_groups(q, &r, topic, 10);
			else
				administer(p, q, &r, 10);
			if (p->holes)
				look(q, topic);
		} else {
			usleep(2000);
		}
		if (!rng_one_in(&r, 10))
			broker_close(q);
	} while (now_ns() < end);
}

/* Repaired: what goes in comes out. */
static void works(const struct plan *p, shmq *q)
{
	struct shmq_pub_options no_wait = {.flags = SHMQ_PUB_NO_WAIT};
	struct shmq_message m = {.value = "after", .value_len = 5, .partition = 0}, got;
	struct shmq_batch b;
	shmq_pub *pub;
	shmq_sub *sub;

	if (LIB(shmq_pub_open, q, TOPIC, &no_wait, &pub, NULL) != 0 || LIB(shmq_pub_send, pub, &m) != 0 ||
	    LIB(shmq_pub_flush, pub) != 0)
		complain("publishing after a repair: %s", sentence(q));
	if (LIB(shmq_sub_open, q, TOPIC, NULL, &sub) != 0 || LIB(shmq_sub_next, sub, &b) != 0 ||
	    shmq_batch_next(&b, &got) != 1 || got.value_len != 5 || memcmp(got.value, "after", 5) != 0)
		complain("reading after a repair: %s", sentence(q));
	shmq_sub_close(sub);
	shmq_pub_close(pub);
	(void)p;
}

void actor_last(const struct plan *plan)
{
	struct plan alone = *plan, *p = &alone;
	struct rng r = rng_part(p->seed, p->number * 100ull + 4);
	shmq *q;

	body_make(&r);
	alone.actors = 0; /* so that what does not end is told */
	if (broker_open(p, 0, &q) != 0) {
		broker_close(q);
		return;
	}
	look(q, TOPIC);
	for (unsigned i = 0; i < 6; i++)
		subscribe(p, q, &r, TOPIC, 10);
	administer_groups(q, &r, TOPIC, 10);
	for (unsigned i = 0; i < 6; i++)
		consume(p, q, &r, TOPIC, 10, true);
	publish(q, &r, TOPIC, 30);
	subscribe(p, q, &r, TOPIC, 10);
	consume(p, q, &r, TOPIC, 10, true);
	LIB(shmq_topic_purge, q, TOPIC, NULL);
	subscribe(p, q, &r, TOPIC, 10);
	if (LIB(shmq_topic_repair, q, TOPIC) == 0 && !p->brokers)
		works(p, q);
	sentence(q);
	LIB(shmq_topic_delete, q, TOPIC);
	LIB(shmq_topic_create, q, TOPIC, NULL);
	broker_close(q);
}
