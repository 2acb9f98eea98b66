/* SPDX-License-Identifier: MIT */
/* bring_back.c - what the store knows, into memory that was lost. */
#include "bring_back.h"

#include "clock.h"
#include "past.h"
#include "registry.h"
#include "topic_end.h"

#include <stdlib.h>
#include <string.h>

#define GAP_STEP (1ULL << 24)
#define ROWS_LOST_MIN (1ULL << 20)

/* Whether memory has it. It has not only when its name stands for nothing, or for another: what cannot be told, as a file
 * is damaged, is there. */
static bool topic_stands(struct server *s, const struct image_topic *it)
{
	struct topic_brief b;
	int r = topic_find(s->q, it->r.name, &b);

	return r == 0 ? b.number == it->number : r != SHMQ_ENOENT;
}

/* ---- where logs go on --------------------------------------------------------------- */

/* What can have been read and was not durable stood in memory: a message takes a byte of it at least. */
static uint64_t next_offset(const struct image_log *l, uint64_t pool_bytes)
{
	uint64_t beyond = pool_bytes > ROWS_LOST_MIN ? pool_bytes : ROWS_LOST_MIN;

	return ALIGN_UP(l->end_offset + beyond, GAP_STEP);
}

static int gap_describe(const struct image_log *l, uint64_t pool_bytes, struct column *out)
{
	const uint64_t at[4] = {l->end_position, next_offset(l, pool_bytes), l->end_bytes, l->end_ns};

	return record_add(out, RECORD_GAP, l->id, at, NULL, 0);
}

/* Return logs go on where they end. Nobody but the group reads them, and nothing durable speaks of a row that is not: so
 * an offset of one can be used again. Their window reaches W offsets from the oldest dead letter on, which may stay for
 * ever: behind a gap nothing could be put there any more. */
int gaps_describe(struct server *s, struct column *out)
{
	const struct image *i = &s->image;
	int r = 0;

	for (size_t k = 0; k < i->topic_count && r == 0; k++) {
		const struct image_topic *t = i->topics[k];

		if (topic_stands(s, t)) /* an mqd that died here had brought it back */
			continue;

		for (unsigned p = 0; p < t->r.partitions && r == 0; p++)
			r = gap_describe(&t->logs[p], t->r.pool_bytes, out);
	}
	return r;
}

/* ---- groups ------------------------------------------------------------------------- */

static int config_of(struct error *e, const struct record_group *r, struct group_config *out)
{
	struct shmq_group_options o = {.mode = (enum shmq_group_mode)r->mode,
	                               .retries = r->retries,
	                               .lease_ns = r->lease_ns,
	                               .backoff_ns = r->backoff_ns,
	                               .backoff_max_ns = r->backoff_max_ns,
	                               .filter = r->filter[0] != '\0' ? r->filter : NULL,
	                               .returns_rows = r->returns_rows,
	                               .returns_bytes = r->returns_bytes,
	                               .expire_ns = r->expire_ns,
	                               .window = r->window,
	                               .dead = (enum shmq_group_dead)r->dead};
	int e_ = group_options_check(e, &o, out);

	out->version = r->version != 0 ? r->version : 1;
	return e_;
}

/* Not before what retention has left, nor in a gap. */
static uint64_t floor_of(const struct image_log *l, uint64_t floor)
{
	const struct offset_gap *gaps = image_gaps(l);

	if (floor < l->low_offset)
		floor = l->low_offset;
	for (size_t k = 0; k < image_gap_count(l); k++)
		if (floor >= gaps[k].from && floor < gaps[k].to)
			floor = gaps[k].to;
	return floor;
}

/* Where a window begins: the frame with its first message. And what is done beyond. */
static void place_of(struct topic *t, unsigned p, const struct image_log *l, const struct spans *done,
                     struct window_place *out)
{
	uint64_t floor = floor_of(l, done->floor);
	struct log log = LOG_NONE;
	uint64_t position;
	struct frame f;
	struct error e;

	*out = (struct window_place){
	        .offset = floor, .position = l->end_position, .done = done->at, .done_count = done->count};
	if (floor >= l->end_offset || l->end_position == 0 || topic_log_open(t, p, false, &log) != 0)
		return;
	out->position = l->low_position; /* at least: what is before the floor is known to be done */
	if (past_search(&log, l->end_position, false, floor, &position)) {
		out->position = position;
		if (log_peek(&e, &log, position, &f) == 0 && floor > f.offset && floor - f.offset < f.count)
			out->row = floor - f.offset;
		else if (log_peek(&e, &log, position, &f) == 0 && f.offset + f.count <= floor)
			out->position = position + 1;
	}
	log_close(&log);
}

/* Dead letters that were to be delivered again. */
static int letters_requeue(struct error *e, struct group *g, const struct image_group *ig)
{
	struct window *w = &g->returns_window;
	int r = 0;

	for (size_t k = 0; k < ig->requeued.count; k++)
		for (uint64_t o = ig->requeued.at[k].from; o < ig->requeued.at[k].to && r == 0; o++) {
			uint64_t word;

			if (o >= ig->returns.end_offset || window_look(w, o, &word) != SAYS_FREE)
				continue;
			r = window_reserve(e, w, o);
			if (r == 0)
				window_set(w, o, word,
				           window_next(w, o, word_tag(word) + 1, 0, WORD_WAITING,
				                       clock_ns(CLOCK_BOOTTIME) / 1000000));
		}
	return r;
}

static int group_bring_back(struct server *s, struct topic *t, const struct image_topic *it, const struct image_group *ig)
{
	struct window_place places[SHMQ_PARTITIONS_MAX], returned = {.offset = floor_of(&ig->returns, ig->returned.floor),
	                                                             .done = ig->returned.at,
	                                                             .done_count = ig->returned.count};
	struct group g = GROUP_NONE;
	struct group_config config;
	struct revive_log returns;
	int r = config_of(&s->error, &ig->r, &config);

	if (r < 0)
		return r;
	g.q = s->q;
	g.topic = *t;
	for (unsigned p = 0; p < it->r.partitions; p++)
		place_of(t, p, &it->logs[p], &ig->windows[p], &places[p]);
	live_log_of(&ig->returns, &returns);
	r = group_revive(&g, ig->r.name, ig->number, ig->r.incarnation, ig->r.paused != 0, &config, places,
	                 &returns, &returned);
	if (r == 0)
		r = letters_requeue(&s->q->error, &g, ig);
	if (r == 0 && !group_revive_end(&g))
		r = fail(&s->q->error, SHMQ_ESYSTEM, "group %s: made by another, too", ig->r.name);
	g.topic = TOPIC_NONE; /* not ours to close */
	group_close_files(&g);
	if (r < 0)
		s->error = s->q->error;
	return r;
}

/* ---- topics ------------------------------------------------------------------------- */

static int topic_bring_back(struct server *s, const struct image_topic *it)
{
	struct revive_log *logs = calloc(it->r.partitions, sizeof *logs);
	struct revive_topic r = {.number = it->number,
	                         .name = it->r.name,
	                         .options = {.partitions = it->r.partitions,
	                                     .slots = it->r.slots,
	                                     .pool_bytes = it->r.pool_bytes,
	                                     .keep_bytes = it->r.keep_bytes,
	                                     .full = (enum shmq_full)it->r.full,
	                                     .storage = SHMQ_STORAGE_DISK,
	                                     .retention = {.age_ns = (int64_t)it->r.retain_ns,
	                                                   .bytes = it->r.retain_bytes,
	                                                   .until_acked = it->r.retain_flags & 1}},
	                         .created_ns = it->r.created_ns,
	                         .first_offset = it->r.first_offset,
	                         .groups = it->r.groups + 1024, /* made, and lost with the power */
	                         .logs = logs};
	struct topic t;
	int e;

	if (logs == NULL)
		return fail(&s->error, SHMQ_ENOMEM, "no private memory");
	for (unsigned p = 0; p < it->r.partitions; p++)
		live_log_of(&it->logs[p], &logs[p]);
	e = topic_revive(s->q, &r, &t);
	free(logs);
	if (e < 0) {
		s->error = s->q->error;
		return e;
	}
	for (size_t k = 0; k < it->group_count && e == 0; k++)
		e = group_bring_back(s, &t, it, it->groups[k]);
	topic_close(&t);
	if (e == 0)
		e = registry_enter(s->q, it->r.name, it->number);
	if (e == SHMQ_EEXIST)
		return fail(&s->error, SHMQ_ECONFIG,
		            "topic %s is in the store, but in %s another one has its name; delete that one (mqd topic delete "
		            "%s), or use another runtime directory (-b)",
		            it->r.name, s->q->dir, it->r.name);
	if (e < 0)
		s->error = s->q->error;
	return e;
}

int bring_back(struct server *s)
{
	int r = 0;

	for (size_t k = 0; k < s->image.topic_count && r == 0; k++)
		if (!topic_stands(s, s->image.topics[k]))
			r = topic_bring_back(s, s->image.topics[k]);
	return r;
}

int deleted_describe(struct server *s, struct column *out)
{
	int r = 0;

	for (size_t k = 0; k < s->image.topic_count && r == 0; k++) {
		const struct image_topic *it = s->image.topics[k];

		if (!topic_stands(s, it)) {
			server_say(s, SAY_NOTE, "topic %s was deleted while no mqd ran", it->r.name);
			r = record_add(out, RECORD_TOPIC_END, (struct log_id){.topic = it->number}, NULL, NULL, 0);
		}
	}
	return r;
}
