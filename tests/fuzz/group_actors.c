/* SPDX-License-Identifier: MIT */
/* group_actors.c - what the processes of a case do with groups; every byte they are given is read. */
#include "group_actors.h"

#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "damage.h"
#include "group.h"

#define HELD 8u
#define ERRORS_MAX 200u /* one after the other: it does not go on */

static const char *const names[] = {"g", "h"};

static struct shmq_group_options some_options(const struct plan *p, unsigned which)
{
	struct rng r = rng_part(p->seed, p->number * 100ull + 50 + which);
	struct shmq_group_options o = {.mode = which == 0 ? SHMQ_GROUP_SHARED : SHMQ_GROUP_ORDERED,
	                               .retries = 1 + rng_below(&r, 8),
	                               .lease_ns = 100000000,
	                               .backoff_ns = 1000000,
	                               .backoff_max_ns = 2000000,
	                               .filter = rng_one_in(&r, 4) ? "a.#" : NULL,
	                               .returns_rows = 16 + rng_below(&r, 50),
	                               .returns_bytes = 1 << 20,
	                               .window = 64u << rng_below(&r, 4),
	                               .dead = rng_one_in(&r, 6) ? SHMQ_GROUP_DEAD_DROP : SHMQ_GROUP_DEAD_KEEP};

	if (rng_one_in(&r, 2))
		o.expire_ns = 1000000000;
	return o;
}

/* ---- consuming ------------------------------------------------------------------------ */

/* Whether a value stands in the private copy of a frame. */
static bool in_copy(const unsigned char *value, const struct frame_read *read)
{
	return read->copy.data != NULL && value >= read->copy.data && value <= read->copy.data + read->copy.capacity;
}

/* What is behind the frame in a private copy is nobody's. */
static void delivery_touch(shmq_group *g, const struct shmq_delivery *d)
{
	const struct frame_read *read = &g->spare;
	const unsigned char *value = d->message.value;
	void *poisoned = NULL;
	size_t bytes = 0;

	for (unsigned i = 0; value != NULL && i < g->lane_count; i++)
		if (in_copy(value, &g->lanes[i].read))
			read = &g->lanes[i].read;
	if (value != NULL && in_copy(value, read)) {
		size_t length = ((const struct frame *)(const void *)read->copy.data)->length;

		poisoned = read->copy.data + length;
		bytes = read->copy.capacity - length;
		ASAN_POISON_MEMORY_REGION(poisoned, bytes);
	}
	message_touch(&d->message);
	if (poisoned != NULL)
		ASAN_UNPOISON_MEMORY_REGION(poisoned, bytes);
}

static void settle_one(shmq_group *g, const struct shmq_delivery *d, shmq_pub *p, struct rng *r)
{
	struct shmq_message m[3];
	unsigned n = rng_below(r, 4);

	for (unsigned i = 0; i < n; i++)
		m[i] = (struct shmq_message){.value = "settled", .value_len = rng_below(r, 8), .partition = -1};
	if (n > 0 && rng_one_in(r, 4))
		m[0].partition = (int)rng_below(r, 3);
	if (n > 0 && rng_one_in(r, 4)) {
		m[0].key = "key";
		m[0].key_len = rng_below(r, 4);
	}
	LIB(shmq_group_settle, g, d, p, m, n, rng_one_in(r, 2) ? 0 : 2000000);
}

static void finish_one(shmq_group *g, struct shmq_delivery *d, shmq_pub *p, struct rng *r)
{
	struct shmq_failure why = {SHMQ_REASON_REJECTED, (int)rng_below(r, 300), "some last words", rng_below(r, 16)};
	bool dead;

	switch (rng_below(r, 10)) {
	case 0:
		LIB(shmq_group_release, g, d);
		break;
	case 1:
		LIB(shmq_group_retry, g, d, rng_one_in(r, 3) ? 2000000000 : rng_below(r, 1000000), &why, &dead);
		break;
	case 2:
		LIB(shmq_group_dead, g, d, &why);
		break;
	case 3:
		LIB(shmq_group_start, g, d);
		/* fall through */
	case 4:
	case 5:
	case 6:
		if (p != NULL) {
			settle_one(g, d, p, r);
			break;
		}
		/* fall through */
	default:
		LIB(shmq_group_ack, g, d);
	}
}

/* Once nothing changes any more: so many messages can be handed out again. */
static uint64_t calls_until_end(const struct plan *p)
{
	return 20000 + damage_log_bytes(p) / 8;
}

static void consume_some(const struct plan *p, shmq *q, shmq_group *g, shmq_pub *pub, struct rng *r, unsigned calls)
{
	uint64_t bound = calls_until_end(p), quiet = 0, data = 0, errors = 0;
	struct shmq_delivery held[HELD];
	unsigned n = 0;

	while (calls > 0) {
		int result = LIB(shmq_group_next, g, &held[n]);

		if (result == 0) {
			delivery_touch(g, &held[n]);
			data++;
			errors = 0;
			n++;
			if (rng_one_in(r, 3) && n < HELD)
				continue;
			while (n > 0 && !rng_one_in(r, 10)) {
				n--;
				if (p->actors == 0 && !board->damaging)
					LIB(shmq_group_ack, g, &held[n]);
				else
					finish_one(g, &held[n], pub, r);
			}
			if (n == HELD)
				n--; /* forgotten: it stays in hand */
			if (p->actors > 0 && rng_one_in(r, 4))
				calls--;
		} else if (result == SHMQ_EMPTY) {
			result = LIB(shmq_group_wait, &g, 1, rng_one_in(r, 2) ? 0 : 300000);
			if (result == SHMQ_GONE || result < 0)
				return;
			calls--;
			errors = 0;
		} else if (result == SHMQ_LATE || result == SHMQ_ECORRUPT || result == SHMQ_OVERRUN) {
			sentence(q);
			calls -= p->actors > 0;
			if (++errors > ERRORS_MAX)
				return;
		} else {
			sentence(q);
			return;
		}
		if (rng_one_in(r, 20))
			LIB(shmq_group_renew, g);
		if (board->damaging)
			quiet = 0;
		else if (p->actors == 0 && ++quiet > bound)
			complain("shmq_group_next() comes to no end: %llu messages (%s)", (unsigned long long)data, sentence(q));
	}
}

void consume(const struct plan *p, shmq *q, struct rng *r, const char *topic, unsigned calls, bool settle)
{
	static const unsigned flags[] = {SHMQ_CONSUME_EXIT_AT_END, SHMQ_CONSUME_MANUAL_START, SHMQ_CONSUME_AT_MOST_ONCE,
	                                 SHMQ_CONSUME_PIPELINED, SHMQ_CONSUME_NO_SPIN};
	struct shmq_pub_options no_wait = {.flags = rng_one_in(r, 2) ? SHMQ_PUB_NO_WAIT : 0, .wait_ns = 1000000};
	unsigned which = rng_below(r, 2);
	struct shmq_group_options options = some_options(p, which), now;
	struct shmq_consume_options o = {.options = &options, .prefetch = 1 + rng_below(r, 100)};
	shmq_pub *pub = NULL;
	shmq_group *g;
	bool created;

	for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++)
		if (rng_one_in(r, 4))
			o.flags |= flags[i];
	if (LIB(shmq_group_open, q, topic, names[which], &o, &g, &created) != 0) {
		sentence(q);
		return;
	}
	if (settle && LIB(shmq_pub_open, q, rng_one_in(r, 3) ? topic : "other", &no_wait, &pub, NULL) != 0)
		pub = NULL;
	shmq_group_options_now(g, &now);
	if (now.filter != NULL)
		touch(now.filter, strlen(now.filter) + 1);
	consume_some(p, q, g, pub, r, calls);
	call_begin("shmq_group_close");
	shmq_group_close(g);
	call_end(0);
	if (pub != NULL) {
		call_begin("shmq_pub_close");
		shmq_pub_close(pub);
		call_end(0);
	}
}

/* ---- dead letters --------------------------------------------------------------------- */

static void letter_touch(const struct shmq_dead_letter *l)
{
	message_touch(&l->message);
	touch(l->text, l->text_len);
	touch(shmq_reason_text(l->reason), 5);
}

static void letters(shmq *q, struct rng *r, const char *topic)
{
	struct shmq_pub_options no_wait = {.flags = SHMQ_PUB_NO_WAIT};
	struct shmq_message m = {.value = "replaced", .value_len = rng_below(r, 9), .partition = -1};
	struct shmq_dead_letter l;
	uint64_t seen = 0;
	shmq_pub *p;
	shmq_dlq *d;

	if (LIB(shmq_dlq_open, q, topic, names[rng_below(r, 2)], &d) != 0) {
		sentence(q);
		return;
	}
	for (unsigned n = rng_below(r, 30); n > 0; n--) {
		if (LIB(shmq_dlq_next, d, &l) != 0) {
			sentence(q);
			break;
		}
		if (seen > 0 && l.id < seen)
			complain("dead letter %llu comes behind %llu", (unsigned long long)l.id, (unsigned long long)seen);
		seen = l.id;
		letter_touch(&l);
		switch (rng_below(r, 6)) {
		case 0:
			LIB(shmq_dlq_requeue, d, &l, rng_below(r, 1000000));
			break;
		case 1:
			LIB(shmq_dlq_drop, d, &l);
			break;
		case 2:
			LIB(shmq_dlq_replace, d, &l, &m);
			break;
		case 3:
			if (LIB(shmq_pub_open, q, "other", &no_wait, &p, NULL) == 0)
				LIB(shmq_dlq_move, d, &l, p, 1000000);
			shmq_pub_close(p);
			break;
		default:
			if (LIB(shmq_dlq_get, d, rng_one_in(r, 2) ? l.id : rng_any(r), &l) == 0)
				letter_touch(&l);
		}
	}
	call_begin("shmq_dlq_close");
	shmq_dlq_close(d);
	call_end(0);
}

/* ---- from outside --------------------------------------------------------------------- */

static int list_one(void *context, const char *name)
{
	touch(name, strlen(name) + 1);
	return ++*(unsigned *)context > 5000 ? SHMQ_FULL : 0;
}

static int browse_one(void *context, const struct shmq_delivery *d, const char *state)
{
	here->since_ns = now_ns(); /* each message: there may be many */
	message_touch(&d->message);
	touch(state, strlen(state) + 1);
	return ++*(unsigned *)context > 3000 ? SHMQ_FULL : 0;
}

static void look_at(shmq *q, struct rng *r, const char *topic, const char *name)
{
	struct shmq_group_info info = {.logs = malloc(SHMQ_PARTITIONS_MAX * sizeof *info.logs)};
	unsigned n = 0;

	if (LIB(shmq_group_info, q, topic, name, &info) == 0) {
		touch(info.name, strlen(info.name) + 1);
		touch(info.filter_text, strlen(info.filter_text) + 1);
		touch(info.logs, sizeof *info.logs);
	} else {
		sentence(q);
	}
	free(info.logs);
	LIB(shmq_group_list, q, topic, list_one, &n);
	n = 0;
	if (rng_one_in(r, 2))
		LIB(shmq_group_browse, q, topic, name, browse_one, &n);
}

void administer_groups(shmq *q, struct rng *r, const char *topic, unsigned calls)
{
	struct shmq_group_place places[SHMQ_PARTITIONS_MAX];

	for (; calls > 0; calls--) {
		struct shmq_group_options o = {.retries = 1 + rng_below(r, 10), .lease_ns = 100000000,
		                               .filter = rng_one_in(r, 2) ? "*.b" : NULL};
		const char *name = names[rng_below(r, 2)];
		struct shmq_seek to = some_seek(r);

		switch (rng_below(r, 12)) {
		case 0:
			LIB(shmq_group_alter, q, topic, name, &o, SHMQ_SET_RETRIES | SHMQ_SET_FILTER);
			break;
		case 1:
			LIB(shmq_group_seek, q, topic, name, &to, false, places);
			break;
		case 2:
			LIB(shmq_group_seek, q, topic, name, &to, true, places);
			break;
		case 3:
			LIB(shmq_group_pause, q, topic, name, rng_one_in(r, 3));
			break;
		case 4:
			if (rng_one_in(r, 4))
				LIB(shmq_group_delete, q, topic, name);
			break;
		case 5:
		case 6:
		case 7:
			letters(q, r, topic);
			break;
		default:
			look_at(q, r, topic, name);
		}
		sentence(q);
	}
}

/* ---- before --------------------------------------------------------------------------- */

void groups_first(const struct plan *p, shmq *q, struct rng *r, bool dies)
{
	for (unsigned i = 0; i < 2; i++) {
		struct shmq_group_options options = some_options(p, i);
		struct shmq_consume_options o = {.options = &options, .prefetch = 1 + rng_below(r, 30)};
		struct shmq_delivery d;
		shmq_group *g;

		if (shmq_group_open(q, TOPIC, names[i], &o, &g, NULL) != 0)
			complain("nothing is damaged, and yet: %s", sentence(q));
		for (unsigned n = rng_below(r, 40); n > 0 && shmq_group_next(g, &d) == 0; n--)
			finish_one(g, &d, NULL, r);
		if (dies)
			shmq_group_next(g, &d);
		else
			shmq_group_close(g);
	}
}
