/* SPDX-License-Identifier: MIT */
/*
 * worker.c - threads that consume and settle: tasks are acked, or settled into another topic, given back, buried and
 * dug up again. What they are told is written down: each task ends once, in one way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "threads.h"

#define TASKS_MAX (1u << 20)
#define HAND      6u

static struct task {
	_Atomic uint8_t ended; /* acked or settled: how often */
	_Atomic uint8_t settled;
	_Atomic uint64_t place; /* where its output stands, + 1 */
} tasks[TASKS_MAX];
static _Atomic uint32_t fed, ended, came;
static atomic_bool fed_all;
_Atomic uint64_t tasks_acked, tasks_settled, tasks_again, tasks_late, tasks_dug_up;

static const struct shmq_group_options work_options = {
        .retries = 3, .lease_ns = 100000000, .backoff_ns = 1000000, .backoff_max_ns = 2000000, .window = 64,
        .returns_rows = 64, .returns_bytes = 1u << 20};

static void expect(struct thread *t, int result, int or)
{
	if (result != 0 && result != or)
		wrong(t, "%s: %d, %s", t->call, result, shmq_error(t->q));
}

/* ---- who feeds ------------------------------------------------------------------------ */

void feeder_run(struct thread *t)
{
	char key[8], text[200];
	shmq_pub *p;

	broker_again(t);
	expect(t, LIB(t, shmq_pub_open, t->q, topic_names[TASKS], NULL, &p, NULL), 0);
	memset(text, 'x', sizeof text);
	while (!stop && fed < TASKS_MAX - 64) {
		for (unsigned n = 1 + rng_below(&t->rng, 30); n > 0; n--) {
			struct shmq_message m = {.value = text, .partition = -1};
			int used = snprintf(text, 16, "%u", fed);

			text[used] = ' ';
			m.value_len = (size_t)used + rng_below(&t->rng, 100);
			if (rng_one_in(&t->rng, 2)) {
				m.key = key;
				m.key_len = (size_t)snprintf(key, sizeof key, "k%u", fed % 9);
			}
			expect(t, LIB(t, shmq_pub_send, p, &m), 0);
			fed++;
		}
		expect(t, LIB(t, shmq_pub_flush, p), 0);
	}
	t->call = "shmq_pub_close";
	shmq_pub_close(p);
	fed_all = true;
}

static bool tasks_done(void)
{
	return fed_all && ended == fed;
}

/* ---- who works ------------------------------------------------------------------------ */

struct worker {
	struct thread *t;
	shmq_group *g;
	shmq_pub *p;
	struct shmq_delivery held[HAND];
	unsigned in_hand;
};

static uint32_t task_of(struct thread *t, const struct shmq_message *m)
{
	char text[16] = "";
	unsigned long id;

	memcpy(text, m->value, m->value_len < 15 ? m->value_len : 15);
	id = strtoul(text, NULL, 10);
	if (id >= fed && !(id < fed + 64)) /* fed counts up behind the send */
		wrong(t, "task %lu was never fed", id);
	return (uint32_t)id;
}

static void settle(struct worker *w, struct shmq_delivery *d, uint32_t id, bool into)
{
	char text[16];
	struct shmq_message m[2] = {{.value = text, .partition = -1}, {.value = "-", .value_len = 1, .partition = -1}};
	int r;

	m[0].value_len = (size_t)snprintf(text, sizeof text, "%u", id);
	if (into)
		r = LIB(w->t, shmq_group_settle, w->g, d, w->p, m, 1 + rng_below(&w->t->rng, 2), 500000000);
	else
		r = LIB(w->t, shmq_group_ack, w->g, d);
	if (r == SHMQ_TIMEOUT)
		r = LIB(w->t, shmq_group_release, w->g, d);
	else if (r == 0) {
		if (tasks[id].ended++ > 0)
			wrong(w->t, "task %u ends twice", id);
		tasks[id].settled = into;
		tasks_settled += into;
		tasks_acked += !into;
		ended++;
	}
	expect(w->t, r, SHMQ_LATE);
	tasks_late += r == SHMQ_LATE;
}

static void finish(struct worker *w, struct shmq_delivery *d, uint32_t id)
{
	struct thread *t = w->t;
	struct shmq_failure why = {SHMQ_REASON_MAX_DELIVER, 1, "why", 3};

	switch (rng_below(&t->rng, 16)) {
	case 0:
		expect(t, LIB(t, shmq_group_release, w->g, d), SHMQ_LATE);
		break;
	case 1:
		expect(t, LIB(t, shmq_group_retry, w->g, d, rng_one_in(&t->rng, 20) ? 1100000000 : SHMQ_BACKOFF, &why, NULL),
		       SHMQ_LATE);
		break;
	case 2:
		if (LIB(t, shmq_group_dead, w->g, d, &why) != SHMQ_FULL)
			expect(t, 0, SHMQ_LATE);
		break;
	default:
		settle(w, d, id, rng_one_in(&t->rng, 2));
	}
}

static void worker_open(struct worker *w)
{
	struct shmq_consume_options o = {.options = &work_options, .prefetch = 1 + rng_below(&w->t->rng, 20)};

	broker_again(w->t);
	expect(w->t, LIB(w->t, shmq_group_open, w->t->q, topic_names[TASKS], "work", &o, &w->g, NULL), 0);
	expect(w->t, LIB(w->t, shmq_pub_open, w->t->q, topic_names[DONE], NULL, &w->p, NULL), 0);
}

static void worker_close(struct worker *w)
{
	w->t->call = "shmq_group_close";
	shmq_group_close(w->g);
	w->t->call = "shmq_pub_close";
	shmq_pub_close(w->p);
	w->in_hand = 0;
}

void worker_run(struct thread *t)
{
	struct worker w = {.t = t};
	uint32_t ids[HAND];

	worker_open(&w);
	while (!tasks_done()) {
		struct shmq_delivery *d = &w.held[w.in_hand];
		int r = LIB(t, shmq_group_next, w.g, d);

		if (r == 0) {
			ids[w.in_hand++] = task_of(t, &d->message);
			tasks_again += d->attempt > 1;
			if (w.in_hand < HAND && rng_one_in(&t->rng, 2))
				continue;
		} else if (r == SHMQ_LATE) {
			w.in_hand = 0;
		} else if (r != SHMQ_EMPTY) {
			wrong(t, "shmq_group_next: %d, %s", r, shmq_error(t->q));
		}
		while (w.in_hand > 0) {
			w.in_hand--;
			finish(&w, &w.held[w.in_hand], ids[w.in_hand]);
		}
		if (r == SHMQ_EMPTY) {
			r = LIB(t, shmq_group_wait, &w.g, 1, 5000000);
			expect(t, r, SHMQ_TIMEOUT);
		}
		if (rng_one_in(&t->rng, 500)) {
			worker_close(&w);
			worker_open(&w);
		}
	}
	worker_close(&w);
}

/* ---- dead letters --------------------------------------------------------------------- */

void digger_run(struct thread *t)
{
	while (!tasks_done()) {
		struct shmq_dead_letter l;
		shmq_dlq *d;
		int r;

		broker_again(t);
		r = LIB(t, shmq_dlq_open, t->q, topic_names[TASKS], "work", &d);
		if (r == SHMQ_ENOENT)
			continue; /* not made yet */
		expect(t, r, 0);
		while ((r = LIB(t, shmq_dlq_next, d, &l)) == 0) {
			struct shmq_message m = l.message;

			m.partition = -1;
			task_of(t, &m);
			if (rng_one_in(&t->rng, 4)) { /* the same once more */
				r = LIB(t, shmq_dlq_replace, d, &l, &m);
				if (r != SHMQ_FULL)
					expect(t, r, SHMQ_LATE);
				continue;
			}
			r = LIB(t, shmq_dlq_requeue, d, &l, rng_below(&t->rng, 20000000));
			expect(t, r, SHMQ_LATE);
			tasks_dug_up += r == 0;
		}
		expect(t, r, SHMQ_END);
		t->call = "shmq_dlq_close";
		shmq_dlq_close(d);
		pause_some(t, 10);
	}
}

/* ---- what comes out ------------------------------------------------------------------- */

/* Outputs, each in one place. */
void checker_run(struct thread *t)
{
	struct shmq_delivery d;
	shmq_group *g;

	broker_again(t);
	expect(t, LIB(t, shmq_group_open, t->q, topic_names[DONE], "check", NULL, &g, NULL), 0);
	while (!tasks_done() || came < tasks_settled) {
		uint64_t place, was = 0;
		uint32_t id;
		int r = LIB(t, shmq_group_next, g, &d);

		if (r == SHMQ_EMPTY) {
			expect(t, LIB(t, shmq_group_wait, &g, 1, 5000000), SHMQ_TIMEOUT);
			continue;
		}
		expect(t, r, 0);
		if (memcmp(d.message.value, "-", 1) != 0) {
			id = task_of(t, &d.message);
			place = d.message.offset * PARTITIONS + (uint64_t)d.message.partition + 1;
			if (!atomic_compare_exchange_strong(&tasks[id].place, &was, place))
				wrong(t, "task %u has two outputs: at %llu and %llu", id, (unsigned long long)was,
				      (unsigned long long)place);
			came++;
		}
		expect(t, LIB(t, shmq_group_ack, g, &d), 0);
	}
	for (uint32_t i = 0; i < fed; i++)
		if (tasks[i].ended != 1 || (tasks[i].place != 0) != (tasks[i].settled != 0))
			wrong(t, "task %u: ended %u times, %ssettled, its output at %llu", i, tasks[i].ended,
			      tasks[i].settled ? "" : "not ", (unsigned long long)tasks[i].place);
	t->call = "shmq_group_close";
	shmq_group_close(g);
}
