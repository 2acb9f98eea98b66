/* SPDX-License-Identifier: MIT */
/*
 * room.c - what a publisher does when its topic is full: the only place where a live participant
 * waits for another one, because a user asked for it; and it says for whom.
 *
 * An ephemeral subscriber that stands at one gate position for OVERRUN_NS while publishers find the log
 * full is overrun; one that has not finished attaching in that time is sent back to start again; a dead one
 * is buried at once. HOLD subscribers, the virgin reader and groups are waited for; a group that nobody has used for
 * as long as its options say is deleted.
 */
#include "clock.h"
#include "group_name.h"
#include "publish.h"

#include <stdio.h>
#include <stdlib.h>

#define OVERRUN_NS 1000000000u
#define TELL_NS    1000000000u
#define NAP_NS     50000000 /* between two looks at the holder; the room bell ends it early */

/* Memory is held by what is not in the store yet. */
static bool behind_disk(struct shmq_pub *p, const struct pub_lane *l)
{
	struct durable d = topic_durable(&p->topic, l->log.partition);
	struct error e;

	return durable_is(&d) && durable_position(&d) < log_newest(&l->log, l->tail.position) &&
	       daemon_open(&e, &p->q->daemon) == 0;
}

static void describe(struct shmq_pub *p, const struct pub_lane *l, const struct holder *h, char *text, size_t bytes)
{
	struct session_file s;
	uint64_t id = reader_session(&p->topic.readers, h->word);

	if (h->word == 0 && behind_disk(p, l))
		daemon_describe(&p->q->daemon, text, bytes);
	else if (h->word == 0)
		snprintf(text, bytes, "other publishers, who hold all of its memory");
	else if (reader_word_state(h->word) == READER_VIRGIN)
		snprintf(text, bytes, "its first subscriber: nobody has read it yet");
	else if (reader_word_state(h->word) == READER_GROUP)
		group_describe(&p->topic, h->index, h->word, text, bytes);
	else if (id != 0 && session_describe(&p->q->place, id, &s))
		snprintf(text, bytes, "subscriber %s (pid %u)", s.program, s.pid);
	else
		snprintf(text, bytes, "a subscriber");
}

static void tell(struct shmq_pub *p, const struct pub_lane *l, const struct holder *h)
{
	char whom[800], sentence[1600];

	if (p->q->notice == NULL)
		return;
	describe(p, l, h, whom, sizeof whom);
	snprintf(sentence, sizeof sentence, "topic %s partition %u in %.400s is full; waiting for %s",
	         p->topic.name, l->log.partition, p->q->dir, whom);
	p->q->notice(p->q->context, sentence);
}

static int nap(struct shmq_pub *p, struct pub_lane *l, const struct holder *h, uint64_t until_ns,
               uint64_t now_ns)
{
	atomic_u32 *bell = &p->topic.bell->room;
	uint32_t seen = bell_read(bell);
	struct ground g = {.log = &l->log, .readers = &p->topic.readers, .place = &p->q->place};
	uint64_t end = l->tail.position, head = ring_head(&l->log, end);
	struct durable d = topic_durable(&p->topic, l->log.partition);
	struct holder now;
	int64_t ns = NAP_NS;

	if (until_ns != 0 && until_ns - now_ns < (uint64_t)ns)
		ns = (int64_t)(until_ns - now_ns);
	if (!bell_arm(bell, &seen))
		return 0;
	/* Again: what became durable, or a gate raised, before the bell was armed rang nobody. */
	if (durable_is(&d)) {
		topic_mark_linked(&p->topic); /* for who linked, and died before it could */
		return durable_position(&d) > head ? 0 : bell_sleep(&bell, &seen, 1, ns);
	}
	readers_floor(g.readers, l->log.partition, head, log_newest(&l->log, end), &now);
	if (now.word != h->word || now.gate != h->gate)
		return 0;
	return bell_sleep(&bell, &seen, 1, ns);
}

/* Drop-old: what stands below `to` goes, but the newest frame. True when something went. */
static bool drop_old(struct shmq_pub *p, struct pub_lane *l, uint64_t to)
{
	struct ground g = {.log = &l->log, .readers = &p->topic.readers, .place = &p->q->place};
	uint64_t end = l->tail.position;

	if (end == l->log.base.position)
		return false;
	if (to > end - 1)
		to = end - 1;
	if (to <= ring_head(&l->log, end))
		return false;
	ground_force(&g, to);
	return true;
}

static int timed_out(struct shmq_pub *p, const struct pub_lane *l, const struct holder *holder)
{
	char whom[800];

	describe(p, l, holder, whom, sizeof whom);
	fail(&p->q->error, SHMQ_TIMEOUT, "topic %.200s is full; waited for %.700s", p->topic.name, whom);
	return SHMQ_TIMEOUT;
}

static int refused(struct shmq_pub *p)
{
	int r = topic_check_linked(&p->topic);

	if (r != 0)
		return r;
	fail(&p->q->error, SHMQ_FULL, "topic %s is full", p->topic.name);
	return SHMQ_FULL;
}

/* Whoever stands in the way for no good reason does so no more: true. */
static bool made_way(struct shmq_pub *p, struct pub_lane *l, const struct holder *holder,
                     uint64_t drop_to, uint64_t now)
{
	const struct readers *rs = &p->topic.readers;
	unsigned partition = l->log.partition;

	if (holder->word != 0 && reader_bury(rs, holder))
		return true;
	if (p->topic.options.full == SHMQ_FULL_DROP_OLD && drop_old(p, l, drop_to))
		return true;
	if (holder->word == 0 || !reader_stands(rs, holder, partition, now, OVERRUN_NS))
		return false;
	if (reader_push_aside(rs, holder, partition))
		return true;
	if (now - l->wait.expired_ns < OVERRUN_NS) /* it opens files, and tests who is alive */
		return false;
	l->wait.expired_ns = now;
	return group_expire(&p->topic, holder->index, holder->word);
}

static void wait_begin(struct shmq_pub *p, struct pub_lane *l, uint64_t now)
{
	struct wait *w = &l->wait;

	*w = (struct wait){.start_ns = now, .looked_ns = now, .expired_ns = w->expired_ns, .seen = w->seen};
	if (p->wait_ns != SHMQ_FOREVER)
		w->deadline_ns = now + (uint64_t)p->wait_ns;
	if (w->seen == NULL)
		w->seen = calloc(READERS, sizeof *w->seen);
	if (w->seen != NULL)
		readers_note(&p->topic.readers, l->log.partition, w->seen);
	counter_add(&p->q->counters->publisher_blocks, 1);
}

/* Once we have watched for OVERRUN_NS, all that stand as they stood when the wait began go at once: the
 * watch word knows only the one that is farthest behind, and many would take a second each. */
static bool still_go(struct shmq_pub *p, struct pub_lane *l, uint64_t now)
{
	struct wait *w = &l->wait;
	uint64_t since = now - w->looked_ns, newest = log_newest(&l->log, l->tail.position);
	bool gone;

	w->looked_ns = now;
	w->watched_ns += since < 2 * NAP_NS ? since : 2 * NAP_NS; /* as for the watch word: layout.h */
	if (w->seen == NULL || w->watched_ns < OVERRUN_NS)
		return false;
	gone = readers_push_still(&p->topic.readers, l->log.partition, newest, w->seen) > 0;
	w->watched_ns = 0;
	readers_note(&p->topic.readers, l->log.partition, w->seen);
	return gone;
}

int pub_wait(struct shmq_pub *p, struct pub_lane *l, const struct holder *holder, uint64_t drop_to)
{
	uint64_t now = clock_ns(CLOCK_BOOTTIME);
	struct wait *w = &l->wait;
	int r;

	if (made_way(p, l, holder, drop_to, now))
		return 0;
	if (p->topic.options.full == SHMQ_FULL_REJECT || (p->flags & SHMQ_PUB_NO_WAIT))
		return refused(p);
	if (w->start_ns == 0)
		wait_begin(p, l, now);
	else if (still_go(p, l, now))
		return 0;
	if (w->deadline_ns != 0 && now >= w->deadline_ns)
		return timed_out(p, l, holder);
	if (!w->told && now - w->start_ns >= TELL_NS) {
		w->told = true;
		tell(p, l, holder);
	}
	r = p->keep != NULL ? p->keep(p->keep_context) : 0;
	if (r != 0)
		return r;
	r = nap(p, l, holder, w->deadline_ns, now);
	return r != 0 ? r : topic_check_linked(&p->topic);
}
