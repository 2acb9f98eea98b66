/* SPDX-License-Identifier: MIT */
/* groups.c - the consumers of a group, one for each topic: what comes next, and signs of life. */
#include "groups.h"

#include "events.h"
#include "follow.h"
#include "tool.h"

#define TURN        64 /* messages of one topic, before another has its turn */
#define TICK_MAX_NS INT64_C(10000000000)

static struct groups *living; /* as events_on_tick has no argument */

static void renew_living(void)
{
	groups_renew(living);
}

/* A third of the shortest lease: two signs of life may be missed. And often enough to notice that
 * the lease was made shorter. */
static void set_tick(const struct topics *t)
{
	int64_t ns = TICK_MAX_NS;

	for (size_t i = 0; i < t->count; i++) {
		struct shmq_group_options o;

		if (!topics_has(t, i))
			continue;
		shmq_group_options_now(t->group[i], &o);
		if (o.lease_ns / 3 < ns)
			ns = o.lease_ns / 3;
	}
	events_every(ns);
}

void groups_init(struct groups *g, struct topics *t, struct args *args, int64_t since_ns)
{
	*g = (struct groups){.topics = t, .args = args, .idle_since_ns = since_ns};
	living = g;
	events_on_tick = renew_living;
	set_tick(t);
}

static void over(struct groups *g, int status)
{
	if (g->status == EX_OK)
		g->status = status;
}

/* ---- what comes next ---- */

static const char *topic_of(const struct groups *g, size_t i)
{
	return g->topics->name[i];
}

static void found_late(struct groups *g, size_t i)
{
	if (g->late)
		return;
	g->late = true; /* until something is in time again */
	note("topic '%s': this consumer stood still for longer than its lease: what it held was "
	     "given"
	     " to others, and may be done twice",
	     topic_of(g, i));
}

/* What is left of the other topics is not waited for: they may go on for ever. */
static void found_gone(struct groups *g, size_t i)
{
	if (follow_leave(g->topics, i))
		return;
	if (!g->gone)
		warn_line("topic '%s', group '%s': %s (broker %s)", topic_of(g, i), g->args->group,
			  shmq_error(g->topics->broker), shmq_dir(g->topics->broker));
	g->gone = true;
	over(g, EX_UNAVAILABLE);
}

static void next_turn(struct groups *g)
{
	g->turn = g->turn + 1 == g->topics->count ? 0 : g->turn + 1;
	g->taken = 0;
}

/* What is no message: true when the same one is to be asked again. */
static bool no_message(struct groups *g, size_t i, int rc)
{
	switch (rc) {
	case SHMQ_EMPTY:
		return false;
	case SHMQ_END:
		/* what is in hand may come back yet */
		g->ended[i] = g->in_hand == 0;
		return false;
	case SHMQ_LATE:
		found_late(g, i);
		return true;
	case SHMQ_ECORRUPT:
		warn_line("topic '%s': %s", topic_of(g, i), shmq_error(g->topics->broker));
		g->damage = true;
		return true;
	case SHMQ_GONE:
		found_gone(g, i);
		return false;
	default:
		warn_line("topic '%s', group '%s': %s", topic_of(g, i), g->args->group,
			  shmq_error(g->topics->broker));
		over(g, status_of(rc));
		return false;
	}
}

static bool is_open(const struct groups *g, size_t i)
{
	return topics_has(g->topics, i) && !g->ended[i];
}

static bool all_ended(const struct groups *g)
{
	for (size_t i = 0; i < g->topics->count; i++)
		if (is_open(g, i))
			return false;
	return !g->topics->following;
}

void groups_follow(struct groups *g)
{
	int rc = follow_look(g->topics);

	if (rc != SHMQ_OK) {
		warn_line("looking for topics: %s (broker %s)", shmq_error(g->topics->broker),
			  shmq_dir(g->topics->broker));
		over(g, status_of(rc));
	}
	if (g->opened != g->topics->opened)
		set_tick(g->topics);
	g->opened = g->topics->opened;
}

static bool take(struct groups *g, size_t i, struct given *next)
{
	int rc;

	do
		rc = shmq_group_next(g->topics->group[i], &next->delivery);
	while (rc != SHMQ_OK && no_message(g, i, rc));
	next->topic = i;
	return rc == SHMQ_OK;
}

enum groups_result groups_next(struct groups *g, struct given *next)
{
	if (g->taken == TURN)
		next_turn(g);
	if (g->taken == 0)
		groups_follow(g);
	if (g->status != EX_OK || g->given_out == g->args->count || all_ended(g))
		return GROUPS_OVER;
	for (size_t n = 0; n < g->topics->count && g->status == EX_OK; n++) {
		if (is_open(g, g->turn) && take(g, g->turn, next)) {
			g->taken++;
			g->given_out++;
			g->topics->in_hand[g->turn]++;
			g->in_hand += !args_at_most_once(g->args);
			g->idle_since_ns = 0; /* the clock is looked at when none comes */
			return GROUPS_MESSAGE;
		}
		next_turn(g);
	}
	return g->status != EX_OK || all_ended(g) ? GROUPS_OVER : GROUPS_NOTHING;
}

struct origin groups_origin(const struct groups *g, const struct given *m)
{
	return (struct origin){.topic = topic_of(g, m->topic),
			       .group = g->args->group,
			       .attempt = m->delivery.attempt};
}

void groups_name(struct bytes *to, const struct groups *g, const struct given *m)
{
	bytes_printf(to, "topic '%s', partition %d, offset %llu", topic_of(g, m->topic),
		     m->delivery.message.partition, (unsigned long long)m->delivery.message.offset);
}

/* ---- settling, signs of life ---- */

void groups_forget(struct groups *g, const struct given *m)
{
	g->topics->in_hand[m->topic]--;
}

bool groups_settled(struct groups *g, const struct given *m, int rc, const char *what)
{
	struct bytes name = {0};

	groups_forget(g, m);
	g->in_hand--; /* or it is given back at the end */
	switch (rc) {
	case SHMQ_OK:
		g->late = false;
		return true;
	case SHMQ_LATE:
		found_late(g, m->topic);
		return true;
	case SHMQ_GONE:
		found_gone(g, m->topic);
		return g->topics->gone[m->topic]; /* then the message is, too */
	default:
		groups_name(&name, g, m);
		warn_line("%.*s: %s: %s", (int)name.len, name.data, what,
			  shmq_error(g->topics->broker));
		bytes_free(&name);
		over(g, status_of(rc));
		return false;
	}
}

void groups_renew(struct groups *g)
{
	if (!events_tick)
		return;
	events_tick = 0;
	for (size_t i = 0; i < g->topics->count; i++) {
		int rc = topics_has(g->topics, i) ? shmq_group_renew(g->topics->group[i]) : SHMQ_OK;

		if (rc == SHMQ_GONE || rc == SHMQ_LATE || rc < 0)
			no_message(g, i, rc);
	}
	set_tick(g->topics);
}

/* ---- waiting ---- */

void groups_busy(struct groups *g)
{
	g->idle_since_ns = 0;
}

/* How much of the wait for messages (-W) is left. */
static int64_t patience_ns(struct groups *g)
{
	int64_t now;

	if (g->args->wait_ns == SHMQ_FOREVER)
		return SHMQ_FOREVER;
	now = monotonic_ns();
	if (g->idle_since_ns == 0)
		g->idle_since_ns = now;
	return deadline_ns(g->idle_since_ns, g->args->wait_ns) - now;
}

bool groups_wait(struct groups *g, const struct pollfd *polls, size_t count, int64_t ns)
{
	shmq_group *open[TOPICS_MAX];
	int64_t left = patience_ns(g);
	size_t n = 0;
	int rc;

	ns = shorter(ns, shorter(left, follow_pause_ns(g->topics)));
	if (left <= 0) {
		note("no message came within the wait that was asked for (-W)");
		over(g, EXIT_AGAIN);
		return false;
	}
	for (size_t i = 0; i < g->topics->count; i++)
		if (is_open(g, i))
			open[n++] = g->topics->group[i];
	if (n > 0)
		rc = events_wait(open, n, polls, count, ns);
	else /* all were deleted, and others may come */
		rc = events_poll((struct pollfd *)polls, count, ns) < 0 ? SHMQ_INTERRUPTED : SHMQ_OK;
	if (rc == SHMQ_GONE || rc < 0) {
		/* whose it is, the next look says */
		if (rc < 0) {
			warn_line("waiting for messages: %s", shmq_error(g->topics->broker));
			over(g, status_of(rc));
		}
	}
	groups_renew(g);
	return g->status == EX_OK;
}
