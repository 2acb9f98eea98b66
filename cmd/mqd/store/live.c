/* SPDX-License-Identifier: MIT */
/* live.c - topics in shared memory as mqd sees them. */
#include "live.h"

#include "registry.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t place(const struct live *v, uint64_t number)
{
	size_t low = 0, high = v->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (v->topics[middle]->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct live_topic *live_find(const struct live *v, uint64_t number)
{
	size_t at = place(v, number);

	return at < v->count && v->topics[at]->number == number ? v->topics[at] : NULL;
}

/* Where a log is to be collected from: behind what is durable. */
static void log_rewind(struct live_log *l, const struct image_log *i, const struct log_base *base)
{
	l->next = base->position;
	l->next_offset = base->offset;
	if (i != NULL && i->end_position > l->next) {
		l->next = i->end_position;
		l->next_offset = i->end_offset;
	}
}

static void topic_rewind(struct live *v, struct live_topic *t)
{
	const struct image_topic *it = image_topic(v->image, t->number);

	t->told = it != NULL;
	t->ended = false;
	for (unsigned p = 0; p < t->t.options.partitions; p++) {
		struct log_base base = durable_base(&t->durable, p);

		log_rewind(&t->logs[p], it != NULL ? &it->logs[p] : NULL, &base);
	}
	for (size_t k = 0; k < t->group_count; k++) {
		struct live_group *g = t->groups[k];
		const struct image_group *ig = it != NULL ? image_group(it, g->number) : NULL;
		struct log_base base = durable_base(&g->durable, 0);

		g->told = (struct record_group){0};
		g->told_hash = 0;
		log_rewind(&g->returns, ig != NULL ? &ig->returns : NULL, &base);
	}
}

void live_rewind(struct live *v)
{
	for (size_t k = 0; k < v->count; k++)
		topic_rewind(v, v->topics[k]);
}

/* ---- topics ------------------------------------------------------------------------- */

/* Descriptors are needed to make pages; what is only read is mapped for good. */
static void fd_drop(struct map *m)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}

static int topic_open_live(struct live *v, uint64_t number, struct live_topic *t)
{
	int r = topic_open_number(v->q, number, &t->t);

	t->number = number;
	t->durable = MAP_NONE;
	if (r == 0 && !topic_on_disk(&t->t)) {
		topic_close(&t->t);
		r = SHMQ_ENOENT;
	}
	if (r < 0)
		return r;
	t->logs = calloc(t->t.options.partitions, sizeof *t->logs);
	for (unsigned p = 0; t->logs != NULL && p < t->t.options.partitions; p++)
		t->logs[p].log = LOG_NONE;
	r = t->logs == NULL ? fail(&v->q->error, SHMQ_ENOMEM, "no private memory")
	                    : durable_open(&v->q->error, t->t.dirfd, number, 0, t->t.options.partitions, true, &t->durable);
	if (r < 0) {
		free(t->logs);
		topic_close(&t->t);
		return r;
	}
	fd_drop(&t->t.durable_map);
	fd_drop(&t->t.bell_map);
	topic_rewind(v, t);
	return 0;
}

int live_topic(struct live *v, uint64_t number, struct live_topic **out)
{
	struct live_topic *t = live_find(v, number);
	size_t at;
	int r;

	*out = t;
	if (t != NULL && topic_live(&t->t)) {
		t->used = ++v->clock;
		return 0;
	}
	if (t != NULL)
		return SHMQ_ENOENT;
	if (v->count == v->capacity) {
		size_t more = v->capacity == 0 ? 64 : 2 * v->capacity;
		struct live_topic **grown = realloc(v->topics, more * sizeof *grown);

		if (grown == NULL)
			return fail(&v->q->error, SHMQ_ENOMEM, "no private memory");
		v->topics = grown;
		v->capacity = more;
	}
	t = calloc(1, sizeof *t);
	if (t == NULL)
		return fail(&v->q->error, SHMQ_ENOMEM, "no private memory");
	r = topic_open_live(v, number, t);
	if (r < 0) {
		free(t);
		return r;
	}
	at = place(v, number);
	memmove(&v->topics[at + 1], &v->topics[at], (v->count - at) * sizeof *v->topics);
	v->topics[at] = t;
	v->count++;
	t->used = ++v->clock;
	*out = t;
	return 0;
}

bool live_is_over(struct live *v, uint64_t number)
{
	struct topic_brief b;
	int r = topic_brief_read(v->q, number, &b);

	return r == SHMQ_ENOENT || (r == 0 && b.state != TOPIC_LIVE);
}

int live_log_open(struct live_topic *t, unsigned partition)
{
	struct live_log *l = &t->logs[partition];
	int r;

	if (log_attached(&l->log))
		return 0;
	if (!topic_log_made(&t->t, partition))
		return SHMQ_EMPTY;
	r = topic_log_open(&t->t, partition, false, &l->log);
	if (r == 0)
		fd_drop(&l->log.map);
	return r;
}

static void group_close_live(struct live_group *g)
{
	log_close(&g->returns.log);
	map_close(&g->g.map);
	map_close(&g->g.windows_map);
	map_close(&g->g.durable_map);
	log_close(&g->g.returns);
	map_close(&g->durable);
	free(g);
}

void live_close(struct live *v, struct live_topic *t)
{
	size_t at = place(v, t->number);

	for (size_t k = 0; k < t->group_count; k++)
		group_close_live(t->groups[k]);
	free(t->groups);
	for (unsigned p = 0; p < t->t.options.partitions; p++)
		log_close(&t->logs[p].log);
	free(t->logs);
	map_close(&t->durable);
	topic_close(&t->t);
	free(t);
	v->count--;
	memmove(&v->topics[at], &v->topics[at + 1], (v->count - at) * sizeof *v->topics);
}

void live_tidy(struct live *v, size_t most)
{
	uint64_t before = v->clock - most / 2;

	if (v->count <= most)
		return;
	for (size_t k = v->count; k-- > 0;)
		if (v->topics[k]->used < before)
			live_close(v, v->topics[k]);
}

void live_free(struct live *v)
{
	while (v->count > 0)
		live_close(v, v->topics[v->count - 1]);
	free(v->topics);
	*v = (struct live){0};
}

/* ---- groups ------------------------------------------------------------------------- */

struct live_group *live_group(const struct live_topic *t, uint32_t number)
{
	for (size_t k = 0; k < t->group_count; k++)
		if (t->groups[k]->number == number)
			return t->groups[k];
	return NULL;
}

void live_group_fds(struct live_group *g)
{
	fd_drop(&g->g.map);
	fd_drop(&g->g.windows_map);
	fd_drop(&g->g.durable_map);
	fd_drop(&g->g.returns.map);
}

static int group_open_live(struct live *v, struct live_topic *t, unsigned reader, uint32_t number)
{
	struct live_group *g = calloc(1, sizeof *g), **grown;
	const struct image_topic *it = image_topic(v->image, t->number);
	const struct image_group *ig = it != NULL ? image_group(it, number) : NULL;
	struct log_base base;
	int r;

	grown = g != NULL ? realloc(t->groups, (t->group_count + 1) * sizeof *grown) : NULL;
	if (grown == NULL) {
		free(g);
		return fail(&v->q->error, SHMQ_ENOMEM, "no private memory");
	}
	t->groups = grown;
	g->number = number;
	g->durable = MAP_NONE;
	g->returns.log = LOG_NONE;
	g->g = GROUP_NONE;
	g->g.q = v->q;
	g->g.topic = t->t;
	g->g.number = number;
	g->g.reader = reader;
	r = group_file_open(&g->g, true);
	if (r == 0)
		r = group_rest_open(&g->g);
	if (r == 0)
		r = durable_open(&v->q->error, t->t.dirfd, t->number, number, 1, true, &g->durable);
	if (r < 0) {
		group_close_live(g);
		return r;
	}
	live_group_fds(g);
	base = durable_base(&g->durable, 0);
	log_rewind(&g->returns, ig != NULL ? &ig->returns : NULL, &base);
	t->groups[t->group_count++] = g;
	return 0;
}

int live_groups(struct live *v, struct live_topic *t)
{
	uint64_t used = load_seq(&t->t.bell->readers_used);

	for (size_t k = 0; k < t->group_count; k++)
		t->groups[k]->seen = false;
	for (unsigned i = 1; i < used && i < READERS; i++) {
		uint64_t w = load_acquire(&t->t.bell->readers[i]);
		struct live_group *g;
		int r;

		if (reader_word_state(w) != READER_GROUP)
			continue;
		g = live_group(t, (uint32_t)reader_word_group(w));
		if (g == NULL) {
			r = group_open_live(v, t, i, (uint32_t)reader_word_group(w));
			if (r == SHMQ_ENOENT || r == SHMQ_ECORRUPT) /* it is over; or damaged, and said by who uses it */
				continue;
			if (r < 0)
				return r;
			g = t->groups[t->group_count - 1];
		}
		g->g.reader = i;
		g->seen = group_live(&g->g);
	}
	for (size_t k = t->group_count; k-- > 0;)
		if (!t->groups[k]->seen) {
			group_close_live(t->groups[k]);
			t->groups[k] = t->groups[--t->group_count];
		}
	return 0;
}

/* ---- showing ------------------------------------------------------------------------ */

void live_log_of(const struct image_log *l, struct revive_log *out)
{
	*out = (struct revive_log){.base = {.position = l->end_position,
	                                    .offset = l->end_offset,
	                                    .bytes = l->end_bytes,
	                                    .time_ns = l->end_ns},
	                           .low_position = l->low_position,
	                           .low_offset = l->low_offset,
	                           .gaps = image_gaps(l),
	                           .gap_count = image_gap_count(l),
	                           .table = image_table(l),
	                           .table_count = image_table_count(l),
	                           .has_frames = l->end_position > 0};
}

static int show_log(struct live *v, const struct map *m, unsigned partitions, unsigned partition, struct live_log *shown,
                    const struct image_log *l)
{
	struct revive_log now;
	int r = 0;

	if (shown->shown != l->changed) {
		live_log_of(l, &now);
		r = durable_show(&v->q->error, m, partitions, partition, &now);
		if (r == 0)
			shown->shown = l->changed;
	}
	if (r == 0)
		durable_raise(m, partition, l->end_position, l->end_offset);
	return r;
}

int live_show(struct live *v, const struct image_topic *it)
{
	struct live_topic *t;
	int r = live_topic(v, it->number, &t);

	if (r < 0)
		return r == SHMQ_ENOENT ? 0 : r;
	for (unsigned p = 0; p < it->r.partitions && r == 0; p++)
		r = show_log(v, &t->durable, it->r.partitions, p, &t->logs[p], &it->logs[p]);
	for (size_t k = 0; k < it->group_count && r == 0; k++) {
		struct live_group *g = live_group(t, it->groups[k]->number);

		if (g != NULL)
			r = show_log(v, &g->durable, 1, 0, &g->returns, &it->groups[k]->returns);
	}
	if (r == 0)
		bell_ring(&t->t.bell->room);
	return r;
}
