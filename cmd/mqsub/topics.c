/* SPDX-License-Identifier: MIT */
/* topics.c - the topics that mqsub reads from the start on, waited for where -W allows. */
#include "topics.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "follow.h"
#include "opening.h"
#include "tool.h"

#define MILLISECOND_NS INT64_C(1000000)
#define SECOND_NS      INT64_C(1000000000)
#define PAUSE_MAX_NS   (50 * MILLISECOND_NS)
#define VANISHED_MAX   1000 /* topics that match and are deleted before they are open */

int64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND_NS + t.tv_nsec;
}

int64_t deadline_ns(int64_t since_ns, int64_t wait_ns)
{
	return wait_ns > INT64_MAX - since_ns ? INT64_MAX : since_ns + wait_ns;
}

static void end_by_signal(struct opening *o)
{
	int sig = stop_signal ? stop_signal : out_reader_gone(o->out) ? SIGPIPE : 0;

	if (sig == 0)
		return;
	topics_close(o->t);
	die_of_signal(sig);
}

/* Nothing tells that a broker or a topic came to be, so one looks again, in a growing pause.
 * False when the time is over. */
static bool pause_before_retry(struct opening *o, const char *what)
{
	int64_t now = monotonic_ns();

	if (now >= o->until_ns)
		return false;
	if (!o->told && now - o->start_ns >= SECOND_NS) {
		note("waiting for %s in %s", what, shmq_dir(o->t->broker));
		o->told = true;
	}
	int64_t ns = o->pause_ns < o->until_ns - now ? o->pause_ns : o->until_ns - now;
	rate_sleep(ns);
	end_by_signal(o);
	o->pause_ns = 2 * o->pause_ns < PAUSE_MAX_NS ? 2 * o->pause_ns : PAUSE_MAX_NS;
	return true;
}

/* It did not come to be in the time that -W gives it. */
static void check_wait(struct opening *o, const char *what)
{
	if (o->args->wait_ns != SHMQ_FOREVER)
		opening_give_up(o, EXIT_AGAIN,
				"%s is still not there in %s after the wait that was asked for"
				" (-W)",
				what, shmq_dir(o->t->broker));
}

static void open_broker(struct opening *o)
{
	unsigned flags = o->args->group && o->args->browse ? SHMQ_OBSERVE : 0;
	shmq **q = &o->t->broker;
	int rc;

	while ((rc = tool_try_open(o->args->dir, flags, q)) == SHMQ_ENOENT &&
	       pause_before_retry(o, "the broker"))
		shmq_close(*q);
	if (rc == SHMQ_OK)
		return;
	if (rc != SHMQ_ENOENT)
		die_shmq(*q, rc, "cannot open the broker");
	check_wait(o, "the broker");
	opening_give_up(o, EX_UNAVAILABLE,
			"no broker in %s: publish something ('mqpub TOPIC'), name another directory"
			" (-b, MQ_DIR), or wait for it (-W)",
			shmq_dir(*q));
}

static void wait_for_topic(struct opening *o, const char *name)
{
	struct shmq_topic_info info = {.logs = NULL};
	char what[SHMQ_NAME_MAX + sizeof "topic ''"];
	shmq *q = o->t->broker;
	int rc;

	snprintf(what, sizeof what, "topic '%s'", name);
	while ((rc = shmq_topic_info(q, name, &info)) == SHMQ_ENOENT && pause_before_retry(o, what))
		;
	if (rc == SHMQ_OK) {
		opening_check(o, &info);
		return;
	}
	if (rc != SHMQ_ENOENT)
		opening_give_up(o, status_of(rc), "%s: %s", what, shmq_error(q));
	check_wait(o, what);
	opening_give_up(o, EX_UNAVAILABLE,
			"%s is not there in %s: publish to it ('mqpub %s'), create it ('mqd topic"
			" create %s'), or wait for it (-W)",
			what, shmq_dir(q), name, name);
}

static void wait_for_match(struct opening *o, const char *pattern)
{
	char what[SHMQ_NAME_MAX + sizeof "a topic that matches ''"];
	shmq *q = o->t->broker;
	uint64_t mark = 0;
	int rc;

	snprintf(what, sizeof what, "a topic that matches '%s'", pattern);
	while ((rc = follow_is_there(o->t, pattern, &mark)) == 0 && pause_before_retry(o, what))
		;
	if (rc < 0)
		opening_give_up(o, status_of(rc), "%s: %s", what, shmq_error(q));
	if (rc > 0)
		return;
	check_wait(o, what);
	opening_give_up(o, EX_UNAVAILABLE,
			"no topic matches '%s' in %s: publish to one, create one ('mqd topic"
			" create'), or wait for one (-W)",
			pattern, shmq_dir(q));
}

/* ---- places ---- */

void topics_free_place(struct topics *t, size_t i)
{
	shmq_sub_close(t->sub[i]);
	t->sub[i] = NULL;
	shmq_group_close(t->group[i]);
	t->group[i] = NULL;
	free(t->matched[i]);
	t->matched[i] = NULL;
	t->name[i] = NULL;
	t->gone[i] = false;
}

static void detach(struct topics *t)
{
	for (size_t i = 0; i < t->count; i++)
		topics_free_place(t, i);
	t->count = 0;
}

/* Those that are named, and those that match now; none is open yet. */
static void find_topics(struct opening *o)
{
	const struct args *args = o->args;
	struct topics *t = o->t;
	int count;

	for (size_t i = 0; i < args->topic_count; i++)
		if (!args_is_pattern(args->topics[i]))
			t->name[t->count++] = args->topics[i];
	if (!args->patterns)
		return;
	count = follow_list(t);
	if (count < 0)
		opening_give_up(o, status_of(count), "looking which topics match: %s",
				shmq_error(t->broker));
	if (count > TOPICS_MAX)
		opening_give_up(o, EX_USAGE,
				"%d topics are named or match: one mqsub reads at most %d at once,"
				" start several, with a narrower pattern each",
				count, TOPICS_MAX);
}

/* ---- opening ---- */

/* As wait_for_topic() does for those that are named. */
static int check_match(struct opening *o, size_t i)
{
	struct shmq_topic_info info = {.logs = NULL};
	int rc = shmq_topic_info(o->t->broker, o->t->name[i], &info);

	o->t->number[i] = info.number;
	if (rc == SHMQ_OK)
		opening_check(o, &info);
	return rc;
}

static int open_one(struct opening *o, size_t i)
{
	int rc = o->t->matched[i] ? check_match(o, i) : SHMQ_OK;

	return rc == SHMQ_OK ? opening_open(o, i) : rc;
}

/* Whether a topic that was deleted just now is looked for again. One that matched leaves others. */
static bool may_retry(struct opening *o, size_t i)
{
	if (pause_before_retry(o, "the topics"))
		return true;
	if (!o->t->matched[i] || o->vanished++ == VANISHED_MAX)
		return false;
	rate_sleep(MILLISECOND_NS);
	end_by_signal(o);
	return true;
}

/* False: one of them was deleted just now, and all are looked for again. None is attached to then. */
static bool attach(struct opening *o)
{
	struct topics *t = o->t;

	for (size_t i = 0; i < t->count; i++) {
		int rc = open_one(o, i);

		if (rc == SHMQ_OK)
			continue;
		if (rc != SHMQ_ENOENT || !may_retry(o, i))
			opening_give_up(o, status_of(rc), "topic '%s': %s", t->name[i],
					shmq_error(t->broker));
		detach(t);
		return false;
	}
	return true;
}

static void wait_for_all(struct opening *o)
{
	for (size_t i = 0; i < o->args->topic_count; i++)
		if (args_is_pattern(o->args->topics[i]))
			wait_for_match(o, o->args->topics[i]);
		else
			wait_for_topic(o, o->args->topics[i]);
}

/* Attached to one while it waits for another, it would hold up publishers, or be overrun. */
static void open_topics(struct opening *o)
{
	do {
		wait_for_all(o);
		find_topics(o);
	} while (o->t->count == 0 || !attach(o)); /* none: it was deleted behind the look at it */
}

/* Does what appears later belong to it? Not where the end was there at the start. */
static bool is_following(const struct args *args)
{
	return args->patterns && !(args->sub.flags & SHMQ_SUB_EXIT_AT_END) && !args->sub.until_set;
}

void topics_open(struct topics *t, const struct args *args, const struct out *out, int64_t until_ns)
{
	struct opening o = {.t = t,
			    .args = args,
			    .out = out,
			    .start_ns = monotonic_ns(),
			    .pause_ns = MILLISECOND_NS};

	/* without -W nothing is waited for */
	o.until_ns = args->wait_ns == SHMQ_FOREVER ? o.start_ns : until_ns;
	*t = (struct topics){.args = args, .following = is_following(args)};
	open_broker(&o);
	open_topics(&o);
}

void topics_tell(const struct topics *t, size_t i)
{
	if (t->args->group)
		note("reading topic '%s' of %s as group '%s'", t->name[i], shmq_dir(t->broker),
		     t->args->group);
	else
		note("reading topic '%s' of %s", t->name[i], shmq_dir(t->broker));
}

shmq_pub *topics_publisher(struct topics *t, const char *name)
{
	struct shmq_pub_options options = {.flags = 0};
	shmq_pub *pub = NULL;
	bool created = false;
	int rc = shmq_pub_open(t->broker, name, &options, &pub, &created);

	if (rc != SHMQ_OK)
		die_shmq(t->broker, rc, name);
	if (created)
		note("created topic %s %s", name, shmq_pub_on_disk(pub) ? "on disk" : "in memory");
	t->into = pub;
	return pub;
}

int topics_sync(struct topics *t, int64_t wait_ns)
{
	for (size_t i = 0; i < t->count; i++) {
		int rc;

		if (!topics_has(t, i) || !t->group[i] || !shmq_group_on_disk(t->group[i]))
			continue;
		do
			rc = shmq_group_sync(t->group[i], wait_ns);
		while (rc == SHMQ_INTERRUPTED && !stop_signal);
		if (rc == SHMQ_OK)
			continue;
		warn_line("topic '%s', group '%s': %s: what was acked is not known to be on disk",
			  t->name[i], t->args->group, rc == SHMQ_INTERRUPTED ? "stopped" : shmq_error(t->broker));
		return status_of(rc);
	}
	return EX_OK;
}

bool topics_on_disk(const struct topics *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (topics_has(t, i) && (!t->group[i] || !shmq_group_on_disk(t->group[i])))
			return false;
	return true;
}

void topics_close(struct topics *t)
{
	detach(t);
	names_free(&t->told);
	shmq_close(t->broker);
	*t = (struct topics){0};
}
