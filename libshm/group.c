/* SPDX-License-Identifier: MIT */
/*
 * group.c - a consumer of a group: opening and closing it.
 *
 * What a death leaves: a lease that others find broken, words that they give back, an owner word that they take
 * over, an intent that they resolve. Nothing has to be done for it before they go on.
 */
#include "group.h"

#include "clock.h"

#include <stdlib.h>
#include <string.h>

int shmq_group_name_check(const char *name)
{
	return shmq_topic_name_check(name);
}

/* ---- opening ------------------------------------------------------------------------ */

/* Whether the group has the options that were asked for. */
static int options_compare(struct group *g, const struct group_config *asked, unsigned set)
{
	const struct shmq_group_options *a = &asked->o, *b = &g->config.o;
	const char *what = NULL;

	if ((set & SHMQ_SET_MODE) && a->mode != b->mode)
		what = b->mode == SHMQ_GROUP_ORDERED ? "mode (it is ordered)" : "mode (it is shared)";
	else if ((set & SHMQ_SET_RETRIES) && a->retries != b->retries)
		what = "retries";
	else if ((set & SHMQ_SET_LEASE) && a->lease_ns != b->lease_ns)
		what = "lease";
	else if ((set & SHMQ_SET_BACKOFF) &&
	         (a->backoff_ns != b->backoff_ns || a->backoff_max_ns != b->backoff_max_ns))
		what = "back-off";
	else if ((set & SHMQ_SET_FILTER) && strcmp(asked->filter, g->config.filter) != 0)
		what = "key filter";
	else if ((set & SHMQ_SET_RETURNS) &&
	         (a->returns_rows != b->returns_rows || a->returns_bytes != b->returns_bytes))
		what = "return log";
	else if ((set & SHMQ_SET_EXPIRE) && a->expire_ns != b->expire_ns)
		what = "expiry";
	else if ((set & SHMQ_SET_WINDOW) && a->window != b->window)
		what = "window";
	else if ((set & SHMQ_SET_DEAD) && a->dead != b->dead)
		what = "treatment of dead letters";
	if (what == NULL)
		return 0;
	return fail(&g->q->error, SHMQ_ECONFIG, "group %s of topic %s is there with another %s", g->name,
	            g->topic.name, what);
}

/* Finds it, or makes it. */
static int find_or_make(struct group *g, const char *name, const struct shmq_consume_options *o,
                        const struct group_config *asked, bool *created)
{
	static const struct shmq_seek beginning;
	int r = SHMQ_EEXIST;

	*created = false;
	for (int tries = 0; tries < 100 && r == SHMQ_EEXIST; tries++) {
		r = group_find(g, name, true);
		if (r == 0) {
			r = group_move_finish(g);
			if (r == 0)
				r = group_rest_open(g);
			return r;
		}
		if (r != SHMQ_ENOENT || (o->flags & SHMQ_CONSUME_NO_CREATE))
			return r;
		r = group_make(g, name, asked, o->from_set ? &o->from : &beginning);
	}
	*created = r == 0;
	return r;
}

static int lanes_make(struct shmq_group *c)
{
	unsigned partitions = c->g.topic.options.partitions;

	c->lane_count = partitions + 1;
	c->lanes = calloc(c->lane_count, sizeof *c->lanes);
	if (c->lanes == NULL)
		return fail(&c->g.q->error, SHMQ_ENOMEM, "no private memory");
	for (unsigned i = 0; i < c->lane_count; i++) {
		struct lane *l = &c->lanes[i];

		l->log = LOG_NONE;
		l->partition = i;
		l->returns = i == partitions;
		l->until = UINT64_MAX;
		if (l->returns)
			l->window = c->g.returns_window;
		else
			group_window(&c->g, i, &l->window);
		l->stuck_floor = l->tick_floor = UINT64_MAX;
	}
	return 0;
}

static int ends_note(struct shmq_group *c)
{
	for (unsigned i = 0; i + 1 < c->lane_count; i++) {
		struct lane *l = &c->lanes[i];
		uint64_t end;
		int r = lane_open_log(c, l);

		if (r < 0 && r != SHMQ_ECORRUPT) /* that: told by who takes from it */
			return r;
		l->until = r == 0 ? log_known_end(&l->log, &end).offset : l->window.base;
	}
	return 0;
}

/* What group_find() or group_make() has opened. */
static void files_let_go(struct group *g)
{
	map_close(&g->map);
	map_close(&g->windows_map);
	log_close(&g->returns);
	map_close(&g->durable_map);
	g->file = NULL;
	g->windows = NULL;
	g->config.version = 0;
}

static int join_once(struct shmq_group *c, const char *name, const struct shmq_consume_options *o,
                     const struct group_config *asked, bool *created)
{
	int r = find_or_make(&c->g, name, o, asked, created);

	if (r == 0 && !*created && o->from_set)
		return fail(&c->g.q->error, SHMQ_EEXIST, "group %s of topic %s is there already", name,
		            c->g.topic.name);
	if (r == 0 && !*created)
		r = options_compare(&c->g, asked, o->set);
	if (r != 0)
		return r;
	if (!group_count_attach(&c->g))
		return SHMQ_GONE;
	r = member_join(&c->g, &c->self, true);
	return r != 0 && !group_live(&c->g) ? SHMQ_GONE : r;
}

static int consumer_join(struct shmq_group *c, const char *name, const struct shmq_consume_options *o,
                         const struct group_config *asked, bool *created)
{
	int r = SHMQ_GONE;

	/* Again for a group that ends while we come. */
	for (int tries = 0; tries < 100 && r == SHMQ_GONE && topic_live(&c->g.topic); tries++) {
		if (tries > 0)
			files_let_go(&c->g);
		r = join_once(c, name, o, asked, created);
	}
	return r;
}

static int consumer_check(shmq *q, const char *group, const struct shmq_consume_options *o,
                          struct group_config *asked)
{
	int r = broker_check(q, true);

	if (r == 0)
		r = group_name_check(&q->error, group);
	if (r == 0)
		r = group_options_check(&q->error, o->options, asked);
	if (r == 0 && o->prefetch > 4096)
		r = fail(&q->error, SHMQ_EINVAL, "prefetch is 1 to 4096 messages");
	return r;
}

int shmq_group_open(shmq *q, const char *topic, const char *group, const struct shmq_consume_options *o,
                    shmq_group **out, bool *created)
{
	static const struct shmq_consume_options defaults;
	struct group_config asked;
	struct shmq_group *c;
	bool made = false;
	int r;

	*out = NULL;
	if (o == NULL)
		o = &defaults;
	r = consumer_check(q, group, o, &asked);
	if (r < 0)
		return r;
	c = calloc(1, sizeof *c);
	if (c == NULL)
		return fail(&q->error, SHMQ_ENOMEM, "no private memory");
	c->g = GROUP_NONE;
	c->g.q = q;
	c->flags = o->flags;
	c->prefetch = o->prefetch != 0 ? o->prefetch : 256;
	c->due_ms = UINT64_MAX;
	c->random = clock_ns(CLOCK_MONOTONIC) ^ q->session.id << 32;
	r = topic_open(q, topic, false, true, NULL, &c->g.topic);
	if (r == 0)
		r = consumer_join(c, group, o, &asked, &made);
	if (r == 0)
		r = lanes_make(c);
	if (r == 0 && (o->flags & SHMQ_CONSUME_EXIT_AT_END))
		r = ends_note(c);
	if (r != 0) {
		struct error why = q->error;

		shmq_group_close(c);
		q->error = why;
		return r;
	}
	c->share = c->g.topic.options.partitions;
	c->returned_seen = load_seq(&c->g.file->returned) - 1; /* looks at everything first */
	c->renewed_ns = c->looked_ns = c->ticked_ns = coarse_ns();
	if (created != NULL)
		*created = made;
	*out = c;
	return 0;
}

void shmq_group_close(shmq_group *c)
{
	bool forked;

	if (c == NULL)
		return;
	forked = c->g.q->forked;
	for (unsigned i = 0; c->lanes != NULL && i < c->lane_count; i++) {
		struct lane *l = &c->lanes[i];

		if (forked)
			l->log.map.at = NULL;
		else if (c->self.entry != NULL)
			lane_reset(c, l);
		if (!forked && l->owned)
			lane_disown(c, l);
	}
	if (!forked && c->self.entry != NULL) {
		member_leave(&c->g, &c->self);
		for (unsigned i = 0; c->lanes != NULL && i < c->lane_count; i++)
			lane_raise(c, &c->lanes[i], true);
		group_tell(&c->g);
	}
	for (unsigned i = 0; c->lanes != NULL && i < c->lane_count; i++) {
		log_close(&c->lanes[i].log);
		frame_read_free(&c->lanes[i].read);
	}
	frame_read_free(&c->spare);
	frame_read_free(&c->moving);
	rows_free(&c->rows);
	column_free(&c->moved);
	group_close_files(&c->g);
	free(c->lanes);
	free(c);
}
