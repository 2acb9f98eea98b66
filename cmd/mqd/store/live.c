/* SPDX-License-Identifier: MIT */
/* live.c - topics in shared memory as mqd sees them. */
#include "live.h"

#include "numbered.h"
#include "registry.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t place(struct live *v, uint64_t number)
{
	return numbered_place(v->topics, v->count, number, &v->found);
}

struct live_topic *live_find(struct live *v, uint64_t number)
{
	size_t at = place(v, number);

	return numbered_is(v->topics, v->count, number, at) ? v->topics[at] : NULL;
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
	for (unsigned p = 0; p < t->partitions; p++) {
		struct log_base base = durable_base(&t->t.durable_map, p);

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

/* ---- maps and descriptors ----------------------------------------------------------- */

/* Descriptors are needed to make pages; what is only read is mapped for good. */
static void fd_drop(struct map *m)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}

static struct live_use use_of(const struct live_topic *t)
{
	/* topic, bell, durable; a group: itself, windows, return log, durable twice */
	return (struct live_use){.maps = 3 + t->partitions + 5 * t->group_count, .fds = t->group_count > 0};
}

static void use_add(struct live *v, struct live_use u)
{
	v->use.maps += u.maps;
	v->use.fds += u.fds;
}

static void use_sub(struct live *v, struct live_use u)
{
	v->use.maps -= u.maps;
	v->use.fds -= u.fds;
}

static bool use_fits(const struct live *v)
{
	return v->use.maps <= v->most.maps && v->use.fds <= v->most.fds;
}

static void used_never(struct live *v, struct live_topic *t)
{
	*(t->older != NULL ? &t->older->newer : &v->oldest) = t->newer;
	*(t->newer != NULL ? &t->newer->older : &v->newest) = t->older;
	t->older = t->newer = NULL;
}

static void used_last(struct live *v, struct live_topic *t)
{
	t->older = v->newest;
	*(v->newest != NULL ? &v->newest->newer : &v->oldest) = t;
	v->newest = t;
}

static void used_now(struct live *v, struct live_topic *t)
{
	if (v->newest == t)
		return;
	used_never(v, t);
	used_last(v, t);
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

static void park(struct live *v, struct live_topic *t)
{
	use_sub(v, use_of(t));
	for (size_t k = 0; k < t->group_count; k++)
		group_close_live(t->groups[k]);
	t->group_count = 0;
	for (unsigned p = 0; t->logs != NULL && p < t->partitions; p++)
		log_close(&t->logs[p].log);
	topic_close(&t->t);
	used_never(v, t);
	t->mapped = false;
}

#define PARK_LOOKS 64u /* at most so many topics are looked at for each that is mapped */

/* Groups are not parked: what is in flight of their return logs is known here only. */
static void park_some(struct live *v)
{
	struct live_topic *t = v->oldest;

	for (unsigned looks = 0; t != NULL && !use_fits(v) && looks < PARK_LOOKS; looks++) {
		struct live_topic *newer = t->newer;

		if (t->group_count == 0 && t != v->pinned && t != v->newest)
			park(v, t);
		t = newer;
	}
}

/* ---- topics ------------------------------------------------------------------------- */

static void forget(struct live *v, struct live_topic *t)
{
	size_t at = place(v, t->number);

	if (t->mapped)
		park(v, t);
	free(t->groups);
	free(t->logs);
	free(t);
	v->count--;
	memmove(&v->topics[at], &v->topics[at + 1], (v->count - at) * sizeof *v->topics);
}

void live_rewind(struct live *v)
{
	for (size_t k = v->count; k-- > 0;)
		if (v->topics[k]->mapped)
			topic_rewind(v, v->topics[k]);
		else
			forget(v, v->topics[k]);
}

/* The directory, for a moment: it stays open only while the topic has groups, which look for new files there. */
static int dir_open(struct live_topic *t)
{
	shmq *q = t->t.q;
	int fd = t->t.dirfd >= 0 ? t->t.dirfd : topic_dir_open(&q->error, q, t->number);

	if (fd < 0)
		return fd;
	t->t.dirfd = fd;
	return 0;
}

static void dir_close(struct live_topic *t)
{
	if (t->group_count > 0 || t->t.dirfd < 0)
		return;
	close(t->t.dirfd);
	t->t.dirfd = -1;
}

static int topic_map(struct live *v, struct live_topic *t)
{
	struct topic *o = &t->t;
	int r = topic_open_number(v->q, t->number, o);

	if (r == 0 && !topic_on_disk(o))
		r = SHMQ_ENOENT;
	if (r == 0 && t->logs != NULL && t->partitions != o->options.partitions)
		r = fail(&v->q->error, SHMQ_ECORRUPT, "topic %s: its partitions have changed", o->name);
	if (r == 0) { /* instead of the one that can only be read */
		map_close(&o->durable_map);
		r = durable_open(&v->q->error, o->dirfd, t->number, 0, o->options.partitions, true, &o->durable_map);
	}
	if (r < 0) {
		topic_close(o);
		return live_opened(r);
	}
	fd_drop(&o->durable_map);
	fd_drop(&o->bell_map);
	t->mapped = true;
	t->partitions = o->options.partitions;
	used_last(v, t);
	use_add(v, use_of(t));
	park_some(v);
	return 0;
}

/* What is known of a topic that was not looked at before. */
static int topic_begin(struct live *v, struct live_topic *t)
{
	t->logs = calloc(t->partitions, sizeof *t->logs);
	if (t->logs == NULL)
		return fail(&v->q->error, SHMQ_ENOMEM, "no private memory");
	for (unsigned p = 0; p < t->partitions; p++)
		t->logs[p].log = LOG_NONE;
	topic_rewind(v, t);
	return 0;
}

static int topic_add(struct live *v, uint64_t number, struct live_topic **out)
{
	struct live_topic *t;
	size_t at;
	int r;

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
	t->number = number;
	r = topic_map(v, t);
	if (r < 0) {
		free(t);
		return r;
	}
	at = place(v, number);
	memmove(&v->topics[at + 1], &v->topics[at], (v->count - at) * sizeof *v->topics);
	v->topics[at] = t;
	v->count++;
	r = topic_begin(v, t);
	if (r < 0) {
		forget(v, t);
		return r;
	}
	*out = t;
	return 0;
}

int live_topic(struct live *v, uint64_t number, struct live_topic **out)
{
	struct live_topic *t = live_find(v, number);
	int r = 0;

	*out = NULL;
	if (t == NULL)
		r = topic_add(v, number, &t);
	else if (!t->mapped)
		r = topic_map(v, t);
	if (r < 0)
		return r;
	*out = t;
	dir_close(t);
	if (!topic_live(&t->t))
		return SHMQ_ENOENT;
	used_now(v, t);
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
	r = dir_open(t);
	if (r == 0)
		r = topic_log_open(&t->t, partition, false, &l->log);
	if (r == 0)
		fd_drop(&l->log.map);
	dir_close(t);
	return live_opened(r);
}

#define RECORDS_MOST 100000u /* of topics that are parked */

void live_tidy(struct live *v)
{
	while (!use_fits(v) && v->oldest != NULL)
		forget(v, v->oldest);
	for (size_t k = v->count; k-- > 0 && v->count > RECORDS_MOST;)
		if (!v->topics[k]->mapped)
			forget(v, v->topics[k]);
}

#define REST_AT_A_TIME 64u /* a few milliseconds */

bool live_rest(struct live *v, size_t most)
{
	for (unsigned n = 0; n < REST_AT_A_TIME && v->count > most; n++)
		forget(v, v->oldest != NULL ? v->oldest : v->topics[v->count - 1]);
	return v->count <= most;
}

void live_free(struct live *v)
{
	while (v->count > 0)
		forget(v, v->topics[v->count - 1]);
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
	r = dir_open(t);
	if (r < 0) {
		free(g);
		return r;
	}
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
		return live_opened(r);
	}
	live_group_fds(g);
	fd_drop(&g->durable);
	base = durable_base(&g->durable, 0);
	log_rewind(&g->returns, ig != NULL ? &ig->returns : NULL, &base);
	t->groups[t->group_count++] = g;
	return 0;
}

static int groups_look(struct live *v, struct live_topic *t)
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

int live_groups(struct live *v, struct live_topic *t)
{
	int r;

	use_sub(v, use_of(t));
	r = groups_look(v, t);
	use_add(v, use_of(t));
	dir_close(t);
	park_some(v);
	return r;
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

/* Where a log ends is seen at once; its tables and gaps change with segments. */
static int show_log(struct live_topic *t, struct map *m, uint32_t group, unsigned partition, struct live_log *shown,
                    const struct image_log *l)
{
	struct error *e = &t->t.q->error;
	struct revive_log now;
	int r = 0;

	if (shown->shown != l->changed) {
		live_log_of(l, &now);
		r = dir_open(t);
		if (r == 0)
			r = durable_fd(e, t->t.dirfd, group, m);
		if (r == 0)
			r = durable_show(e, m, group == 0 ? t->partitions : 1, partition, &now);
		if (r == 0)
			shown->shown = l->changed;
		fd_drop(m);
		dir_close(t);
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
	if (it->group_count > t->group_count) /* it was not looked at since it was mapped; or one is over */
		r = live_groups(v, t);
	for (unsigned p = 0; p < t->partitions && p < it->r.partitions && r == 0; p++)
		r = show_log(t, &t->t.durable_map, 0, p, &t->logs[p], &it->logs[p]);
	for (size_t k = 0; k < it->group_count && r == 0; k++) {
		struct live_group *g = live_group(t, it->groups[k]->number);

		if (g != NULL)
			r = show_log(t, &g->durable, g->number, 0, &g->returns, &it->groups[k]->returns);
	}
	if (r == 0)
		bell_ring(&t->t.bell->room);
	return r;
}
