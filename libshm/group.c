/* SPDX-License-Identifier: MIT */
/*
 * group.c - a consumer of a group: opening it, its lease, and what becomes of each message.
 *
 * What a death leaves: a lease that others find broken, words that they give back, an owner word that they take
 * over, an intent that they resolve. Nothing has to be done for it before they go on.
 */
#include "group.h"

#include "bulk.h"
#include "clock.h"
#include "publish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_NS    1000000000u
#define REHOME_MS  1000 /* what waits longer than this does so in the return log: it must not hold up others */
#define MS_NS      1000000

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

/* ---- the lease ---------------------------------------------------------------------- */

static void lanes_forget_claims(struct shmq_group *c)
{
	for (unsigned i = 0; i < c->lane_count; i++)
		lane_reset(c, &c->lanes[i]);
}

static void lanes_forget(struct shmq_group *c)
{
	for (unsigned i = 0; i < c->lane_count; i++) {
		struct lane *l = &c->lanes[i];

		lane_reset(c, l);
		l->in_hand = 0;
		l->owned = false;
	}
	c->moved.used = 0;
}

/* We stood still for longer than our lease: what we held is given back, by us if others have not done it yet. */
static int came_late(struct shmq_group *c)
{
	int r;

	lanes_forget(c);
	r = member_rejoin(&c->g, &c->self);
	if (r < 0)
		return r;
	c->renewed_ns = coarse_ns();
	fail(&c->g.q->error, SHMQ_LATE,
	     "group %s of topic %s: this consumer stood still for longer than its lease; what it held was given to "
	     "others",
	     c->g.name, c->g.topic.name);
	return SHMQ_LATE;
}

/* Takes over other windows, or other options. 0 or an error. */
static int changes_follow(struct shmq_group *c)
{
	bool moved = load_acquire(&c->g.file->current) != c->g.incarnation; /* current pairs seek */
	int r = 0;

	if (moved) {
		lanes_forget(c);
		r = group_windows_refresh(&c->g);
		for (unsigned i = 0; r >= 0 && i + 1 < c->lane_count; i++) {
			struct lane *l = &c->lanes[i];

			group_window(&c->g, i, &l->window);
			l->gate_position = 0;
			l->gate_bytes = UINT64_MAX / 2; /* its gate is to be set */
			l->read.open = false;
			l->stuck_floor = l->tick_floor = UINT64_MAX;
		}
		c->returned_seen--;
	}
	if (r >= 0 && load_acquire(&c->g.file->config) != c->g.config.version) { /* config pairs alter */
		lanes_forget_claims(c);
		r = group_config_refresh(&c->g);
	}
	return r < 0 ? (r == SHMQ_ENOENT ? group_gone(&c->g) : r) : 0;
}

/* Gives a partition to others once nothing of it is in hand. */
static void lane_leave_when_done(struct shmq_group *c, struct lane *l)
{
	if (!l->leaving || l->in_hand > 0)
		return;
	lane_disown(c, l);
	l->leaving = false;
	l->resting = true; /* until the next tick: for another one to take */
}

static void share_out(struct shmq_group *c)
{
	unsigned partitions = c->g.topic.options.partitions, members = members_alive(&c->g), owned = owned_count(c);

	c->share = members > 1 ? (partitions + members - 1) / members : partitions;
	for (unsigned i = 0; i + 1 < c->lane_count; i++) {
		struct lane *l = &c->lanes[i];

		l->resting = l->leaving = false;
		if (l->owned && owned > c->share) {
			l->leaving = true; /* hands out nothing more */
			lane_leave_when_done(c, l);
			owned--;
		}
	}
}

/* Once a second. */
static int tick(struct shmq_group *c, uint64_t now)
{
	int r;

	if (!group_live(&c->g))
		return group_gone(&c->g);
	r = topic_check_linked(&c->g.topic);
	if (r == 0)
		r = session_check(&c->g.q->error, &c->g.q->session);
	if (r == 0)
		r = group_move_finish(&c->g);
	if (r != 0)
		return r;
	/* Who stood still, or was suspended, breaks no lease at once: others may have been, too. */
	members_look_after(&c->g, now - c->ticked_ns < 2 * (uint64_t)TICK_NS);
	c->ticked_ns = now;
	/* Who was stopped before its claim may have claimed with a lease that was broken meanwhile, and died: nobody has
	   told of that. */
	c->sweep_cut = true;
	if (c->g.config.o.mode == SHMQ_GROUP_ORDERED)
		share_out(c);
	if (load_acquire(&c->g.file->current) != c->g.incarnation) /* current pairs seek; the next call follows */
		return 0;
	c->ticking = !c->settling;
	for (unsigned i = 0; i < c->lane_count; i++) {
		lane_raise(c, &c->lanes[i], true);
		lane_unblock(c, &c->lanes[i]);
	}
	c->ticking = false;
	return 0;
}

/* What is due by time; ours first. 0, SHMQ_LATE, or what happened. */
static inline int keep_up(struct shmq_group *c, uint64_t t, bool now)
{
	uint64_t half = (uint64_t)c->g.config.o.lease_ns / 2;

	if (!member_stands(&c->self))
		return came_late(c);
	if (now || t - c->renewed_ns >= (half < TICK_NS ? half : TICK_NS)) {
		if (!member_renew(&c->g, &c->self))
			return came_late(c);
		c->renewed_ns = t;
	}
	if (t - c->looked_ns < TICK_NS)
		return 0;
	c->looked_ns = t;
	return tick(c, t);
}

int consumer_keep_up(struct shmq_group *c)
{
	return keep_up(c, coarse_ns(), false);
}

int shmq_group_renew(shmq_group *c)
{
	int r = c->g.q->forked ? broker_check(c->g.q, true) : keep_up(c, coarse_ns(), true);

	return r;
}

void shmq_group_options_now(shmq_group *c, struct shmq_group_options *out)
{
	if (!c->g.q->forked)
		group_config_refresh(&c->g);
	*out = c->g.config.o;
}

/* ---- handing out -------------------------------------------------------------------- */

static int lanes_next(struct shmq_group *c, struct shmq_delivery *d)
{
	for (unsigned n = 0; n < c->lane_count; n++) {
		struct lane *l = &c->lanes[c->turn];
		int r;

		r = l->ended ? SHMQ_EMPTY : lane_next(c, l, d);
		if (r == SHMQ_ECORRUPT && !log_attached(lane_log(c, l)))
			l->ended = true; /* said once; the other partitions go on */
		if (r != 0 || !l->read.open || l->row >= l->row_end)
			c->turn = c->turn + 1 < c->lane_count ? c->turn + 1 : 0;
		if (r != SHMQ_EMPTY)
			return r;
	}
	return SHMQ_EMPTY;
}

static int nothing(struct shmq_group *c)
{
	bool done = (c->flags & SHMQ_CONSUME_EXIT_AT_END) != 0;

	for (unsigned i = 0; i < c->lane_count; i++) {
		lane_raise(c, &c->lanes[i], true);
		lane_unblock(c, &c->lanes[i]);
		done = done && lane_is_done(c, &c->lanes[i]);
	}
	if (!group_live(&c->g) || !topic_live(&c->g.topic))
		return group_gone(&c->g);
	return done ? SHMQ_END : SHMQ_EMPTY;
}

int shmq_group_next(shmq_group *c, struct shmq_delivery *d)
{
	uint64_t now;
	int r;

	if (c->g.q->forked)
		return broker_check(c->g.q, true);
	now = coarse_ns();
	if (c->late_untold) {
		c->late_untold = false;
		return came_late(c);
	}
	r = keep_up(c, now, false);
	if (r == 0 && (load_acquire(&c->g.file->current) != c->g.incarnation || /* current pairs seek */
	               load_acquire(&c->g.file->config) != c->g.config.version)) /* config pairs alter */
		r = changes_follow(c);
	if (r != 0)
		return r;
	if (load_acquire(&c->g.file->paused) != 0)
		return group_live(&c->g) && topic_live(&c->g.topic) ? SHMQ_EMPTY : group_gone(&c->g);
	r = sweep_if_needed(c, now, false);
	if (r == 0)
		r = lanes_next(c, d);
	if (r != SHMQ_EMPTY)
		return r;
	r = sweep_if_needed(c, now, true);
	if (r == 0)
		r = lanes_next(c, d);
	return r == SHMQ_EMPTY ? nothing(c) : r;
}

/* ---- one message in hand ------------------------------------------------------------ */

struct in_hand {
	struct lane *lane;
	uint64_t offset, word;
};

/* Where a delivery is by now: it may have been moved. */
static void follow_moves(struct shmq_group *c, uint64_t *partition, uint64_t *incarnation, uint64_t *offset)
{
	const struct moved *m = (const struct moved *)(const void *)c->moved.data;

	for (size_t i = 0; i < c->moved.used / sizeof *m; i++)
		if (m[i].incarnation == *incarnation && m[i].from == *offset &&
		    (m[i].incarnation == 0 || m[i].partition == *partition)) {
			*partition = UINT64_MAX;
			*incarnation = 0;
			*offset = m[i].to;
		}
}

static void forget_move(struct shmq_group *c, const struct in_hand *h)
{
	struct moved *m = (struct moved *)(void *)c->moved.data;
	size_t n = c->moved.used / sizeof *m;

	for (size_t i = 0; i < n && h->lane->returns; i++)
		if (m[i].to == h->offset) { /* in order: they are followed one after the other */
			memmove(&m[i], &m[i + 1], (n - i - 1) * sizeof *m);
			c->moved.used -= sizeof *m;
			return;
		}
}

static int not_ours(struct shmq_group *c, uint64_t offset)
{
	fail(&c->g.q->error, SHMQ_LATE,
	     "group %s: message %llu is not this consumer's any more: its lease ran out, the group was moved, or the "
	     "message is gone",
	     c->g.name, (unsigned long long)offset);
	return SHMQ_LATE;
}

/* The word of a delivery, if it is still ours: 0 or SHMQ_LATE. */
static int find_word(struct shmq_group *c, const struct shmq_delivery *d, struct in_hand *h)
{
	uint64_t partition = d->private_[0], offset = d->private_[1], incarnation = d->private_[2];
	uint64_t owner = d->private_[3] >> 8;
	unsigned attempt = (unsigned)(d->private_[3] & 0xff);
	enum word_says says = SAYS_DONE;

	if (c->g.q->forked)
		return broker_check(c->g.q, true);
	if (c->moved.used > 0)
		follow_moves(c, &partition, &incarnation, &offset);
	if (incarnation == 0)
		h->lane = lane_returns(c);
	else if (incarnation == c->g.incarnation && partition + 1 < c->lane_count &&
	         load_acquire(&c->g.file->current) == incarnation) /* current pairs seek */
		h->lane = &c->lanes[partition];
	else
		h->lane = NULL;
	h->offset = offset;
	if (h->lane != NULL)
		says = window_look(&h->lane->window, offset, &h->word);
	/* With a broken lease nothing counts, though nobody may have given this one back yet: of an ordered group a
	   later message would be acked before an earlier one. */
	if (says == SAYS_HELD && word_low(h->word) == owner && owner == c->self.owner && member_stands(&c->self) &&
	    ((word_state(h->word) == WORD_WORKING && word_deliveries(h->word) == attempt) ||
	     (word_state(h->word) == WORD_CLAIMED && word_deliveries(h->word) + 1 == attempt)))
		return 0;
	if (h->lane != NULL && h->lane->in_hand > 0)
		h->lane->in_hand--;
	return not_ours(c, d->message.offset);
}

/* It has left our hands. */
static void put_down(struct shmq_group *c, const struct in_hand *h)
{
	struct lane *l = h->lane;

	if (l->in_hand > 0)
		l->in_hand--;
	lane_leave_when_done(c, l);
	if (c->moved.used > 0)
		forget_move(c, h);
	if (h->offset < l->cursor && word_state(h->word) != WORD_DONE)
		l->cursor = 0; /* ordered: it comes again before what follows */
	if (l->in_hand == 0)
		lane_raise(c, l, false);
}

static int set_word(struct shmq_group *c, struct in_hand *h, uint64_t next)
{
	bool set = window_set(&h->lane->window, h->offset, h->word, next);

	h->word = next;
	put_down(c, h);
	return set ? 0 : not_ours(c, h->offset);
}

int shmq_group_start(shmq_group *c, struct shmq_delivery *d)
{
	struct in_hand h;
	int r = find_word(c, d, &h);
	unsigned deliveries;
	uint64_t next;

	if (r != 0 || word_state(h.word) == WORD_WORKING)
		return r;
	deliveries = word_deliveries(h.word);
	next = window_next(&h.lane->window, h.offset, h.word, word_tag(h.word),
	                   deliveries < 255 ? deliveries + 1 : 255, WORD_WORKING, c->self.owner);
	if (window_set(&h.lane->window, h.offset, h.word, next))
		return 0;
	put_down(c, &h);
	return find_word(c, d, &h);
}

int shmq_group_ack(shmq_group *c, const struct shmq_delivery *d)
{
	struct in_hand h;
	int r = find_word(c, d, &h);

	if (r != 0)
		return r;
	r = set_word(c, &h, window_done(&h.lane->window, h.offset, h.word));
	if (r == 0)
		counter_add(&c->self.entry->acked, 1);
	return r;
}

int shmq_group_release(shmq_group *c, const struct shmq_delivery *d)
{
	struct in_hand h;
	int r = find_word(c, d, &h);
	unsigned deliveries;

	if (r != 0)
		return r;
	deliveries = word_deliveries(h.word);
	if (word_state(h.word) == WORD_WORKING && deliveries > 0)
		deliveries--;
	r = set_word(c, &h, window_next(&h.lane->window, h.offset, h.word, word_tag(h.word), deliveries, WORD_WAITING,
	                                boot_ms()));
	group_tell(&c->g);
	return r;
}

/* ---- what becomes of what is not done ----------------------------------------------- */

const char *shmq_reason_text(enum shmq_reason reason)
{
	static const char *const text[] = {"max-deliver", "rejected", "timeout", "expired"};

	return (unsigned)reason < sizeof text / sizeof *text ? text[reason] : "unknown";
}

/* Reads a message of ours again, with what is known of it from before. 0; SHMQ_LATE: it is gone. */
static int read_again(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t *word, struct shmq_message *m,
                      struct meta_return *meta)
{
	int r = row_read(&c->g, lane_log(c, l), offset, &c->moving, m);

	*meta = (struct meta_return){.origin_offset = offset,
	                             .origin_ns = m->time_ns,
	                             .origin_partition = l->partition,
	                             .status = -1,
	                             .first_ns = clock_ns(CLOCK_REALTIME)};
	if (r == 0 && l->returns) {
		const unsigned char *text;

		if (!returns_meta(&c->moving, meta, &text))
			r = SHMQ_ECORRUPT;
		else if (meta->state == WORD_PARKED) /* it was requeued since */
			meta->requeues++;
	}
	if (r != SHMQ_OVERRUN && r != SHMQ_ECORRUPT)
		return r;
	/* Publishers did not keep it for us, or it is damaged: there is nothing to move. */
	window_set(&l->window, offset, *word, window_done(&l->window, offset, *word));
	counter_add(&c->g.q->counters->messages_missed, 1);
	return SHMQ_LATE;
}

static int put(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t *word, const struct shmq_message *m,
               const struct meta_return *meta, const void *text, uint64_t *new_offset)
{
	return returns_put(&c->g, &c->self, &c->rows, &l->window, l->returns ? 0 : l->partition,
	                   l->returns ? 0 : c->g.incarnation, offset, word, m, meta, text, new_offset);
}

int move_to_returns(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t *word, enum word_state state,
                    uint64_t low, unsigned deliveries, uint64_t *new_offset)
{
	struct shmq_message m;
	struct meta_return meta;
	int r = read_again(c, l, offset, word, &m, &meta);

	if (r != 0)
		return r;
	meta.state = (uint8_t)state;
	meta.low = low;
	meta.deliveries = (uint16_t)deliveries;
	meta.text_bytes = 0;
	return put(c, l, offset, word, &m, &meta, NULL, new_offset);
}

static uint64_t backoff_ms(struct shmq_group *c, unsigned deliveries)
{
	uint64_t most = (uint64_t)c->g.config.o.backoff_max_ns / MS_NS, ms = (uint64_t)c->g.config.o.backoff_ns / MS_NS;

	while (deliveries-- > 1 && ms < most)
		ms *= 2;
	if (ms > most)
		ms = most;
	/* Full jitter: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. */
	c->random = c->random * 6364136223846793005u + 1442695040888963407u;
	return ms == 0 ? 0 : (c->random >> 33) % (ms + 1);
}

/* It cannot be kept as a dead letter: it waits in its place, and is tried again. */
static void wait_instead(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t word)
{
	uint64_t due = boot_ms() + (uint64_t)c->g.config.o.backoff_max_ns / MS_NS;

	window_set(&l->window, offset, word,
	           window_next(&l->window, offset, word, word_tag(word), word_deliveries(word), WORD_WAITING, due));
	group_tell(&c->g);
}

int dead_letter(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t *word, const struct shmq_failure *why)
{
	struct shmq_message m;
	struct meta_return meta;
	const char *text = NULL;
	int r;

	if (c->g.config.o.dead == SHMQ_GROUP_DEAD_DROP) {
		if (!window_set(&l->window, offset, *word, window_done(&l->window, offset, *word)))
			return SHMQ_LATE;
		counter_add(&c->self.entry->dropped, 1);
		return 0;
	}
	r = read_again(c, l, offset, word, &m, &meta);
	if (r != 0)
		return r;
	meta.state = WORD_PARKED;
	meta.letter = 0;
	meta.low = 0;
	meta.deliveries = (uint16_t)word_deliveries(*word);
	meta.dead_ns = clock_ns(CLOCK_REALTIME);
	meta.reason = why != NULL ? (uint8_t)why->reason : SHMQ_REASON_MAX_DELIVER;
	meta.status = why != NULL ? why->status : -1;
	meta.text_bytes = 0;
	if (why != NULL && why->text_len > 0) {
		size_t keep = why->text_len < SHMQ_FAILURE_TEXT_MAX ? why->text_len : SHMQ_FAILURE_TEXT_MAX;

		text = (const char *)why->text + (why->text_len - keep);
		meta.text_bytes = (uint32_t)keep;
	}
	r = put(c, l, offset, word, &m, &meta, text, NULL);
	if (r == 0)
		counter_add(&c->self.entry->dead_lettered, 1);
	if (r == SHMQ_EDATA) /* it never will have room */
		r = SHMQ_FULL;
	if (r == SHMQ_FULL)
		wait_instead(c, l, offset, *word);
	return r;
}

/* What is settled counts as begun. */
static int make_working(struct shmq_group *c, struct in_hand *h)
{
	unsigned deliveries = word_deliveries(h->word);
	uint64_t next = window_next(&h->lane->window, h->offset, h->word, word_tag(h->word),
	                            deliveries < 255 ? deliveries + 1 : 255, WORD_WORKING, c->self.owner);

	if (word_state(h->word) == WORD_WORKING)
		return 0;
	if (!window_set(&h->lane->window, h->offset, h->word, next))
		return SHMQ_LATE;
	h->word = next;
	return 0;
}

int shmq_group_dead(shmq_group *c, const struct shmq_delivery *d, const struct shmq_failure *why)
{
	struct shmq_failure rejected = {.reason = SHMQ_REASON_REJECTED, .status = -1};
	struct in_hand h;
	int r = find_word(c, d, &h);

	if (r == 0)
		r = make_working(c, &h);
	if (r != 0)
		return r;
	r = dead_letter(c, h.lane, h.offset, &h.word, why != NULL ? why : &rejected);
	if (r >= 0)
		put_down(c, &h);
	return r;
}

int shmq_group_retry(shmq_group *c, const struct shmq_delivery *d, int64_t delay_ns, const struct shmq_failure *why,
                     bool *dead)
{
	struct in_hand h;
	uint64_t delay_ms, due;
	int r = find_word(c, d, &h);

	if (dead != NULL)
		*dead = false;
	if (r == 0)
		r = make_working(c, &h);
	if (r != 0)
		return r;
	if (delay_ns < SHMQ_BACKOFF || delay_ns > 30 * 86400 * INT64_C(1000000000))
		return fail(&c->g.q->error, SHMQ_EINVAL, "a retry waits 0 to 30 days");
	if (word_deliveries(h.word) >= c->g.config.o.retries) {
		r = dead_letter(c, h.lane, h.offset, &h.word, why);
		if (dead != NULL)
			*dead = r == 0;
		if (r >= 0)
			put_down(c, &h);
		return r == SHMQ_FULL ? 0 : r;
	}
	delay_ms = delay_ns == SHMQ_BACKOFF ? backoff_ms(c, word_deliveries(h.word)) : (uint64_t)delay_ns / MS_NS;
	due = boot_ms() + delay_ms;
	if (delay_ms > REHOME_MS && !h.lane->returns && c->g.config.o.mode == SHMQ_GROUP_SHARED) {
		r = move_to_returns(c, h.lane, h.offset, &h.word, WORD_WAITING, due, word_deliveries(h.word), NULL);
		if (r == 0 || r == SHMQ_LATE)
			put_down(c, &h);
		if (r != SHMQ_FULL && r != SHMQ_EDATA)
			return r;
	}
	r = set_word(c, &h, window_next(&h.lane->window, h.offset, h.word, word_tag(h.word), word_deliveries(h.word),
	                                WORD_WAITING, due));
	group_tell(&c->g);
	return r;
}

/* ---- exactly once ------------------------------------------------------------------- */

static int renew_while_waiting(void *context)
{
	struct shmq_group *c = context;

	/* The target may wait for us, who read it too, or in a circle. */
	for (unsigned i = 0; i < c->lane_count; i++)
		lane_raise(c, &c->lanes[i], true);
	return consumer_keep_up(c);
}

int shmq_group_settle(shmq_group *c, const struct shmq_delivery *d, shmq_pub *target,
                      const struct shmq_message *messages, size_t count, int64_t wait_ns)
{
	struct shmq_message input = {.partition = -1};
	struct in_hand h;
	struct settle s;
	int r = find_word(c, d, &h);

	if (r == 0 && target->q != c->g.q)
		return fail(&c->g.q->error, SHMQ_EINVAL, "the publisher must be on the consumer's broker handle");
	if (r == 0)
		r = make_working(c, &h);
	if (r != 0)
		return r;
	if (count == 0)
		return shmq_group_ack(c, d);
	if (messages[0].key == NULL && messages[0].partition < 0 && shmq_pub_partitions(target) > 1) {
		r = row_read(&c->g, lane_log(c, h.lane), h.offset, &c->moving, &input); /* d's may be void by now */
		if (r != 0)
			return r == SHMQ_OVERRUN ? SHMQ_LATE : r;
	}
	/* While it is settled it stays where it is: a renewal must not move it. */
	s = (struct settle){.g = &c->g,
	                    .self = &c->self,
	                    .window = &h.lane->window,
	                    .offset = h.offset,
	                    .word = h.word,
	                    .partition = h.lane->returns ? 0 : h.lane->partition,
	                    .incarnation = h.lane->returns ? 0 : c->g.incarnation};
	c->settling = true;
	r = settle_into(&s, target, &input, messages, count, wait_ns, renew_while_waiting, c);
	c->settling = false;
	if (r == 0) {
		h.word = window_done(&h.lane->window, h.offset, h.word);
		counter_add(&c->self.entry->acked, 1);
	}
	if (r == 0 || r == SHMQ_LATE)
		put_down(c, &h);
	return r;
}
