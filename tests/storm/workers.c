/* SPDX-License-Identifier: MIT */
/* workers.c - publishers and consumers of a storm: killed and stopped anywhere, writing down what they know. */
#include "storm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct worker *me;
static struct rng *rng;
static shmq *q;

static void doing(const char *what)
{
	snprintf(me->doing, sizeof me->doing, "%s", what);
	me->steps++;
}

static void fatal(const char *what, int result)
{
	violation("%s: %d, %s", what, result, q != NULL ? shmq_error(q) : "");
	_exit(1);
}

static void up(_Atomic uint8_t *count)
{
	uint8_t n = *count;

	while (n < 255 && !atomic_compare_exchange_weak(count, &n, (uint8_t)(n + 1)))
		;
}

static void raise_to(_Atomic uint64_t *word, uint64_t to)
{
	uint64_t n = *word;

	while (n < to && !atomic_compare_exchange_weak(word, &n, to))
		;
}

static void broker(void)
{
	struct shmq_open_options o = {.dir = dir, .flags = SHMQ_CREATE, .program = "storm"};
	int r;

	doing("shmq_open");
	r = shmq_open(&q, &o);
	if (r != 0)
		fatal("shmq_open", r);
}

/* ---- messages ------------------------------------------------------------------------- */

#define BODY_MAX 3000u

/* "NUMBER:xxxxx...": all bytes follow from the number. */
static size_t message_make(char *to, uint32_t id)
{
	size_t bytes = id % 97 == 0 ? BODY_MAX : 16 + id % 90;
	int used = snprintf(to, bytes, "%u:", id);

	memset(to + used, 'a' + (int)(id % 26), bytes - (size_t)used);
	return bytes;
}

static uint32_t message_id(const struct shmq_message *m)
{
	char want[BODY_MAX], number[16] = "";
	uint32_t id;

	memcpy(number, m->value, m->value_len < 15 ? m->value_len : 15);
	id = (uint32_t)strtoul(number, NULL, 10);
	if (id >= PUBLISHERS * IDS || message_make(want, id) != m->value_len || memcmp(want, m->value, m->value_len) != 0) {
		violation("a message that nobody published: %.30s", number);
		_exit(1);
	}
	return id;
}

/* ---- publishing ----------------------------------------------------------------------- */

#define OPEN_MAX 20u

void publisher_run(unsigned number, struct rng *r)
{
	static char body[OPEN_MAX][BODY_MAX];
	struct shmq_pub_options o = {.flags = SHMQ_PUB_NO_CREATE};
	uint32_t first, count;
	shmq_pub *p;
	int e;

	me = &board->workers[number];
	rng = r;
	broker();
	doing("shmq_pub_open");
	e = shmq_pub_open(q, topic_names[number < 2 ? IN : WORK], &o, &p, NULL);
	if (e != 0)
		fatal("shmq_pub_open", e);
	while (!board->stop_publishing && board->next[number] < IDS - OPEN_MAX) {
		count = 1 + rng_below(rng, OPEN_MAX);
		first = number * IDS + board->next[number];
		board->next[number] += count; /* those of a killed one are never sent again */
		for (uint32_t i = 0; i < count; i++) {
			struct shmq_message m = {.value = body[i], .partition = -1};
			char key[16];

			m.value_len = message_make(body[i], first + i);
			if (rng_one_in(rng, 2)) {
				m.key = key;
				m.key_len = (size_t)snprintf(key, sizeof key, "k%u", (first + i) % 50);
			}
			board->notes[first + i].sent = 1;
			doing("shmq_pub_send");
			e = shmq_pub_send(p, &m);
			if (e != 0)
				fatal("shmq_pub_send", e);
		}
		doing("shmq_pub_flush");
		e = rng_one_in(rng, 10) ? shmq_pub_idle(p) : shmq_pub_flush(p);
		if (e != 0)
			fatal("shmq_pub_flush", e);
		for (uint32_t i = 0; i < count; i++)
			board->notes[first + i].flushed = 1;
		board->flushed += count;
		if (rng_one_in(rng, 8))
			usleep(rng_below(rng, 3000));
	}
	doing("shmq_pub_close");
	shmq_pub_close(p);
	shmq_close(q);
	doing("ended");
	_exit(0);
}

/* ---- consuming ------------------------------------------------------------------------ */

enum job { TO_MID, TO_OUT, AT_OUT, SHARED, ORDERED };
static const enum job jobs[CONSUMERS] = {TO_MID, TO_MID, TO_OUT, TO_OUT, AT_OUT, SHARED, SHARED, ORDERED};
static enum job job;
static shmq_group *group;
static shmq_pub *target;

struct held {
	struct shmq_delivery d;
	uint32_t id;
	uint64_t until_ms;
};
static struct held held[HAND_MAX];
static unsigned in_hand;

static void hand_note(void)
{
	for (unsigned i = 0; i < HAND_MAX; i++)
		me->hand[i] = i < in_hand ? held[i].id + 1 : 0;
}

/* A delivery is over without an ack. */
static void hand_drop(unsigned i, bool excuse)
{
	if (excuse)
		up(&board->notes[held[i].id].excused);
	held[i] = held[--in_hand];
	hand_note();
}

static void hand_drop_all(void)
{
	while (in_hand > 0)
		hand_drop(in_hand - 1, true);
}

static void consumer_open(void)
{
	static const enum topic from[] = {IN, MID, OUT, WORK, WORK};
	static const char *const names[] = {"to-mid", "to-out", "at-out", "shared", "ordered"};
	struct shmq_consume_options o = {.flags = SHMQ_CONSUME_NO_CREATE, .prefetch = 1 + rng_below(rng, 60)};
	struct shmq_pub_options po = {.flags = SHMQ_PUB_NO_CREATE};
	int r;

	if (q == NULL)
		broker();
	if (job == ORDERED && board->pipelined)
		o.flags |= SHMQ_CONSUME_PIPELINED;
	doing("shmq_group_open");
	r = shmq_group_open(q, topic_names[from[job]], names[job], &o, &group, NULL);
	if (r != 0)
		fatal("shmq_group_open", r);
	if (job > TO_OUT)
		return;
	doing("shmq_pub_open");
	r = shmq_pub_open(q, topic_names[job == TO_MID ? MID : OUT], &po, &target, NULL);
	if (r != 0)
		fatal("shmq_pub_open", r);
}

static void consumer_close(void)
{
	doing("shmq_group_close");
	shmq_group_close(group);
	hand_drop_all();
	doing("shmq_pub_close");
	shmq_pub_close(target);
	group = NULL;
	target = NULL;
	if (rng_one_in(rng, 2)) {
		doing("shmq_close");
		shmq_close(q);
		q = NULL;
	}
}

/* Where a message stands on its way: only in one place. */
static void place_check(_Atomic uint32_t *place, const struct shmq_message *m, uint32_t id, const char *where)
{
	uint32_t mine = (uint32_t)(m->offset * PARTITIONS) + (uint32_t)m->partition + 1, was = 0;

	if (!atomic_compare_exchange_strong(place, &was, mine) && was != mine)
		violation("message %u stands twice in %s: at %u and %u", id, where, was - 1, mine - 1);
}

/* `quick`: nobody can have taken it from us since. */
static void delivery_check(const struct shmq_message *m, uint32_t id, bool quick)
{
	struct note *n = &board->notes[id];
	uint64_t seen, done;

	if (!n->sent)
		violation("message %u was never published", id);
	switch (job) {
	case TO_MID:
		break;
	case TO_OUT:
		place_check(&n->mid, m, id, "mid");
		break;
	case AT_OUT:
		place_check(&n->out, m, id, "out");
		break;
	case SHARED:
		up(&n->delivered);
		if (n->acked && quick)
			violation("message %u was acked, and comes again", id);
		break;
	case ORDERED:
		done = board->ordered_done[m->partition];
		seen = board->ordered_seen[m->partition];
		if (m->offset < done && quick && !board->pipelined)
			violation("ordered: %llu.%d comes when everything before %llu is done",
			          (unsigned long long)m->offset, m->partition, (unsigned long long)done);
		if (m->offset > seen && quick)
			violation("ordered: %llu.%d comes before %llu", (unsigned long long)m->offset, m->partition,
			          (unsigned long long)seen);
		raise_to(&board->ordered_seen[m->partition], m->offset + 1);
	}
}

/* 0: one more in hand. */
static int take(void)
{
	struct held *h = &held[in_hand];
	uint64_t begun = now_ms();
	int r;

	doing("shmq_group_next");
	r = shmq_group_next(group, &h->d);
	if (r == SHMQ_LATE) {
		board->lates++;
		hand_drop_all();
	}
	if (r != 0)
		return r;
	h->id = message_id(&h->d.message);
	h->until_ms = board->stop_publishing ? 0 : rng_one_in(rng, 10000) ? begun + 1500 : rng_one_in(rng, 100) ? begun + rng_below(rng, 50) : 0;
	in_hand++;
	hand_note();
	board->deliveries++;
	board->redeliveries += h->d.attempt > 1;
	delivery_check(&h->d.message, h->id, now_ms() - begun < (uint64_t)lease_ns / 1000000 / 4);
	if (h->d.attempt > 200)
		violation("message %u: attempt %u", h->id, h->d.attempt);
	return 0;
}

static int finish_by(const struct held *h, unsigned how)
{
	static char body[BODY_MAX];
	struct shmq_message m = {.value = body, .partition = -1};

	if (job <= TO_OUT) {
		m.value_len = message_make(body, h->id);
		doing("shmq_group_settle");
		return shmq_group_settle(group, &h->d, target, &m, 1, rng_one_in(rng, 2) ? 20000000 : 2000000000);
	}
	if (how == 1) {
		doing("shmq_group_dead");
		return shmq_group_dead(group, &h->d, NULL);
	}
	doing("shmq_group_ack");
	return shmq_group_ack(group, &h->d);
}

/* Ack, settle or death of what is held: recorded when it is known. */
static void finish(unsigned i)
{
	struct held *h = &held[i];
	struct note *n = &board->notes[h->id];
	unsigned how = job == SHARED && rng_one_in(rng, 500) ? 1 : 0;
	int r;

	me->finishing = h->id + 1;
	r = finish_by(h, how);
	if (r == 0 && how == 1) {
		n->dead = 1;
		board->deads++;
	} else if (r == 0 && job == ORDERED) {
		if (n->ordered)
			violation("ordered: message %u is acked twice", h->id);
		n->ordered = 1;
		raise_to(&board->ordered_done[h->d.message.partition], h->d.message.offset + 1);
	} else if (r == 0 && job == SHARED) {
		if (atomic_exchange(&n->acked, 1))
			violation("message %u is acked twice", h->id);
	}
	me->finishing = 0;
	board->acks += r == 0;
	board->settles += r == 0 && job <= TO_OUT;
	board->lates += r == SHMQ_LATE;
	if (r == 0 || r == SHMQ_LATE || (r == SHMQ_FULL && how == 1))
		hand_drop(i, r != 0);
	else if (job > TO_OUT || (r != SHMQ_TIMEOUT && r != SHMQ_INTERRUPTED))
		fatal(me->doing, r);
}

/* Given back, with or without a delay. */
static void give_back(unsigned i)
{
	unsigned kind = rng_below(rng, job == ORDERED ? 9 : 10); /* 9: long, and what follows it in its partition waits */
	int r;

	up(&board->notes[held[i].id].excused);
	if (kind < 4) {
		doing("shmq_group_release");
		r = shmq_group_release(group, &held[i].d);
	} else {
		doing("shmq_group_retry");
		r = shmq_group_retry(group, &held[i].d,
		                     kind < 7 ? 0 : kind < 9 ? (int64_t)rng_below(rng, 30) * 1000000 : 1100000000, NULL, NULL);
		board->retries++;
	}
	if (r != 0 && r != SHMQ_LATE)
		fatal(me->doing, r);
	hand_drop(i, false);
}

static void work(unsigned most)
{
	int r = in_hand < most ? take() : SHMQ_EMPTY;

	if (r != 0 && r != SHMQ_EMPTY && r != SHMQ_LATE)
		fatal("shmq_group_next", r);
	if (r == 0 && in_hand < most && rng_one_in(rng, 3))
		return;
	for (unsigned i = in_hand; i-- > 0;) {
		if (held[i].until_ms > now_ms())
			continue;
		if (rng_one_in(rng, 60) && job != AT_OUT && !board->stop_publishing)
			give_back(i);
		else
			finish(i);
		i = i > in_hand ? in_hand : i;
	}
	if (in_hand == 0 && r == SHMQ_EMPTY) {
		doing("shmq_group_wait");
		r = shmq_group_wait(&group, 1, 100000000);
		if (r < 0 || r == SHMQ_GONE)
			fatal("shmq_group_wait", r);
	} else if (in_hand > 0) {
		doing("shmq_group_renew");
		r = shmq_group_renew(group);
		board->lates += r == SHMQ_LATE;
		if (r == SHMQ_LATE)
			hand_drop_all();
		else if (r != 0)
			fatal("shmq_group_renew", r);
	}
}

void consumer_run(unsigned number, struct rng *r)
{
	unsigned most;

	me = &board->workers[PUBLISHERS + number];
	rng = r;
	job = jobs[number];
	if (number == 6 && rng_one_in(rng, 10))
		job = ORDERED; /* a standby, or one to share with */
	most = 1 + rng_below(rng, HAND_MAX);
	consumer_open();
	while (!board->stop_consuming) {
		work(most);
		if (rng_one_in(rng, 5000)) {
			consumer_close();
			consumer_open();
		}
	}
	consumer_close();
	_exit(0);
}

void worker_killed(struct worker *w)
{
	for (unsigned i = 0; i < HAND_MAX; i++) {
		if (w->hand[i] != 0)
			up(&board->notes[w->hand[i] - 1].excused);
		w->hand[i] = 0;
	}
	if (w->finishing != 0)
		board->notes[w->finishing - 1].doubtful = 1;
	w->finishing = 0;
}
