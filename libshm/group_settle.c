/* SPDX-License-Identifier: MIT */
/* group_settle.c - publishing what was made from a message, and acking it with that: exactly once. */
#include "group.h"

#include "publish.h"

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

/* Bytes of the frame, with what it says of its input and with room for what may be linked in its place. */
static int frame_cost(struct shmq_pub *p, const struct shmq_message *m, size_t count, size_t *cost)
{
	struct rows sum = {0};
	size_t plain = 0;
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		plain = rows_cost_with(&sum, &m[i]);
		r = rows_count(&sum, &m[i]);
	}
	if (r < 0 || plain > p->topic.options.pool_bytes / 4)
		return pub_too_large(p, plain);
	*cost = ALIGN_UP(plain + FRAME_META_ROOM, FRAME_ALIGN) + SETTLE_ROOM;
	return 0;
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
			lane_count(p, l, count, bytes);
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
	int64_t before = p->wait_ns;
	unsigned partition = 0;
	struct pub_lane *l;
	size_t cost = 0;
	int r = shmq_pub_idle(p);

	if (r == 0 && topic_on_disk(&s->g->topic) && !topic_on_disk(&p->topic))
		r = fail(&p->q->error, SHMQ_EDATA,
		         "topic %s is in memory, and a loss of power would take what settles messages of topic %s, which "
		         "is on disk: publish into a topic on disk",
		         p->topic.name, s->g->topic.name);
	if (r == 0)
		r = choose_partition(p, input, m, count, &partition);
	if (r == 0)
		r = frame_cost(p, m, count, &cost);
	if (r == 0)
		r = lane_open(p, partition, &l);
	if (r != 0)
		return r;
	s->topic = &p->topic;
	s->log = &l->log;
	s->tail = &l->tail;
	s->hold = &l->hold;
	p->wait_ns = wait_ns;
	p->keep = renew;
	p->keep_context = context;
	r = settle_once(p, l, s, m, count, cost);
	p->keep = NULL;
	p->wait_ns = before;
	return r;
}
