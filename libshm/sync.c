/* SPDX-License-Identifier: MIT */
/* sync.c - waiting until what was published, or acked, is on disk; and saying for whom one waits. */
#include "sync.h"

#include "clock.h"

#include <stdio.h>

#define LOOK_NS 20000000u   /* then it is looked whether mqd runs at all */
#define TELL_NS 1000000000u /* and then it is told that it takes long */

static void tell(struct sync_wait *w)
{
	char whom[1024], sentence[1400];
	bool at_once = daemon_describe(&w->topic->q->daemon, whom, sizeof whom);
	shmq *q = w->topic->q;

	if (w->told || q->notice == NULL || (!at_once && clock_ns(CLOCK_BOOTTIME) - w->start_ns < TELL_NS))
		return;
	w->told = true;
	snprintf(sentence, sizeof sentence, "topic %s in %.300s: waiting for %.800s", w->topic->name, q->dir, whom);
	q->notice(q->context, sentence);
}

static int timed_out(struct sync_wait *w)
{
	char whom[1024];

	daemon_describe(&w->topic->q->daemon, whom, sizeof whom);
	fail(&w->topic->q->error, SHMQ_TIMEOUT, "topic %.200s: not on disk yet; waited for %.700s", w->topic->name, whom);
	return SHMQ_TIMEOUT;
}

/* The state of mqd, once waiting takes longer than a disk does. 0, or why waiting is of no use. */
static int look(struct sync_wait *w)
{
	shmq *q = w->topic->q;
	int r = topic_check_linked(w->topic);
	char whom[1024];

	if (r != 0)
		return r;
	r = daemon_open(&q->error, &q->daemon);
	if (r < 0)
		return r;
	if (load_acquire(&q->daemon.file->state) == DAEMON_FAILED && daemon_runs(&q->daemon)) { /* stored:written */
		daemon_describe(&q->daemon, whom, sizeof whom);
		return fail(&q->error, SHMQ_EDAEMON, "topic %.200s: not on disk: %.700s", w->topic->name, whom);
	}
	tell(w);
	return 0;
}

int sync_for(struct sync_wait *w)
{
	struct broker_file *b = w->topic->q->broker;
	atomic_u32 *bell = &b->durable;
	uint64_t now;
	int r;

	w->mark(w);
	if (w->done(w))
		return 0;
	if (w->start_ns == 0) {
		w->start_ns = clock_ns(CLOCK_BOOTTIME);
		w->told = false;
	}
	for (now = w->start_ns;;) {
		uint32_t seen = bell_read(bell);
		uint64_t nap = now - w->start_ns < LOOK_NS ? LOOK_NS : TELL_NS;

		if (w->wait_ns != SHMQ_FOREVER && now - w->start_ns >= (uint64_t)w->wait_ns)
			return timed_out(w);
		if (w->wait_ns != SHMQ_FOREVER && (uint64_t)w->wait_ns - (now - w->start_ns) < nap)
			nap = (uint64_t)w->wait_ns - (now - w->start_ns);
		if (!bell_arm(bell, &seen))
			continue;
		if (w->done(w)) /* sleep pairs tell */
			return 0;
		r = bell_sleep(&bell, &seen, 1, (int64_t)nap);
		if (w->done(w))
			return 0;
		if (r != 0)
			return r;
		now = clock_ns(CLOCK_BOOTTIME);
		if (now - w->start_ns < LOOK_NS)
			continue;
		r = look(w);
		if (r != 0)
			return r;
		w->mark(w); /* also for who linked, and died before it could; and for an mqd that came since */
	}
}

/* ---- publishers --------------------------------------------------------------------- */

static bool lanes_durable(struct sync_wait *w)
{
	const struct shmq_pub *p = w->context;

	for (unsigned i = 0; i < p->topic.options.partitions; i++) {
		struct durable d = topic_durable(&p->topic, i);

		if (p->lanes[i].linked_to > durable_position(&d))
			return false;
	}
	return true;
}

static void mark_linked(struct sync_wait *w)
{
	topic_mark_linked(w->topic);
}

int shmq_pub_sync(shmq_pub *p)
{
	struct sync_wait *w = &p->sync;
	int r = shmq_pub_flush(p);

	if (r != 0)
		return r;
	if (!topic_on_disk(&p->topic))
		return fail(&p->q->error, SHMQ_EINVAL, "topic %s is in memory: nothing of it is ever on disk", p->topic.name);
	w->topic = &p->topic;
	w->context = p;
	w->done = lanes_durable;
	w->mark = mark_linked;
	w->wait_ns = p->wait_ns;
	r = sync_for(w);
	if (r != SHMQ_INTERRUPTED)
		w->start_ns = 0;
	return r;
}

bool shmq_pub_on_disk(const shmq_pub *p)
{
	return topic_on_disk(&p->topic);
}
