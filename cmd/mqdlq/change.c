/* SPDX-License-Identifier: MIT */
/*
 * change.c - the verbs requeue and drop. First all that are meant are found: that many are asked
 * for, and one that dies again meanwhile is not met again. Then each is taken by its id, if it is
 * still what was meant.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "mqdlq.h"
#include "names.h"
#include "walk.h"

#define LOOP_GUARD    3 /* requeued so often already, it comes back for a reason */
#define SLICE_NS      INT64_C(1000000000)
#define SENTENCE_ROOM (2 * SHMQ_NAME_MAX + 160)

struct picked {
	size_t group; /* index of its name */
	uint64_t id;
};

struct change {
	const struct mqdlq_args *args;
	shmq *q;
	shmq_pub *target; /* --to */
	struct rate rate;
	struct names groups;
	struct picked *picked;
	size_t n, room;
	uint64_t done;
	int status;
	bool over;
};

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* ---- which ---- */

/* Requeued to its group again and again, a letter that kills its consumers is a loop. Another topic
 * is a way out of it. */
static bool loops(const struct mqdlq_args *args, const struct shmq_dead_letter *letter)
{
	return args->verb == VERB_REQUEUE && !args->to && !GIVEN(args, FORCE) &&
	       letter->requeues >= LOOP_GUARD;
}

static bool pick(void *context, const char *group, const struct shmq_dead_letter *letter)
{
	struct change *c = context;

	if (loops(c->args, letter)) {
		note("dead letter %" PRIu64 " of group '%s': requeued %" PRIu32 " times already, "
		     "skipped (--force requeues it all the same, --to TOPIC puts it elsewhere)",
		     letter->id, group, letter->requeues);
		return false;
	}
	if (c->groups.n == 0 || strcmp(c->groups.at[c->groups.n - 1], group) != 0)
		names_add(&c->groups, group);
	if (c->n == c->room) {
		c->room = c->room ? 2 * c->room : 256;
		c->picked = reallocarray(c->picked, c->room, sizeof(*c->picked));
		if (!c->picked)
			die(EX_OSERR, "no memory for %zu dead letters", c->room);
	}
	c->picked[c->n++] = (struct picked){c->groups.n - 1, letter->id};
	return true;
}

/* What is done, to `what`: the question, and each line of a dry run. */
static void describe(const struct mqdlq_args *args, const char *what, char text[SENTENCE_ROOM])
{
	const char *verb = args->verb == VERB_DROP ? "drop" : "requeue";

	if (args->to)
		snprintf(text, SENTENCE_ROOM, "requeue %s of topic '%s' to topic '%s'", what,
			 args->topic, args->to);
	else
		snprintf(text, SENTENCE_ROOM, "%s %s of topic '%s'", verb, what, args->topic);
}

static void say_dry(const struct change *c)
{
	char what[SHMQ_NAME_MAX + 64], text[SENTENCE_ROOM];

	for (size_t i = 0; i < c->n; i++) {
		snprintf(what, sizeof(what), "dead letter %" PRIu64 " of group '%s'",
			 c->picked[i].id, c->groups.at[c->picked[i].group]);
		describe(c->args, what, text);
		printf("would %s\n", text);
	}
}

static bool confirmed(const struct change *c)
{
	char what[64], text[SENTENCE_ROOM];

	if (GIVEN(c->args, YES))
		return true;
	snprintf(what, sizeof(what), "%zu dead letter%s", c->n, plural(c->n));
	describe(c->args, what, text);
	return ask_confirmed(text);
}

/* ---- doing it ---- */

static void open_target(struct change *c)
{
	const struct shmq_pub_options options = {.flags = 0};
	bool created;
	int rc = shmq_pub_open(c->q, c->args->to, &options, &c->target, &created);

	if (rc != SHMQ_OK)
		die(status_of(rc), "topic '%s': %s", c->args->to, shmq_error(c->q));
	if (created)
		note("created topic %s in memory", c->args->to);
}

static void stop(struct change *c, int status)
{
	c->over = true;
	c->status = status;
}

/* Sleeps as -R wants it, or until a signal to stop came. */
static void take_turn(struct change *c)
{
	int64_t ns;

	while (!stop_signal && (ns = rate_take(&c->rate)) > 0)
		rate_sleep(ns < SLICE_NS ? ns : SLICE_NS);
}

static int do_one(struct change *c, shmq_dlq *d, const struct shmq_dead_letter *letter)
{
	int rc;

	if (c->args->verb == VERB_DROP)
		return shmq_dlq_drop(d, letter);
	if (!c->target)
		return shmq_dlq_requeue(d, letter, c->args->delay_ns);
	do
		rc = shmq_dlq_move(d, letter, c->target, c->args->wait_ns);
	while (rc == SHMQ_INTERRUPTED && !stop_signal);
	return rc;
}

/* Whatever it is: the letter is still there. */
static void not_done(struct change *c, const char *group, uint64_t id, int rc)
{
	switch (c->args->to ? rc : SHMQ_EINVAL) {
	case SHMQ_INTERRUPTED: /* to stop: seen by the caller */
		break;
	case SHMQ_FULL:
	case SHMQ_TIMEOUT:
		warn_line("topic '%s' has no room for dead letter %" PRIu64
			  " of group '%s': try again"
			  " when its readers have read, or wait longer (-W)",
			  c->args->to, id, group);
		stop(c, EXIT_AGAIN);
		break;
	case SHMQ_GONE:
		warn_line("%s (broker %s)", shmq_error(c->q), shmq_dir(c->q));
		stop(c, EX_UNAVAILABLE);
		break;
	case SHMQ_EDATA: /* this one is too large for the target: others need not be */
		c->status = walk_complain(c->q, rc, group, id, "cannot be requeued");
		break;
	default:
		stop(c, walk_complain(c->q, rc, group, id,
				      c->args->verb == VERB_DROP ? "cannot be dropped"
								 : "cannot be requeued"));
		break;
	}
}

static void change_one(struct change *c, shmq_dlq *d, const struct picked *p)
{
	const char *group = c->groups.at[p->group];
	struct shmq_dead_letter letter;
	int rc = shmq_dlq_get(d, p->id, &letter);

	/* the id may name it again, after it was delivered and died once more */
	if (rc == SHMQ_OK &&
	    (loops(c->args, &letter) || !selector_matches(&c->args->selector, &letter)))
		rc = SHMQ_LATE;
	if (rc == SHMQ_OK)
		rc = do_one(c, d, &letter);
	if (rc == SHMQ_OK)
		c->done++;
	else if (rc == SHMQ_ENOENT || rc == SHMQ_LATE)
		note("dead letter %" PRIu64 " of group '%s': somebody else has taken it meanwhile",
		     p->id, group);
	else
		not_done(c, group, p->id, rc);
}

static void change_all(struct change *c)
{
	shmq_dlq *d = NULL;
	int status = 0;

	for (size_t i = 0; i < c->n && !c->over; i++) {
		const struct picked *p = &c->picked[i];

		if (i == 0 || p->group != c->picked[i - 1].group) {
			shmq_dlq_close(d);
			d = walk_open(c->q, c->args, c->groups.at[p->group], &status);
		}
		if (!d) {
			c->status = status;
			continue;
		}
		take_turn(c);
		if (stop_signal)
			break;
		change_one(c, d, p);
	}
	shmq_dlq_close(d);
}

static int finish(struct change *c)
{
	if (GIVEN(c->args, VERBOSE))
		note("%" PRIu64 " dead letter%s %s", c->done, plural(c->done),
		     c->args->verb == VERB_DROP ? "dropped" : "requeued");
	if (c->status)
		return c->status;
	return c->done ? 0 : EXIT_NOTHING;
}

int verb_change(const struct mqdlq_args *args)
{
	struct change c = {.args = args, .rate = args->rate};

	c.q = tool_open(args->dir, GIVEN(args, DRY_RUN) ? SHMQ_OBSERVE : 0);
	c.status = walk_letters(c.q, args, pick, &c).status;
	if (GIVEN(args, DRY_RUN)) {
		say_dry(&c);
		c.done = c.n;
	} else if (c.n > 0 && confirmed(&c)) {
		if (args->to)
			open_target(&c);
		change_all(&c);
	}
	if (!GIVEN(args, DRY_RUN) || c.n == 0)
		c.status = finish(&c);
	shmq_pub_close(c.target);
	names_free(&c.groups);
	free(c.picked);
	shmq_close(c.q);
	return c.status;
}
