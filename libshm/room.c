/* SPDX-License-Identifier: MIT */
/*
 * room.c - what a publisher does when its topic is full: the only place where a live participant
 * waits for another one, because a user asked for it; and it says for whom.
 *
 * An ephemeral subscriber that stands at one gate position for OVERRUN_NS while somebody waits is
 * overrun; one that has not finished attaching in that time is sent back to start again; a dead one
 * is buried at once. HOLD subscribers and the virgin reader are waited for.
 */
#include "clock.h"
#include "publish.h"

#include <stdio.h>

#define OVERRUN_NS 1000000000u
#define TELL_NS    1000000000u
#define NAP_NS     50000000 /* between two looks at the holder; the room bell ends it early */

static void describe(struct shmq_pub *p, const struct holder *h, char *text, size_t bytes)
{
	struct session_file s;
	uint64_t id = reader_session(&p->topic.readers, h->word);

	if (h->word == 0)
		snprintf(text, bytes, "other publishers, who hold all of its memory");
	else if (reader_word_state(h->word) == READER_VIRGIN)
		snprintf(text, bytes, "its first subscriber: nobody has read it yet");
	else if (id != 0 && session_describe(&p->q->place, id, &s))
		snprintf(text, bytes, "subscriber %s (pid %u)", s.program, s.pid);
	else
		snprintf(text, bytes, "a subscriber");
}

static void tell(struct shmq_pub *p, const struct lane *l, const struct holder *h)
{
	char whom[128], sentence[1024];

	if (p->q->notice == NULL)
		return;
	describe(p, h, whom, sizeof whom);
	snprintf(sentence, sizeof sentence, "topic %s partition %u in %.400s is full; waiting for %s",
	         p->topic.name, l->log.partition, p->q->dir, whom);
	p->q->notice(p->q->context, sentence);
}

static bool holder_moved(const struct holder *a, const struct holder *b)
{
	return a->index != b->index || a->word != b->word || a->gate != b->gate;
}

static int nap(struct shmq_pub *p, struct lane *l, const struct holder *h, uint64_t until_ns,
               uint64_t now_ns)
{
	atomic_u32 *bell = &p->topic.bell->room;
	uint32_t seen = bell_read(bell);
	struct ground g = {.log = &l->log, .readers = &p->topic.readers, .place = &p->q->place};
	uint64_t end = l->tail.position, head = ring_head(&l->log, end);
	struct holder now;
	int64_t ns = NAP_NS;

	if (until_ns != 0 && until_ns - now_ns < (uint64_t)ns)
		ns = (int64_t)(until_ns - now_ns);
	if (!bell_arm(bell, &seen))
		return 0;
	/* Again: a gate raised before the bell was armed rang nobody. */
	readers_floor(g.readers, l->log.partition, head, end == 0 ? 0 : end - 1, &now);
	if (now.word != h->word || now.gate != h->gate)
		return 0;
	return bell_sleep(&bell, &seen, 1, ns);
}

int pub_wait(struct shmq_pub *p, struct lane *l, struct wait *w, const struct holder *holder,
             uint64_t drop_to)
{
	enum shmq_full full = p->topic.options.full;
	const struct readers *rs = &p->topic.readers;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	int r;

	if (holder->word != 0 && reader_bury(rs, holder))
		return 0;
	if (l->tail.position > 0 && drop_to > l->tail.position - 1)
		drop_to = l->tail.position - 1; /* the newest frame stays */
	if (full == SHMQ_FULL_DROP_OLD && l->tail.position > 0 &&
	    drop_to > ring_head(&l->log, l->tail.position)) {
		struct ground g = {.log = &l->log, .readers = rs, .place = &p->q->place};

		ground_force(&g, drop_to);
		return 0;
	}
	if (full == SHMQ_FULL_REJECT || (p->flags & SHMQ_PUB_NO_WAIT)) {
		fail(&p->q->error, SHMQ_FULL, "topic %s is full", p->topic.name);
		return SHMQ_FULL;
	}
	if (w->start_ns == 0) {
		*w = (struct wait){.start_ns = now, .seen_ns = now, .holder = *holder};
		if (p->wait_ns != SHMQ_FOREVER)
			w->deadline_ns = now + (uint64_t)p->wait_ns;
		counter_add(&p->q->counters->publisher_blocks, 1);
	}
	if (w->deadline_ns != 0 && now >= w->deadline_ns) {
		char whom[128];

		describe(p, holder, whom, sizeof whom);
		fail(&p->q->error, SHMQ_TIMEOUT, "topic %s is full; waited for %s", p->topic.name, whom);
		return SHMQ_TIMEOUT;
	}
	if (holder_moved(&w->holder, holder)) {
		w->holder = *holder;
		w->seen_ns = now;
	} else if (holder->word != 0 && now - w->seen_ns >= OVERRUN_NS &&
	           reader_push_aside(rs, holder, l->log.partition)) {
		return 0;
	}
	if (!w->told && now - w->start_ns >= TELL_NS) {
		w->told = true;
		tell(p, l, holder);
	}
	r = nap(p, l, holder, w->deadline_ns, now);
	return r != 0 ? r : topic_check_linked(&p->topic);
}
