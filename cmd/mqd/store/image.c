/* SPDX-License-Identifier: MIT */
/* image.c - what the store knows: finding things in it, and applying records to it. */
#include "image.h"

#include "image_parts.h"
#include "numbered.h"
#include "store_read.h"

#include <stdlib.h>
#include <string.h>

/* ---- finding ------------------------------------------------------------------------ */

static size_t topic_place(struct image *i, uint64_t number)
{
	return numbered_place(i->topics, i->topic_count, number, &i->found);
}

struct image_topic *image_topic(struct image *i, uint64_t number)
{
	size_t at = topic_place(i, number);

	return numbered_is(i->topics, i->topic_count, number, at) ? i->topics[at] : NULL;
}

struct image_group *image_group(const struct image_topic *t, uint32_t number)
{
	for (size_t k = 0; k < t->group_count; k++)
		if (t->groups[k]->number == number)
			return t->groups[k];
	return NULL;
}

struct image_log *image_log(struct image *i, struct log_id id)
{
	struct image_topic *t = image_topic(i, id.topic);
	struct image_group *g;

	if (t == NULL || (id.group == 0 && id.partition >= t->r.partitions))
		return NULL;
	if (id.group == 0)
		return &t->logs[id.partition];
	g = image_group(t, id.group);
	return g != NULL ? &g->returns : NULL;
}

/* Makes room for one more pointer at the end of an array. */
static int grow(void *array, size_t count, size_t *capacity)
{
	void **at = array, *grown;
	size_t more = *capacity == 0 ? 8 : *capacity * 2;

	if (count < *capacity)
		return 0;
	grown = realloc(*at, more * sizeof(void *));
	if (grown == NULL)
		return SHMQ_ENOMEM;
	*at = grown;
	*capacity = more;
	return 0;
}

/* ---- topics ------------------------------------------------------------------------- */

static void group_free(struct image_group *g, unsigned partitions)
{
	for (unsigned p = 0; g->windows != NULL && p < partitions; p++)
		spans_free(&g->windows[p]);
	free(g->windows);
	spans_free(&g->returned);
	spans_free(&g->requeued);
	log_free(&g->returns);
	free(g);
}

static void topic_free(struct image_topic *t)
{
	for (size_t k = 0; k < t->group_count; k++)
		group_free(t->groups[k], t->r.partitions);
	for (unsigned p = 0; t->logs != NULL && p < t->r.partitions; p++)
		log_free(&t->logs[p]);
	free(t->groups);
	free(t->logs);
	free(t);
}

void image_free(struct image *i)
{
	for (size_t k = 0; k < i->topic_count; k++) {
		if (i->ends != NULL)
			i->ends(i->context, i->topics[k]);
		topic_free(i->topics[k]);
	}
	free(i->topics);
	i->topics = NULL;
	i->topic_count = i->topic_capacity = 0;
}

static int topic_add(struct image *i, uint64_t number, const struct record_topic *r)
{
	struct image_topic *t = calloc(1, sizeof *t);
	size_t at = topic_place(i, number);

	if (t == NULL || grow(&i->topics, i->topic_count, &i->topic_capacity) < 0) {
		free(t);
		return SHMQ_ENOMEM;
	}
	t->number = number;
	t->r = *r;
	t->logs = calloc(r->partitions, sizeof *t->logs);
	if (t->logs == NULL) {
		free(t);
		return SHMQ_ENOMEM;
	}
	for (unsigned p = 0; p < r->partitions; p++) {
		t->logs[p].id = (struct log_id){.topic = number, .partition = p};
		t->logs[p].end_offset = t->logs[p].low_offset = r->first_offset;
	}
	memmove(&i->topics[at + 1], &i->topics[at], (i->topic_count - at) * sizeof *i->topics);
	i->topics[at] = t;
	i->topic_count++;
	return 0;
}

static int apply_topic(struct image *i, const struct record *r, const void *data)
{
	struct image_topic *t = image_topic(i, r->log.topic);
	struct record_topic now;

	if (r->bytes < sizeof now || r->log.topic == 0 || r->log.topic > NUMBER_MAX)
		return SHMQ_ECORRUPT;
	memcpy(&now, data, sizeof now);
	if (now.partitions == 0 || now.partitions > SHMQ_PARTITIONS_MAX || now.name[sizeof now.name - 1] != '\0' ||
	    shmq_topic_name_check(now.name) != 0 || (t != NULL && now.partitions != t->r.partitions))
		return SHMQ_ECORRUPT;
	if (r->log.topic > i->numbers)
		i->numbers = r->log.topic;
	if (t == NULL)
		return topic_add(i, r->log.topic, &now);
	t->r = now;
	return 0;
}

static void topic_end(struct image *i, uint64_t number)
{
	size_t at = topic_place(i, number);
	struct image_topic *t;

	if (!numbered_is(i->topics, i->topic_count, number, at))
		return;
	t = i->topics[at];
	if (i->ends != NULL)
		i->ends(i->context, t);
	i->topic_count--;
	memmove(&i->topics[at], &i->topics[at + 1], (i->topic_count - at) * sizeof *i->topics);
	topic_free(t);
}

/* ---- groups ------------------------------------------------------------------------- */

static struct image_group *group_add(struct image_topic *t, uint32_t number)
{
	struct image_group *g = calloc(1, sizeof *g);

	if (g == NULL)
		return NULL;
	g->number = number;
	g->requeued.bare = true;
	g->windows = calloc(t->r.partitions, sizeof *g->windows);
	g->returns.id = (struct log_id){.topic = t->number, .group = number};
	if (g->windows == NULL || grow(&t->groups, t->group_count, &t->group_capacity) < 0) {
		group_free(g, t->r.partitions);
		return NULL;
	}
	t->groups[t->group_count++] = g;
	return g;
}

static int apply_group(struct image_topic *t, const struct record *r, const void *data)
{
	struct image_group *g = image_group(t, r->log.group);
	struct record_group now;

	if (r->bytes < sizeof now || r->log.group == 0)
		return SHMQ_ECORRUPT;
	memcpy(&now, data, sizeof now);
	if (now.name[sizeof now.name - 1] != '\0' || now.filter[sizeof now.filter - 1] != '\0' ||
	    shmq_topic_name_check(now.name) != 0)
		return SHMQ_ECORRUPT;
	if (r->log.group > t->r.groups)
		t->r.groups = r->log.group;
	if (g == NULL)
		g = group_add(t, r->log.group);
	if (g == NULL)
		return SHMQ_ENOMEM;
	if (g->r.incarnation != now.incarnation) /* moved: what was done then says nothing of now */
		for (unsigned p = 0; p < t->r.partitions; p++)
			spans_free(&g->windows[p]);
	g->r = now;
	return 0;
}

static void group_end(struct image_topic *t, uint32_t number)
{
	for (size_t k = 0; k < t->group_count; k++) {
		if (t->groups[k]->number != number)
			continue;
		group_free(t->groups[k], t->r.partitions);
		t->groups[k] = t->groups[--t->group_count];
		return;
	}
}

/* What is done; NULL where the record speaks of what is over. */
static struct spans *spans_of(struct image_topic *t, struct image_group *g, enum record_type type, uint64_t incarnation,
                              uint32_t partition)
{
	if (type == RECORD_REQUEUED)
		return &g->requeued;
	if (incarnation == 0)
		return &g->returned;
	return incarnation == g->r.incarnation && partition < t->r.partitions ? &g->windows[partition] : NULL;
}

static int apply_spans(struct image_topic *t, const struct record *r, const void *data)
{
	struct image_group *g = image_group(t, r->log.group);
	struct spans *s = g != NULL ? spans_of(t, g, (enum record_type)r->type, r->a, r->log.partition) : NULL;
	const struct done_run *runs = data;
	uint64_t at = r->b;

	if (r->b > OFFSET_MAX)
		return SHMQ_ECORRUPT;
	if (s == NULL)
		return 0;
	if (r->type == RECORD_WINDOW)
		spans_raise(s, r->b);
	for (size_t k = 0; k < r->bytes / sizeof *runs; k++) {
		at += runs[k].skip;
		if (spans_add(s, at, at + runs[k].count) < 0)
			return SHMQ_ENOMEM;
		at += runs[k].count;
	}
	return 0;
}

/* ---- frames ------------------------------------------------------------------------- */

/* Linking this frame was acking that message. */
static int apply_settles(struct image *i, const struct frame *f)
{
	struct meta_settles m;
	struct columns c;
	struct image_topic *t;
	struct image_group *g;
	struct spans *s;
	const unsigned char *at;

	if (columns_open(f, &c) < 0)
		return 0; /* nobody can read it either */
	at = columns_meta(&c, META_SETTLES, sizeof m, NULL);
	if (at == NULL)
		return 0;
	memcpy(&m, at, sizeof m);
	t = image_topic(i, m.topic);
	g = t != NULL && m.group <= GROUP_NUMBER_MAX ? image_group(t, (uint32_t)m.group) : NULL;
	s = g != NULL && m.partition <= SHMQ_PARTITIONS_MAX
	            ? spans_of(t, g, RECORD_WINDOW, m.incarnation, (uint32_t)m.partition)
	            : NULL;
	return s == NULL || m.offset > OFFSET_MAX || spans_add(s, m.offset, m.offset + 1) == 0 ? 0 : SHMQ_ENOMEM;
}

/* The frames of a run: the last one says where the log ends now. */
static int apply_frames(struct image *i, struct image_log *l, const struct record *r, const unsigned char *data,
                        uint64_t *first_ns)
{
	uint32_t at = 0;

	while (at < r->bytes) {
		const struct frame *f = (const struct frame *)(const void *)(data + at);
		int e = 0;

		if (r->bytes - at < sizeof *f || f->length < sizeof *f || f->length > r->bytes - at)
			return SHMQ_ECORRUPT;
		if (at == 0)
			*first_ns = f->time_ns;
		if (r->type == RECORD_RUN) {
			l->end_bytes = f->bytes + f->value_bytes;
			l->end_ns = f->time_ns;
			if (f->flags & FRAME_META)
				e = apply_settles(i, f);
		}
		if (e < 0)
			return e;
		at += (uint32_t)ALIGN_UP((uint64_t)f->length, RECORD_ALIGN);
	}
	return 0;
}

/* Purged: what comes before such a frame is gone. */
static void apply_purges(struct image_log *l, const struct record *r, const unsigned char *data)
{
	for (uint32_t at = 0; at < r->bytes;) {
		const struct frame *f = (const struct frame *)(const void *)(data + at);

		if (f->flags & FRAME_PURGE)
			log_trim(l, f->position, f->offset);
		at += (uint32_t)ALIGN_UP((uint64_t)f->length, RECORD_ALIGN);
	}
}

static int apply_run(struct image *i, struct image_log *l, const struct record *r, const unsigned char *data,
                     uint64_t segment, uint64_t at)
{
	const struct frame *first = (const struct frame *)(const void *)data;
	struct run_entry run = {.log = r->log,
	                        .first_position = r->a,
	                        .end_position = r->b,
	                        .first_offset = r->c,
	                        .end_offset = r->d,
	                        .at = (uint32_t)(at / RECORD_ALIGN),
	                        .bytes = r->bytes};
	uint64_t bytes = l->end_bytes;
	int e;

	if (r->a >= r->b || r->c > r->d || r->d > OFFSET_MAX || r->bytes < sizeof *first ||
	    (r->type == RECORD_RUN && (r->a < l->end_position || r->c < l->end_offset)) ||
	    (r->type == RECORD_MOVED && r->b > l->end_position))
		return SHMQ_ECORRUPT;
	e = apply_frames(i, l, r, data, &run.time_ns);
	if (e == 0)
		e = log_note_run(l, &run, r->type == RECORD_RUN ? bytes : first->bytes, segment, r->type == RECORD_MOVED);
	if (e < 0)
		return e;
	if (r->type == RECORD_RUN) {
		l->end_position = r->b;
		l->end_offset = r->d;
		apply_purges(l, r, data);
	}
	if (i->run != NULL)
		i->run(i->context, &run, segment);
	return 0;
}

/* ---- records ------------------------------------------------------------------------ */

static int apply_to_log(struct image *i, const struct record *r, const void *data, uint64_t segment, uint64_t at)
{
	struct image_log *l = image_log(i, r->log);

	if (l == NULL)
		return 0; /* of what is over */
	switch ((enum record_type)r->type) {
	case RECORD_RUN:
	case RECORD_MOVED:
		return apply_run(i, l, r, data, segment, at);
	case RECORD_LOG:
		return log_restore(l, r, data);
	case RECORD_GAP:
		return log_gap(l, r);
	case RECORD_LOST:
		if (r->a < l->end_position || r->b < r->a || r->c < l->end_offset || r->d < r->c || r->d > OFFSET_MAX)
			return SHMQ_ECORRUPT;
		l->end_position = r->b;
		l->end_offset = r->d;
		return 0;
	default:
		log_trim(l, r->a, r->b);
		return 0;
	}
}

static int apply_to_topic(struct image *i, const struct record *r, const void *data)
{
	struct image_topic *t = image_topic(i, r->log.topic);

	if (t == NULL)
		return 0;
	switch ((enum record_type)r->type) {
	case RECORD_GROUP:
		return apply_group(t, r, data);
	case RECORD_GROUP_END:
		group_end(t, r->log.group);
		return 0;
	default:
		return apply_spans(t, r, data);
	}
}

static int apply_one(struct image *i, const struct record *r, uint64_t segment, uint64_t at)
{
	const void *data = r + 1;

	switch ((enum record_type)r->type) {
	case RECORD_RUN:
	case RECORD_MOVED:
	case RECORD_LOG:
	case RECORD_GAP:
	case RECORD_LOST:
	case RECORD_TRIM:
		return apply_to_log(i, r, data, segment, at + sizeof *r);
	case RECORD_TOPIC:
		return apply_topic(i, r, data);
	case RECORD_TOPIC_END:
		topic_end(i, r->log.topic);
		return 0;
	case RECORD_GROUP:
	case RECORD_GROUP_END:
	case RECORD_WINDOW:
	case RECORD_REQUEUED:
		return apply_to_topic(i, r, data);
	case RECORD_NUMBERS:
		if (r->a > i->numbers && r->a <= NUMBER_MAX)
			i->numbers = r->a;
		return 0;
	}
	return SHMQ_ECORRUPT; /* of a later format, or damaged by who wrote it: its hash was right */
}

static int apply_records(struct error *e, struct image *i, const struct commit_head *c, uint64_t segment, uint64_t at)
{
	const struct record *r;
	bool damaged = false;
	uint32_t next = 0;
	struct log_id bad = {0};

	/* A record that cannot be is passed over, and the others count: what it is about others may have written. */
	while ((r = commit_record(c, &next, &damaged)) != NULL) {
		int result = apply_one(i, r, segment, at + (uint64_t)((const char *)r - (const char *)c));

		if (result == SHMQ_ENOMEM)
			return fail(e, result, "no private memory");
		if (result < 0)
			bad = r->log;
		damaged = damaged || result < 0;
	}
	if (damaged)
		return fail(e, SHMQ_ECORRUPT,
		            "commit %llu contradicts itself, though its hash is right (topic number %llu, group %u, partition %u)",
		            (unsigned long long)c->sequence, (unsigned long long)bad.topic, bad.group, bad.partition);
	return 0;
}

int image_apply(struct error *e, struct image *i, const struct commit_head *c, uint64_t segment, uint64_t at)
{
	int r = apply_records(e, i, c, segment, at);

	i->commit = c->sequence;
	i->segment = segment;
	return r;
}

int image_apply_snapshot(struct error *e, struct image *i, const struct snapshot_head *h, const void *records)
{
	const unsigned char *at = records;
	uint64_t left = h->bytes;

	i->commit = h->commit;
	i->segment = h->segment;
	while (left >= sizeof(struct record)) {
		const struct record *r = (const struct record *)(const void *)at;
		uint64_t bytes = sizeof *r + ALIGN_UP((uint64_t)r->bytes, RECORD_ALIGN);
		int result = bytes <= left ? apply_one(i, r, 0, 0) : SHMQ_ECORRUPT;

		if (result == SHMQ_ENOMEM)
			return fail(e, result, "no private memory");
		if (result < 0)
			return fail(e, SHMQ_ECORRUPT, "the snapshot of commit %llu contradicts itself",
			            (unsigned long long)h->commit);
		at += bytes;
		left -= bytes;
	}
	return 0;
}
