/* SPDX-License-Identifier: MIT */
/* consume.c - consumers of groups on disk: they ack, settle, give back, and wait now and then until it is durable. */
#include "disk.h"

#include <unistd.h>

#define UNSYNCED_MAX 8192u

static const enum job jobs[CONSUMERS] = {TO_OUT, TO_OUT, AT_OUT, SHARED, SHARED, ORDERED, ORDERED};
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

/* Done, and not durable as far as is known. */
static struct finished {
	uint32_t id;
	int partition;
	uint64_t offset;
} unsynced[UNSYNCED_MAX];
static unsigned unsynced_count;

static void hand_note(void)
{
	for (unsigned i = 0; i < HAND_MAX; i++)
		me->hand[i] = i < in_hand ? held[i].id + 1 : 0;
}

/* A delivery is over without an ack. */
static void hand_drop(unsigned i, bool excuse)
{
	if (excuse)
		up(&side_of(job, held[i].id)->excused);
	held[i] = held[--in_hand];
	hand_note();
}

static void hand_drop_all(void)
{
	while (in_hand > 0)
		hand_drop(in_hand - 1, true);
}

/* Everything that was done so far is durable; or it was waited for long enough. */
static void sync_group(int64_t wait_ns)
{
	int r;

	do {
		doing("shmq_group_sync");
		r = shmq_group_sync(group, wait_ns);
	} while (r == SHMQ_INTERRUPTED);
	if (r == SHMQ_TIMEOUT)
		board->sync_timeouts++;
	else if (r != 0)
		fatal("shmq_group_sync", r);
	if (r != 0)
		return;
	for (unsigned i = 0; i < unsynced_count; i++) {
		const struct finished *f = &unsynced[i];

		side_of(job, f->id)->durable = 1;
		if (job == ORDERED)
			raise_to(&board->ordered_durable[f->partition], f->offset + 1);
	}
	unsynced_count = 0;
	board->group_syncs++;
}

static void consumer_open(void)
{
	struct shmq_consume_options o = {.flags = SHMQ_CONSUME_NO_CREATE, .prefetch = 1 + rng_below(rng, 60)};
	struct shmq_pub_options po = {.flags = SHMQ_PUB_NO_CREATE};
	int r;

	if (job == TO_OUT) { /* both are there */
		broker_open(OUT);
		shmq_close(q);
	}
	broker_open(group_topics[job]);
	if (job == ORDERED && board->pipelined)
		o.flags |= SHMQ_CONSUME_PIPELINED;
	doing("shmq_group_open");
	r = shmq_group_open(q, topic_names[group_topics[job]], group_names[job], &o, &group, NULL);
	if (r != 0)
		fatal("shmq_group_open", r);
	if (job != TO_OUT)
		return;
	doing("shmq_pub_open");
	r = shmq_pub_open(q, topic_names[OUT], &po, &target, NULL);
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
	unsynced_count = 0;
	doing("shmq_close");
	shmq_close(q);
	q = NULL;
}

/* A later one than was expected: nobody may stand between (judge.c), unless it is the next one. */
static void jump_note(const struct shmq_message *m, uint64_t seen)
{
	uint32_t n;

	if (m->offset == seen)
		return;
	n = board->jump_count++;
	if (n < JUMPS)
		board->jumps[n] = (struct jump){(uint32_t)m->partition, seen, m->offset};
}

/* `quick`: nobody can have taken it from us since. */
static void delivery_check(const struct shmq_message *m, uint32_t id, bool quick, bool done, bool durable)
{
	uint64_t seen, before;

	if (job != ORDERED) {
		up(&side_of(job, id)->delivered);
		if ((done || durable) && quick)
			violation("%s: message %u (%llu.%d) was %s, and comes again", group_names[job], id,
			          (unsigned long long)m->offset, m->partition, durable ? "done, durable" : "done in this life");
		return;
	}
	before = board->ordered_done[m->partition];
	seen = board->ordered_seen[m->partition];
	if (m->offset < before && quick && !board->pipelined)
		violation("ordered: %llu.%d comes when everything before %llu is done", (unsigned long long)m->offset,
		          m->partition, (unsigned long long)before);
	if (durable && quick)
		violation("ordered: message %u (%llu.%d) was done, durable, and comes again", id, (unsigned long long)m->offset,
		          m->partition);
	if (m->offset > seen && quick)
		jump_note(m, seen);
	raise_to(&board->ordered_seen[m->partition], m->offset + 1);
}

/* 0: one more in hand. */
static int take(void)
{
	struct held *h = &held[in_hand];
	uint64_t begun = now_ms();
	bool done, durable;
	int r;

	doing("shmq_group_next");
	r = shmq_group_next(group, &h->d);
	if (r == SHMQ_LATE) {
		board->lates++;
		hand_drop_all();
	}
	if (r != 0)
		return r;
	h->id = message_check(group_topics[job], &h->d.message);
	h->until_ms = board->stop_publishing       ? 0
	              : rng_one_in(rng, 10000)     ? begun + 1500
	              : rng_one_in(rng, 100) ? begun + rng_below(rng, 50)
	                                     : 0;
	in_hand++;
	hand_note();
	board->deliveries++;
	board->redeliveries += h->d.attempt > 1;
	done = side_of(job, h->id)->done != 0;
	durable = side_of(job, h->id)->durable;
	delivery_check(&h->d.message, h->id, now_ms() - begun < (uint64_t)lease_ns / 1000000 / 4, done, durable);
	if (h->d.attempt > 200)
		violation("message %u: attempt %u", h->id, h->d.attempt);
	return 0;
}

static int finish_by(const struct held *h, bool dead)
{
	static char body[BODY_MAX];
	struct shmq_message m = {.value = body, .partition = -1};

	if (job == TO_OUT) {
		m.value_len = message_make(body, h->id);
		doing("shmq_group_settle");
		return shmq_group_settle(group, &h->d, target, &m, 1, rng_one_in(rng, 2) ? 20000000 : 2000000000);
	}
	if (dead) {
		doing("shmq_group_dead");
		return shmq_group_dead(group, &h->d, NULL);
	}
	doing("shmq_group_ack");
	return shmq_group_ack(group, &h->d);
}

static void finished_note(const struct held *h, bool dead)
{
	struct side *s = side_of(job, h->id);
	uint8_t life = (uint8_t)(board->life + 1);

	s->ever = 1;
	if (dead) {
		board->notes[h->id].dead_ever = 1;
		board->notes[h->id].dead = life;
		board->deads++;
	}
	if (atomic_exchange(&s->done, life) != 0)
		violation("%s: message %u is done twice", group_names[job], h->id);
	if (job == ORDERED)
		raise_to(&board->ordered_done[h->d.message.partition], h->d.message.offset + 1);
	if (unsynced_count < UNSYNCED_MAX)
		unsynced[unsynced_count++] =
		        (struct finished){h->id, h->d.message.partition, h->d.message.offset};
}

/* Ack, settle or death of what is held: recorded when it is known. */
static void finish(unsigned i)
{
	struct held *h = &held[i];
	bool dead = job == SHARED && rng_one_in(rng, 500);
	int r;

	me->finishing = h->id + 1;
	r = finish_by(h, dead);
	if (r == 0)
		finished_note(h, dead);
	me->finishing = 0;
	board->acks += r == 0;
	board->settles += r == 0 && job == TO_OUT;
	board->lates += r == SHMQ_LATE;
	if (r == 0 || r == SHMQ_LATE || (r == SHMQ_FULL && dead))
		hand_drop(i, r != 0);
	else if (job != TO_OUT || (r != SHMQ_TIMEOUT && r != SHMQ_INTERRUPTED))
		fatal(me->doing, r);
}

/* Given back, with or without a delay. */
static void give_back(unsigned i)
{
	unsigned kind = rng_below(rng, job == ORDERED ? 9 : 10); /* 9: long, and what follows it in its partition waits */
	int r;

	up(&side_of(job, held[i].id)->excused);
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

static void finish_some(void)
{
	for (unsigned i = in_hand; i-- > 0;) {
		if (held[i].until_ms > now_ms())
			continue;
		if (rng_one_in(rng, 60) && job != AT_OUT && !board->stop_publishing)
			give_back(i);
		else
			finish(i);
		i = i > in_hand ? in_hand : i;
	}
}

static void renew(void)
{
	int r;

	doing("shmq_group_renew");
	r = shmq_group_renew(group);
	board->lates += r == SHMQ_LATE;
	if (r == SHMQ_LATE)
		hand_drop_all();
	else if (r != 0)
		fatal("shmq_group_renew", r);
}

static void work(unsigned most)
{
	int r = in_hand < most ? take() : SHMQ_EMPTY;

	if (r != 0 && r != SHMQ_EMPTY && r != SHMQ_LATE)
		fatal("shmq_group_next", r);
	if (r == 0 && in_hand < most && rng_one_in(rng, 3))
		return;
	finish_some();
	if (in_hand == 0 && r == SHMQ_EMPTY) {
		doing("shmq_group_wait");
		r = shmq_group_wait(&group, 1, 100000000);
		if (r < 0 || r == SHMQ_GONE)
			fatal("shmq_group_wait", r);
	} else if (in_hand > 0) {
		renew();
	}
}

void consumer_run(unsigned number, struct rng *r)
{
	unsigned most, syncs;

	me = &board->workers[PUBLISHERS + number];
	rng = r;
	job = me->job = jobs[number];
	most = 1 + rng_below(rng, HAND_MAX);
	syncs = rng_one_in(rng, 3) ? 20 : 400;
	consumer_open();
	while (!board->stop_consuming) {
		work(most);
		if (rng_one_in(rng, syncs) && unsynced_count > 0)
			sync_group(rng_one_in(rng, 3) ? 5000000 : lease_ns / 3);
		if (rng_one_in(rng, 5000)) {
			consumer_close();
			consumer_open();
		}
		if (rng_one_in(rng, 2000) && !board->stop_publishing)
			usleep(rng_below(rng, 400000)); /* falls behind: what it is to get has left memory */
	}
	sync_group(SHMQ_FOREVER);
	consumer_close();
	_exit(0);
}
