/* SPDX-License-Identifier: MIT */
/*
 * reader.c - threads that subscribe and check: per writer and partition no gap, unless messages were
 * reported missed; no reorder; every byte as it was written.
 */
#include <string.h>

#include "threads.h"

struct seen {
	uint64_t next;  /* sequence; 0: nothing seen */
	uint64_t break_; /* value of view.breaks then */
};

struct view {
	struct thread *t;
	shmq_sub *s;
	struct seen writers[PARTITIONS][WRITERS];
	uint64_t next_offset[PARTITIONS], time_ns[PARTITIONS], breaks[PARTITIONS];
	bool any[PARTITIONS];
	uint64_t gap; /* sum over all gaps between offsets */
};

static void check_offset(struct view *v, const struct shmq_message *m)
{
	unsigned p = (unsigned)m->partition;

	if (v->any[p] && m->offset < v->next_offset[p])
		wrong(v->t, "offset %llu comes again", (unsigned long long)m->offset);
	if (v->any[p] && m->offset > v->next_offset[p]) {
		v->gap += m->offset - v->next_offset[p];
		v->breaks[p]++;
		if (v->t->topic != PURGED && v->gap > shmq_sub_missed(v->s))
			wrong(v->t, "%llu messages are missing, %llu were reported", (unsigned long long)v->gap,
			      (unsigned long long)shmq_sub_missed(v->s));
	}
	if (m->time_ns < v->time_ns[p])
		wrong(v->t, "time goes back");
	v->any[p] = true;
	v->next_offset[p] = m->offset + 1;
	v->time_ns[p] = m->time_ns;
}

static void check_message(struct view *v, const struct shmq_message *m)
{
	unsigned writer, partition;
	uint64_t sequence;
	struct seen *s;

	check_offset(v, m);
	if (!message_check(m->value, m->value_len, &writer, &partition, &sequence) ||
	    writer >= WRITERS || partition != (unsigned)m->partition)
		wrong(v->t, "offset %llu: a message of %zu bytes is none: %.40s",
		      (unsigned long long)m->offset, m->value_len, (const char *)m->value);
	if ((m->key != NULL && (m->key_len != 16 || memcmp(m->key, m->value, 16) != 0)) ||
	    m->header_count > 1 ||
	    (m->header_count == 1 &&
	     (m->headers[0].value_len != 16 || memcmp(m->headers[0].value, m->value, 16) != 0)))
		wrong(v->t, "offset %llu: key or headers are others", (unsigned long long)m->offset);
	s = &v->writers[partition][writer];
	if (s->next > 0 && (sequence < s->next || (sequence > s->next && s->break_ == v->breaks[partition])))
		wrong(v->t, "writer %u partition %u: %llu comes behind %llu", writer, partition,
		      (unsigned long long)sequence, (unsigned long long)s->next - 1);
	s->next = sequence + 1;
	s->break_ = v->breaks[partition];
	messages_read++;
}

/* One batch, or what there is instead: true to go on. */
static bool read_one(struct view *v, int64_t wait_ns)
{
	struct shmq_message m;
	struct shmq_batch b;
	int r = LIB(v->t, shmq_sub_next, v->s, &b);

	if (r == 0) {
		while ((r = shmq_batch_next(&b, &m)) == 1)
			check_message(v, &m);
		if (r < 0)
			wrong(v->t, "shmq_batch_next: %s", shmq_error(v->t->q));
		return true;
	}
	if (r == SHMQ_OVERRUN)
		return true;
	if (r == SHMQ_EMPTY) {
		r = LIB(v->t, shmq_sub_wait, &v->s, 1, wait_ns);
		if (r == 0 || r == SHMQ_TIMEOUT)
			return r == 0;
	}
	if (r != SHMQ_END)
		topic_error(v->t, r);
	return false;
}

static bool view_open(struct view *v, const struct shmq_sub_options *o)
{
	int r = LIB(v->t, shmq_sub_open, v->t->q, topic_names[v->t->topic], o, &v->s);

	if (r != 0)
		topic_error(v->t, r);
	return r == 0;
}

static void view_close(struct view *v)
{
	messages_missed += shmq_sub_missed(v->s);
	v->t->call = "shmq_sub_close";
	shmq_sub_close(v->s);
}

void reader_run(struct thread *t)
{
	static struct view views[TOPICS * WRITERS];
	static const unsigned flags[] = {0, 0, SHMQ_SUB_HOLD, SHMQ_SUB_BROWSE, SHMQ_SUB_EXIT_AT_END,
	                                 SHMQ_SUB_NO_SPIN};
	struct view *v = &views[t->topic * WRITERS + t->number];

	while (!stop) {
		struct shmq_sub_options o = {.flags = flags[rng_below(&t->rng, 6)]};

		o.from.kind = (enum shmq_seek_kind)rng_below(&t->rng, 5);
		o.from.value = rng_below(&t->rng, 50); /* also as a time: all of it */
		broker_again(t);
		memset(v, 0, sizeof *v);
		v->t = t;
		if (!view_open(v, &o))
			continue;
		for (unsigned n = rng_below(&t->rng, 400); n > 0 && !stop; n--) {
			if (!read_one(v, rng_below(&t->rng, 3000000)))
				break;
			if (rng_one_in(&t->rng, 100))
				shmq_sub_lag(v->s);
		}
		view_close(v);
	}
}

void holder_run(struct thread *t)
{
	static struct view view;
	struct view *v = &view;
	struct shmq_sub_options o = {.flags = SHMQ_SUB_HOLD};

	v->t = t;
	broker_again(t);
	if (!view_open(v, &o))
		return;
	while (writers_left > 0)
		read_one(v, 5000000);
	while (read_one(v, 0))
		;
	if (shmq_sub_missed(v->s) != 0 || v->gap != 0)
		wrong(t, "who holds has missed %llu messages", (unsigned long long)shmq_sub_missed(v->s));
	for (unsigned w = 0; w < WRITERS; w++)
		for (unsigned p = 0; p < PARTITIONS; p++)
			if (v->writers[p][w].next != sent[w][p])
				wrong(t, "writer %u partition %u: %llu of %llu messages came", w, p,
				      (unsigned long long)v->writers[p][w].next, (unsigned long long)sent[w][p]);
	view_close(v);
}
