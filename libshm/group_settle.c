/* SPDX-License-Identifier: MIT */
/* group_settle.c - publishing what was made from a message, and acking it with that: exactly once. */
#include "group.h"

#include "clock.h"
#include "publish.h"

#define SLICE_MAX_NS INT64_C(10000000000) /* of a wait for room: the lease is renewed in between */
#define SLICE_FIRST_NS 20000000 /* the first: then those who wait for us are told how far we are */

/* The partition that all messages go to. 0 or SHMQ_EDATA. */
static int choose_partition(struct shmq_pub *p, const struct shmq_message *input, const struct shmq_message *m,
                            size_t count, unsigned *partition)
{
	struct shmq_message by = {.key = input->key, .key_len = input->key_len, .partition = -1};
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = pub_message_check(p, &m[i]);
	if (r != 0)
		return r;
	*partition = pub_partition(p, m[0].partition >= 0 || m[0].key != NULL ? &m[0] : &by);
	for (size_t i = 1; i < count; i++)
		if ((m[i].partition >= 0 || m[i].key != NULL) && pub_partition(p, &m[i]) != *partition)
			return fail(&p->q->error, SHMQ_EDATA,
			            "output %zu belongs to partition %u, those before it to %u: what settles one "
			            "message goes to one partition",
			            i + 1, pub_partition(p, &m[i]), *partition);
	return 0;
}

/* Bytes of the frame, with room for what may be linked in its place. */
static int frame_cost(struct shmq_pub *p, const struct settle *s, const struct shmq_message *m, size_t count,
                      size_t *cost)
{
	struct rows sum = {0};
	int r = settle_describe(s, &sum);

	*cost = 0;
	for (size_t i = 0; i < count && r == 0; i++) {
		*cost = rows_cost_with(&sum, &m[i]);
		r = rows_count(&sum, &m[i]);
	}
	rows_free(&sum);
	if (r == SHMQ_ENOMEM)
		return fail(&p->q->error, r, "no private memory");
	*cost = ALIGN_UP(*cost, FRAME_ALIGN) + SETTLE_ROOM;
	return r < 0 || *cost > p->topic.options.pool_bytes / 4 ? pub_too_large(p, *cost) : 0;
}

static int frame_build(struct shmq_pub *p, struct pub_lane *l, const struct settle *s, const struct shmq_message *m,
                       size_t count, struct frame **out)
{
	int r;

	rows_begin(&l->rows, l->log.pool + hold_at(&l->hold), hold_room(&l->hold));
	r = settle_describe(s, &l->rows);
	for (size_t i = 0; i < count && r == 0; i++)
		r = rows_add(&l->rows, &m[i]);
	*out = r == 0 ? rows_seal(&l->rows) : NULL;
	l->rows.frame = NULL; /* all or nothing: never linked by a flush */
	return r == 0 ? 0 : fail(&p->q->error, SHMQ_ENOMEM, "no private memory");
}

/* One try: what lane_room() and settle_link() say. */
static int settle_once(struct shmq_pub *p, struct pub_lane *l, struct settle *s, const struct shmq_message *m,
                       size_t count, size_t cost)
{
	struct frame *f;
	int r = lane_room(p, l, cost);

	if (r == 0)
		r = frame_build(p, l, s, m, count, &f);
	while (r == 0) {
		uint64_t bytes = f->value_bytes;

		r = settle_link(s, f);
		if (r == 0)
			lane_count(p, count, bytes);
		if (r != SHMQ_FULL)
			break;
		r = lane_slot(p, l);
		if (r == 0) /* where the frame stood others may have linked an empty one */
			r = lane_room(p, l, cost);
		if (r == 0)
			r = frame_build(p, l, s, m, count, &f);
	}
	wait_end(l, r);
	if (l->hold.count > 1)
		lane_leave(p, l);
	return r;
}

int settle_into(struct settle *s, shmq_pub *p, const struct shmq_message *input, const struct shmq_message *m,
                size_t count, int64_t wait_ns, int (*renew)(void *context), void *context)
{
	uint64_t start = clock_ns(CLOCK_BOOTTIME), now = start;
	int64_t before = p->wait_ns, most = s->g->config.o.lease_ns / 3, slice = SLICE_FIRST_NS;
	unsigned partition = 0;
	struct pub_lane *l;
	size_t cost;
	int r = shmq_pub_idle(p);

	if (r == 0)
		r = choose_partition(p, input, m, count, &partition);
	if (r == 0)
		r = frame_cost(p, s, m, count, &cost);
	if (r == 0)
		r = lane_open(p, partition, &l);
	if (r != 0)
		return r;
	if (most > SLICE_MAX_NS)
		most = SLICE_MAX_NS;
	s->topic = &p->topic;
	s->log = &l->log;
	s->tail = &l->tail;
	s->hold = &l->hold;
	do {
		int64_t left = wait_ns == SHMQ_FOREVER ? slice : wait_ns - (int64_t)(now - start);

		p->wait_ns = left < slice ? (left > 0 ? left : 1) : slice;
		r = settle_once(p, l, s, m, count, cost);
		now = clock_ns(CLOCK_BOOTTIME);
		if (r == SHMQ_TIMEOUT && (wait_ns == SHMQ_FOREVER || (int64_t)(now - start) < wait_ns)) {
			r = renew(context);
			if (r == 0)
				r = SHMQ_EMPTY;
			slice = most;
		}
	} while (r == SHMQ_EMPTY);
	p->wait_ns = before;
	return r;
}
