/* SPDX-License-Identifier: MIT */
/* acks.c - what groups have done, in rounds: read first, written when all that it builds on is written. */
#include "collect.h"

#include "bulk.h"

#include <string.h>

bool acks_wanted(const struct collector *c)
{
	/* relaxed: our own. Of rounds that have begun one may have been given up. */
	return c->round == 0 && load_seq(&c->live->q->broker->round_wanted) > load_relaxed(&c->daemon->rounds_durable);
}

bool acks_marked(const struct collector *c)
{
	return bits_any(&c->live->q->broker->acked);
}

/* ---- groups ------------------------------------------------------------------------- */

static void group_describe_now(const struct group *g, struct record_group *out)
{
	const struct shmq_group_options *o = &g->config.o;

	*out = (struct record_group){.incarnation = g->incarnation,
	                             .version = g->config.version,
	                             .created_ns = g->file->created_ns,
	                             .paused = group_paused(g),
	                             .lease_ns = o->lease_ns,
	                             .backoff_ns = o->backoff_ns,
	                             .backoff_max_ns = o->backoff_max_ns,
	                             .expire_ns = o->expire_ns,
	                             .returns_bytes = o->returns_bytes,
	                             .mode = o->mode,
	                             .retries = o->retries,
	                             .dead = o->dead,
	                             .returns_rows = o->returns_rows,
	                             .window = o->window};
	memcpy(out->name, g->name, sizeof g->name);
	memcpy(out->filter, g->config.filter, sizeof g->config.filter);
}

/* Takes over what is current: incarnation and options. 0; 1: they are others than were told; or an error. */
static int group_look(struct live_group *g, struct group *now, struct record_group *said)
{
	int r = group_windows_refresh(now);

	if (r >= 0)
		r = group_config_refresh(now);
	if (r < 0)
		return live_opened(r);
	live_group_fds(g);
	group_describe_now(now, said);
	return memcmp(said, &g->told, sizeof *said) != 0;
}

int group_tell_first(struct collector *c, struct live_topic *t, struct live_group *g, struct batch *b)
{
	const struct image_topic *it = image_topic(c->live->image, t->number);
	const struct image_group *ig = it != NULL ? image_group(it, g->number) : NULL;
	struct log_id id = {.topic = t->number, .group = g->number};
	uint64_t current = group_current(&g->g);
	struct record_group said;
	int r = 0;

	if (g->told.incarnation == current || (g->told.incarnation == 0 && ig != NULL && ig->r.incarnation == current))
		return 0; /* what else has changed comes with the next round */
	r = group_look(g, &g->g, &said);
	if (r <= 0)
		return r == SHMQ_ENOENT ? 0 : r;
	r = batch_add(b, RECORD_GROUP, id, NULL, &said, sizeof said);
	for (id.partition = 0; id.partition < t->t.options.partitions && r == 0; id.partition++) {
		struct window w;

		group_window(&g->g, id.partition, &w);
		r = batch_add(b, RECORD_WINDOW, id, (const uint64_t[4]){g->g.incarnation, w.base, 0, 0}, NULL, 0);
	}
	if (r == 0)
		g->told = said;
	return r;
}

/* ---- windows ------------------------------------------------------------------------ */

/* Which messages are done. Words are read once each: what becomes done meanwhile is in the next round. */
static int window_read(const struct window *w, bool returns, struct spans *done, struct spans *requeued)
{
	uint64_t floor = window_floor(w), word;

	if (floor > OFFSET_MAX)
		return SHMQ_ECORRUPT;
	spans_raise(done, floor);
	*requeued = (struct spans){.floor = floor, .bare = true};
	for (uint64_t o = floor; o - floor < w->count && window_backed(w, o); o++) {
		enum word_says says = window_look(w, o, &word);

		/* BELOW: the floor has come there since it was loaded. */
		if ((says == SAYS_DONE || says == SAYS_BELOW) && spans_add(done, o, o + 1) < 0)
			return SHMQ_ENOMEM;
		/* A dead letter that is to be delivered again; it says PARKED in its frame. */
		if (returns && says == SAYS_HELD && word_state(word) != WORD_PARKED &&
		    word_state(word) != WORD_PARKED_SETTLING && spans_add(requeued, o, o + 1) < 0)
			return SHMQ_ENOMEM;
	}
	return 0;
}

static int window_tell(struct collector *c, const struct window *w, struct log_id id, uint64_t incarnation)
{
	struct spans done = {0}, requeued = {0};
	int r = window_read(w, incarnation == 0, &done, &requeued);

	if (r == 0)
		r = record_spans(&c->acks, RECORD_WINDOW, id, incarnation, &done);
	if (r == 0 && incarnation == 0)
		r = record_spans(&c->acks, RECORD_REQUEUED, id, 0, &requeued);
	spans_free(&done);
	spans_free(&requeued);
	return r;
}

static int group_tell_round(struct collector *c, struct live_topic *t, struct live_group *g)
{
	struct log_id id = {.topic = t->number, .group = g->number};
	size_t before = c->acks.used;
	struct record_group said;
	uint64_t hash;
	int r = group_look(g, &g->g, &said);
	bool changed = r > 0;

	if (r < 0)
		return r == SHMQ_ENOENT ? 0 : r;
	r = record_add(&c->acks, RECORD_GROUP, id, NULL, &said, sizeof said);
	for (id.partition = 0; id.partition < t->t.options.partitions && r == 0; id.partition++) {
		struct window w;

		group_window(&g->g, id.partition, &w);
		r = window_tell(c, &w, id, g->g.incarnation);
	}
	id.partition = 0;
	if (r == 0)
		r = window_tell(c, &g->g.returns_window, id, 0);
	if (r < 0)
		return r;
	hash = bulk_hash(c->acks.data + before, c->acks.used - before);
	if (!changed && hash == g->told_hash)
		c->acks.used = before; /* as it was */
	g->told = said;
	g->told_hash = hash;
	return 0;
}

/* Its word is there: then it is only damaged. */
static bool group_stands(const struct live_topic *t, uint32_t number)
{
	for (unsigned i = 1; i < READERS; i++) {
		uint64_t w = load_acquire(&t->t.bell->readers[i]); /* head pairs attach */

		if (reader_word_state(w) == READER_GROUP && reader_word_group(w) == number)
			return true;
	}
	return false;
}

/* Groups that the store knows and that are there no more. */
static int groups_gone(struct collector *c, struct live_topic *t)
{
	const struct image_topic *it = image_topic(c->live->image, t->number);
	int r = 0;

	for (size_t k = 0; it != NULL && k < it->group_count && r == 0; k++)
		if (live_group(t, it->groups[k]->number) == NULL && !group_stands(t, it->groups[k]->number))
			r = record_add(&c->acks, RECORD_GROUP_END,
			               (struct log_id){.topic = t->number, .group = it->groups[k]->number}, NULL, NULL, 0);
	return r;
}

/* ---- rounds ------------------------------------------------------------------------- */

static int marked_add(struct collector *c, uint64_t number)
{
	return numbers_add(&c->marked, &c->marked_count, &c->marked_capacity, number);
}

static int barrier_add(struct collector *c, struct log_id log, uint64_t position)
{
	struct barrier b = {log, position};

	if (column_room(&c->barriers, sizeof b) < 0)
		return SHMQ_ENOMEM;
	memcpy(c->barriers.data + c->barriers.used, &b, sizeof b);
	c->barriers.used += sizeof b;
	return 0;
}

/* The disk is full, and what waits for it only holds up acks where something of it may be made from what was acked. */
static bool has_settles(const struct live_log *l)
{
	uint64_t end = ring_walk(&l->log, l->next);
	struct error e;
	struct frame f;

	for (uint64_t i = l->next; i < end; i++)
		if (ring_peek(&e, &l->log, i, &f) != 0 || (f.flags & FRAME_META))
			return true;
	return false;
}

/* Where logs end now that may have something that is not collected: behind the reading of words. Who settles marks the
 * log that it has linked into before the message is done (settle.c). */
static int barriers_set(struct collector *c)
{
	int r = collect_marks(c);

	for (size_t k = 0; k < c->pending_count && r == 0; k++) {
		struct live_topic *t;
		int e = live_topic(c->live, c->pending[k], &t);

		if (e == SHMQ_ENOENT || e == SHMQ_ECORRUPT)
			continue; /* over, or nobody can read it */
		if (e < 0)
			return SHMQ_EMPTY; /* no descriptors, for one: another time */
		for (unsigned p = 0; p < t->t.options.partitions && r == 0; p++)
			if (live_log_open(t, p) == 0 && (!c->frees_only || has_settles(&t->logs[p])))
				r = barrier_add(c, (struct log_id){.topic = t->number, .partition = p},
				                ring_walk(&t->logs[p].log, t->logs[p].next));
		for (size_t i = 0; i < t->group_count && r == 0; i++)
			if (log_attached(&t->groups[i]->g.returns))
				r = barrier_add(c, (struct log_id){.topic = t->number, .group = t->groups[i]->number},
				                ring_walk(&t->groups[i]->g.returns, t->groups[i]->returns.next));
	}
	return r;
}

static int topic_tell_round(struct collector *c, uint64_t number)
{
	struct live_topic *t;
	int r = live_topic(c->live, number, &t);

	if (r < 0) /* over, or damaged: said elsewhere */
		return r == SHMQ_ENOENT || r == SHMQ_ECORRUPT ? 0 : r;
	if (!t->told) { /* its groups come behind itself */
		r = numbers_add(&c->pending, &c->pending_count, &c->pending_capacity, number);
		if (r < 0)
			return r;
	}
	r = live_groups(c->live, t);
	for (size_t k = 0; k < t->group_count && r == 0; k++)
		r = group_tell_round(c, t, t->groups[k]);
	return r == 0 ? groups_gone(c, t) : r;
}

/* What was looked at of its groups is looked at again, in another round. */
static void topic_again(struct collector *c, uint64_t number)
{
	struct live_topic *t = live_find(c->live, number);

	for (size_t k = 0; t != NULL && k < t->group_count; k++) {
		t->groups[k]->told = (struct record_group){0};
		t->groups[k]->told_hash = 0;
	}
	topic_mark(c->live->q->broker, &c->live->q->broker->acked, number);
	c->spoiled = true;
}

int acks_begin(struct collector *c)
{
	struct daemon_file *d = c->daemon;
	int r;

	c->round = load_relaxed(&d->rounds_begun) + 1; /* relaxed: our own */
	store_release(&d->rounds_begun, c->round);     /* written:stored; before any bit or word is read */
	fence_seq();
	c->round_written = c->spoiled = false;
	c->acks.used = c->barriers.used = 0;
	c->marked_count = 0;
	r = collect_bits(c, &c->live->q->broker->acked, marked_add);
	for (size_t k = 0; k < c->marked_count && r == 0; k++) {
		size_t before = c->acks.used;

		r = topic_tell_round(c, c->marked[k]);
		if (r < 0 && r != SHMQ_ENOMEM) { /* of this topic: in another round */
			c->acks.used = before;
			topic_again(c, c->marked[k]);
			c->troubled(c->context, c->marked[k]);
			r = 0;
		}
	}
	if (r == 0)
		r = barriers_set(c);
	if (r == SHMQ_EMPTY) { /* what they were made into cannot be looked at: none of them now */
		c->acks.used = c->barriers.used = 0;
		for (size_t k = 0; k < c->marked_count; k++)
			topic_again(c, c->marked[k]);
		r = 0;
	}
	return r;
}

static bool barrier_passed(const struct collector *c, const struct barrier *b)
{
	const struct live_topic *t = live_find(c->live, b->log.topic);
	const struct live_group *g;

	if (t == NULL || t->ended)
		return true;
	if (b->log.group == 0)
		return t->logs[b->log.partition].next >= b->position;
	g = live_group(t, b->log.group);
	return g == NULL || g->returns.next >= b->position;
}

bool acks_ready(const struct collector *c)
{
	const struct barrier *all = (const struct barrier *)(const void *)c->barriers.data;

	if (c->round == 0 || c->round_written)
		return false;
	for (size_t k = 0; k < c->barriers.used / sizeof *all; k++)
		if (!barrier_passed(c, &all[k]))
			return false;
	return true;
}

bool acks_finish(struct collector *c, struct batch *b)
{
	if (!acks_ready(c))
		return false;
	if (!batch_has_room(b, c->acks.used) || batch_append(b, &c->acks) < 0)
		return false;
	b->rounds = c->round;
	b->spoiled = c->spoiled;
	c->round_written = true;
	return true;
}
