/* SPDX-License-Identifier: MIT */
/* group_sync.c - waiting until what a group has done is on disk. */
#include "group.h"
#include "sync.h"

/* mqd looks in rounds: what was done before one began is durable with it. */
static bool round_durable(struct sync_wait *w)
{
	const struct daemon *d = &w->topic->q->daemon;

	return d->file != NULL && load_seq(&d->file->rounds_durable) >= w->round; /* stored pairs written */
}

static void mark_acked(struct sync_wait *w)
{
	struct broker_file *b = w->topic->q->broker;

	topic_mark_acked(w->topic);
	cas_max(&b->round_wanted, w->round);
	bell_ring(&b->work); /* tell:sleep, behind the CAS */
}

int shmq_group_sync(shmq_group *c, int64_t wait_ns)
{
	shmq *q = c->g.q;
	struct sync_wait *w = &c->sync;
	int r = q->forked ? broker_check(q, true) : 0;

	if (r == 0 && !topic_on_disk(&c->g.topic))
		r = fail(&q->error, SHMQ_EINVAL, "topic %s is in memory: nothing of it is ever on disk", c->g.topic.name);
	if (r == 0)
		r = daemon_open(&q->error, &q->daemon);
	if (r < 0)
		return r;
	if (w->start_ns == 0) {
		topic_mark_acked(&c->g.topic); /* before the round is chosen: one that begins behind this looks at it */
		fence_seq();
		w->round = load_seq(&q->daemon.file->rounds_begun) + 1; /* stored pairs written */
	}
	w->topic = &c->g.topic;
	w->context = c;
	w->done = round_durable;
	w->mark = mark_acked;
	w->wait_ns = wait_ns;
	r = sync_for(w);
	if (r != SHMQ_INTERRUPTED)
		w->start_ns = 0;
	return r;
}

bool shmq_group_on_disk(const shmq_group *c)
{
	return topic_on_disk(&c->g.topic);
}
