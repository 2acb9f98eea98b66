/* SPDX-License-Identifier: MIT */
/*
 * publish.c - messages into frames, frames into the log.
 *
 * A frame is built in an extent that the publisher owns, where nobody looks, and becomes visible by
 * the one CAS in ring_link(). What a death leaves: before the CAS nothing but an OWNED extent, which is
 * recognised as a dead session's by whoever needs it; after it, a message.
 */
#include "publish.h"

#include "bulk.h"
#include "clock.h"

#include <stdlib.h>
#include <string.h>

/* A frame is linked when it has grown to this: large enough that linking costs little, small enough
 * that the reader finds it in the cache. */
#define FRAME_TARGET (32u << 10)

#define PREFETCH_LINES 16u /* ahead of the next frame: five small ones, 0.3 us */

#define STAMP_TICKS 2000u /* of the time stamp counter: frames are stamped to about a microsecond */

/* Reading the clock costs 20 ns and the counter 8: a frame per message would notice. */
uint64_t pub_now(struct shmq_pub *p)
{
#if defined(__x86_64__)
	uint64_t ticks = __builtin_ia32_rdtsc();

	if (ticks - p->stamp_ticks < STAMP_TICKS)
		return p->stamp_ns;
	p->stamp_ticks = ticks;
#endif
	p->stamp_ns = clock_ns(CLOCK_REALTIME);
	return p->stamp_ns;
}

unsigned pub_turn(struct shmq_pub *p)
{
	unsigned turn = p->next_lane;

	p->next_lane = turn + 1 < p->topic.options.partitions ? turn + 1 : 0;
	return turn;
}

/* ---- lanes -------------------------------------------------------------------------- */

int lane_open(struct shmq_pub *p, unsigned partition, struct pub_lane **out)
{
	struct pub_lane *l = &p->lanes[partition];
	int r = 0;

	*out = l;
	if (log_attached(&l->log))
		return 0;
	r = topic_log_open(&p->topic, partition, true, &l->log);
	/* Its directory is gone: then ext4 says EPERM, and others ENOENT. */
	if (r < 0 && topic_check_linked(&p->topic) != 0)
		return SHMQ_GONE;
	if (r == 0)
		l->tail = (struct tail){.position = ring_end(&l->log)};
	return r;
}

static struct ground lane_ground(struct shmq_pub *p, struct pub_lane *l)
{
	return (struct ground){.log = &l->log,
	                       .readers = &p->topic.readers,
	                       .place = &p->q->place,
	                       .id = p->q->session.id,
	                       .durable = topic_durable(&p->topic, l->log.partition),
	                       .drop_old = p->topic.options.full == SHMQ_FULL_DROP_OLD,
	                       .keep_extents = p->keep_extents};
}

void lane_leave(struct shmq_pub *p, struct pub_lane *l)
{
	if (l->hold.count > 0)
		extent_leave(&l->log, p->q->session.id, &l->hold);
	l->rows.frame = NULL;
}

int lane_room(struct shmq_pub *p, struct pub_lane *l, uint64_t bytes)
{
	struct ground g = lane_ground(p, l);

	if (l->hold.count > 0 && hold_room(&l->hold) >= bytes)
		return 0;
	lane_leave(p, l);
	for (;;) {
		struct extent_survey s;
		struct holder holder;
		uint64_t end = ring_walk(&l->log, l->tail.position);
		int r = session_check(&p->q->error, &p->q->session);

		if (end != l->tail.position) /* others went on: what they linked may be reclaimed too */
			l->tail = (struct tail){.position = end};
		if (r == 0)
			r = ground_take(&p->q->error, &g, l->tail.position, bytes, &l->hold, &holder);
		if (r == SHMQ_FULL) {
			extent_look(&l->log, ring_head(&l->log, l->tail.position), &s);
			r = pub_wait(p, l, &holder, s.in_use > 0 ? s.oldest_end : 0);
			if (r == 0 && bytes > EXTENT_BYTES) /* only who waits may keep others away */
				extent_want_run(&l->log);
			if (r == 0)
				continue;
		}
		wait_end(l, r);
		return r;
	}
}

static int link_try(struct shmq_pub *p, struct pub_lane *l, struct frame *f)
{
	if (!topic_live(&p->topic))
		return topic_gone(&p->topic);
	return ring_link(&p->q->error, &l->log, &l->tail, f, hold_at(&l->hold) / FRAME_ALIGN,
	                 pub_now(p));
}

int lane_slot(struct shmq_pub *p, struct pub_lane *l)
{
	struct ground g = lane_ground(p, l);
	struct holder holder;
	uint64_t n = l->log.slot_count;
	int r = ground_take_slot(&g, l->tail.position, &holder);

	return r == 0 ? 0 : pub_wait(p, l, &holder, l->tail.position - n + 1 + n / 16);
}

/* The ring was full. */
static int link_with_room(struct shmq_pub *p, struct pub_lane *l, struct frame *f)
{
	int r;

	do {
		r = lane_slot(p, l);
		if (r != 0)
			break;
		r = link_try(p, l, f);
	} while (r == SHMQ_FULL);
	wait_end(l, r);
	return r;
}

void lane_count(struct shmq_pub *p, struct pub_lane *l, uint64_t messages, uint64_t value_bytes)
{
	struct slot_counters *c = p->q->counters;

	l->linked_to = l->tail.position;
	topic_mark_linked(&p->topic); /* mark:look, behind the CAS of ring_link() */
	if (bell_ring(&p->topic.bell->arrived)) /* tell:sleep, likewise */
		counter_add(&c->wakeups, 1);
	p->linked += messages;
	counter_add(&c->frames_linked, 1);
	counter_add(&c->messages_published, messages);
	counter_add(&c->bytes_published, value_bytes);
}

int lane_link(struct shmq_pub *p, struct pub_lane *l, struct frame *f)
{
	uint64_t length, room;
	int r = link_try(p, l, f);

	if (r == SHMQ_FULL)
		r = link_with_room(p, l, f);
	else
		wait_end(l, r);
	if (r != 0)
		return r;
	/* Read once: a hostile publisher may write there too, and must not lead us out of our extents. */
	length = ALIGN_UP((uint64_t)*(const volatile uint32_t *)&f->length, FRAME_ALIGN);
	room = hold_room(&l->hold);
	l->hold.used += length < room ? length : room;
	l->hold.own_end = l->tail.position;
	if (!topic_live(&p->topic)) /* linked into what is over: not acknowledged */
		return topic_gone(&p->topic);
	/* Small frames: the lines of one a little further on, which readers had last, are asked back. */
	for (unsigned i = 0; i < 3 && length <= 3 * CACHE_LINE; i++)
		prefetch_write(l->log.pool + hold_at(&l->hold) + (PREFETCH_LINES + i) * CACHE_LINE);
	lane_count(p, l, f->count, f->value_bytes);
	return 0;
}

static void lane_drop(struct shmq_pub *p, struct pub_lane *l, uint64_t messages)
{
	l->rows.frame = NULL;
	p->dropped += messages;
	counter_add(&p->q->counters->messages_dropped, messages);
}

int lane_flush(struct shmq_pub *p, struct pub_lane *l)
{
	int r;

	if (l->rows.frame == NULL)
		return 0;
	if (l->rows.count == 0) { /* opened, and nothing came of it */
		l->rows.frame = NULL;
		return 0;
	}
	r = lane_link(p, l, rows_seal(&l->rows));
	if (r == SHMQ_FULL)
		lane_drop(p, l, l->rows.count);
	else if (r == 0)
		l->rows.frame = NULL;
	return r;
}

/* Opens a frame that has room for `bytes`. */
static int lane_begin(struct shmq_pub *p, struct pub_lane *l, size_t bytes)
{
	size_t room;
	int r = lane_room(p, l, bytes);

	if (r != 0)
		return r;
	room = (size_t)hold_room(&l->hold);
	if (room > FRAME_TARGET && bytes <= FRAME_TARGET)
		room = FRAME_TARGET;
	rows_begin(&l->rows, l->log.pool + hold_at(&l->hold), room);
	return 0;
}

/* ---- the interface ------------------------------------------------------------------ */

int shmq_pub_open(shmq *q, const char *topic, const struct shmq_pub_options *o, shmq_pub **out,
                  bool *created)
{
	static const struct shmq_pub_options defaults;
	struct shmq_pub *p;
	int r = broker_check(q, true);

	*out = NULL;
	if (r < 0)
		return r;
	p = calloc(1, sizeof *p);
	if (p == NULL)
		return fail(&q->error, SHMQ_ENOMEM, "no private memory");
	if (o == NULL)
		o = &defaults;
	p->q = q;
	p->flags = o->flags;
	p->wait_ns = o->wait_ns == 0 ? SHMQ_FOREVER : o->wait_ns;
	r = topic_open(q, topic, !(o->flags & SHMQ_PUB_NO_CREATE), true, created, &p->topic);
	if (r == 0) {
		p->keep_extents = (unsigned)(p->topic.options.keep_bytes / EXTENT_BYTES);
		if (p->keep_extents == 0)
			p->keep_extents = 1;
		p->lanes = calloc(p->topic.options.partitions, sizeof *p->lanes);
		if (p->lanes == NULL) {
			topic_close(&p->topic);
			r = fail(&q->error, SHMQ_ENOMEM, "no private memory");
		}
	}
	if (r != 0) {
		free(p);
		return r;
	}
	for (unsigned i = 0; i < p->topic.options.partitions; i++)
		p->lanes[i].log = LOG_NONE;
	*out = p;
	return 0;
}

unsigned pub_partition(struct shmq_pub *p, const struct shmq_message *m)
{
	unsigned partitions = p->topic.options.partitions;

	if (m->partition >= 0)
		return (unsigned)m->partition;
	if (partitions == 1)
		return 0;
	if (m->key != NULL)
		return (unsigned)(bulk_hash(m->key, m->key_len) % partitions);
	/* Without a key: go on with the open frame of the lane whose turn it is. */
	if (p->lanes[p->next_lane].rows.frame == NULL)
		pub_turn(p);
	return p->next_lane;
}

static int pub_check(struct shmq_pub *p)
{
	return p->q->forked ? broker_check(p->q, true) : 0;
}

int pub_too_large(struct shmq_pub *p, size_t cost)
{
	return fail(&p->q->error, SHMQ_EDATA,
	            "a message of %zu bytes is larger than a quarter of topic %s's memory (%zu); make the "
	            "topic with more memory",
	            cost, p->topic.name, (size_t)p->topic.options.pool_bytes / 4);
}

static size_t cost_alone(const struct shmq_message *m)
{
	static const struct rows none;

	return rows_cost_with(&none, m);
}

int pub_message_check(struct shmq_pub *p, const struct shmq_message *m)
{
	size_t cost = cost_alone(m);

	if (m->partition >= (int)p->topic.options.partitions)
		return fail(&p->q->error, SHMQ_EINVAL, "topic %s has %u partitions, there is no %d",
		            p->topic.name, p->topic.options.partitions, m->partition);
	if (cost > p->topic.options.pool_bytes / 4)
		return pub_too_large(p, cost);
	return 0;
}

/* The message does not fit into the open frame, or there is none. */
static int send_into_new(struct shmq_pub *p, struct pub_lane *l, const struct shmq_message *m)
{
	int r = pub_message_check(p, m);

	if (r == 0)
		r = lane_flush(p, l);
	if (r == 0)
		r = lane_begin(p, l, cost_alone(m));
	if (r != 0)
		return r;
	if (rows_add(&l->rows, m) < 0) {
		l->rows.frame = NULL;
		return fail(&p->q->error, SHMQ_ENOMEM, "no private memory");
	}
	/* What takes a run of extents is linked at once: nobody should hold so much while waiting. */
	if (l->hold.count > 1) { /* all or nothing: refused is not kept for a later flush */
		r = lane_link(p, l, rows_seal(&l->rows));
		lane_leave(p, l);
	}
	return r;
}

/* One partition, and only a value, that has its place in the open frame or in one that can be opened
 * in the extent at hand: what most messages are. Spares them half their cost. */
static inline bool send_plainly(struct shmq_pub *p, const struct shmq_message *m)
{
	struct pub_lane *l = &p->lanes[0];

	if (p->topic.options.partitions != 1 || m->partition > 0 || m->key != NULL ||
	    m->header_count > 0 || p->lines.stored > 0 || p->lines.lane != NULL || p->q->forked)
		return false;
	if (l->rows.frame == NULL) {
		if (l->hold.count != 1 || hold_room(&l->hold) < FRAME_TARGET)
			return false;
		rows_begin(&l->rows, l->log.pool + hold_at(&l->hold), FRAME_TARGET);
	}
	if (rows_add_value(&l->rows, m->value, m->value_len))
		return true;
	if (l->rows.count == 0)
		l->rows.frame = NULL;
	return false;
}

static int send_any(struct shmq_pub *p, const struct shmq_message *m)
{
	struct pub_lane *l;
	uint64_t records;
	int r = pub_check(p);

	if (r == 0 && m->partition >= (int)p->topic.options.partitions)
		r = pub_message_check(p, m);
	if (r == 0)
		r = lines_flush(p, &records); /* what came before goes before */
	if (r == 0 || r == SHMQ_FULL)
		r = lines_to_private(p); /* an incomplete record stands where our frame may be built */
	if (r == 0)
		r = lane_open(p, pub_partition(p, m), &l);
	if (r != 0)
		return r;
	if (l->rows.frame == NULL || rows_cost_with(&l->rows, m) > l->rows.capacity)
		return send_into_new(p, l, m);
	if (rows_add(&l->rows, m) < 0)
		return fail(&p->q->error, SHMQ_ENOMEM, "no private memory");
	return 0;
}

int shmq_pub_send(shmq_pub *p, const struct shmq_message *m)
{
	return send_plainly(p, m) ? 0 : send_any(p, m);
}

int lanes_flush(struct shmq_pub *p)
{
	int full = 0;

	for (unsigned i = 0; i < p->topic.options.partitions; i++) {
		int r = lane_flush(p, &p->lanes[i]);

		if (r == SHMQ_FULL) /* dropped and counted */
			full = r;
		else if (r != 0)
			return r;
	}
	return full;
}

int shmq_pub_flush(shmq_pub *p)
{
	uint64_t records;
	int full, r = pub_check(p);

	if (p->topic.options.partitions == 1 && !lines_waiting(&p->lines) && r == 0)
		return lane_flush(p, &p->lanes[0]);
	if (r == 0)
		r = lines_flush(p, &records);
	if (r != 0 && r != SHMQ_FULL)
		return r;
	full = r;
	r = lanes_flush(p);
	return r != 0 ? r : full;
}

int shmq_pub_idle(shmq_pub *p)
{
	int full, r = shmq_pub_flush(p);

	if (r != 0 && r != SHMQ_FULL)
		return r;
	full = r; /* dropped and counted: what remains is kept all the same */
	r = lines_to_private(p);
	if (r != 0)
		return r;
	for (unsigned i = 0; i < p->topic.options.partitions; i++) {
		struct pub_lane *l = &p->lanes[i];

		if (l->hold.count == 0)
			continue;
		lane_leave(p, l);
		cas_max(&l->log.file->tail_hint, l->tail.position);
	}
	return full;
}

int shmq_pub_batch(shmq_pub *p, const struct shmq_message *messages, size_t count)
{
	struct rows sum = {0};
	size_t cost = 0;
	unsigned partition = 0;
	struct pub_lane *l;
	int r = shmq_pub_idle(p);

	if (r != 0 || count == 0)
		return r;
	for (size_t i = 0; i < count && r == 0; i++) {
		r = pub_message_check(p, &messages[i]);
		if (r < 0)
			return r;
		if (i == 0)
			partition = pub_partition(p, &messages[i]);
		else if ((messages[i].partition >= 0 || messages[i].key != NULL) &&
		         pub_partition(p, &messages[i]) != partition)
			return fail(&p->q->error, SHMQ_EDATA,
			            "message %zu of the atomic batch belongs to partition %u, those before "
			            "it to %u: all must go to one",
			            i + 1, pub_partition(p, &messages[i]), partition);
		/* Count, then cost with the sums: the same arithmetic as when it is built. */
		cost = rows_cost_with(&sum, &messages[i]);
		r = rows_count(&sum, &messages[i]);
	}
	if (r < 0 || cost > p->topic.options.pool_bytes / 4)
		return pub_too_large(p, cost);
	r = lane_open(p, partition, &l);
	if (r == 0)
		r = lane_begin(p, l, cost);
	for (size_t i = 0; i < count && r == 0; i++)
		r = rows_add(&l->rows, &messages[i]);
	if (r == SHMQ_ENOMEM) {
		l->rows.frame = NULL;
		return fail(&p->q->error, SHMQ_ENOMEM, "no private memory");
	}
	if (r == 0)
		r = lane_link(p, l, rows_seal(&l->rows));
	l->rows.frame = NULL; /* all or nothing: not kept for a later flush */
	if (l->hold.count > 1)
		lane_leave(p, l);
	return r;
}

uint64_t shmq_pub_linked(const shmq_pub *p)
{
	return p->linked;
}

uint64_t shmq_pub_dropped(const shmq_pub *p)
{
	return p->dropped;
}

size_t shmq_pub_message_max(const shmq_pub *p)
{
	return (size_t)p->topic.options.pool_bytes / 4 - sizeof(struct frame);
}

unsigned shmq_pub_partitions(const shmq_pub *p)
{
	return p->topic.options.partitions;
}

void shmq_pub_close(shmq_pub *p)
{
	if (p == NULL)
		return;
	for (unsigned i = 0; i < p->topic.options.partitions; i++) {
		struct pub_lane *l = &p->lanes[i];

		if (p->q->forked) {
			l->log.map.at = NULL;
			p->topic.bell_map.at = NULL;
		} else if (log_attached(&l->log)) {
			lane_leave(p, l);
			cas_max(&l->log.file->tail_hint, l->tail.position);
		}
		log_close(&l->log);
		rows_free(&l->rows);
		free(l->wait.seen);
	}
	column_free(&p->lines.private_);
	topic_close(&p->topic);
	free(p->lanes);
	free(p);
}
