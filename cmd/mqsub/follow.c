/* SPDX-License-Identifier: MIT */
/*
 * follow.c - topics that a pattern stands for: those that are there, come, and go.
 *
 * A place among the topics is free again when none of its messages is in hand: they say by its number
 * whose they are.
 */
#include "follow.h"

#include <stdlib.h>

#include "opening.h"
#include "tool.h"

#define LOOK_NS INT64_C(250000000)
/* With thousands of topics listing them takes long: it is done a fifth of the time at most. */
#define LOOK_SHARE 4
#define NOWHERE    SIZE_MAX

/* ---- places ---- */

static bool is_ours(const struct topics *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++)
		if (topics_has(t, i) && strcmp(t->name[i], name) == 0)
			return true;
	return false;
}

static size_t take_place(struct topics *t, const char *name)
{
	size_t i = 0;

	while (i < t->count && t->name[i])
		i++;
	if (i == TOPICS_MAX)
		return NOWHERE;
	t->name[i] = t->matched[i] = strdup(name);
	if (!t->name[i])
		die(EX_OSERR, "no memory for the name of a topic");
	t->gone[i] = false;
	t->count += i == t->count;
	return i;
}

static void free_gone(struct topics *t)
{
	for (size_t i = 0; i < t->count; i++) {
		if (!t->gone[i] || t->in_hand[i] > 0)
			continue;
		topics_free_place(t, i);
		t->again = true; /* for what had no place, or has the same name */
		t->full = false;
	}
}

/* ---- what there is ---- */

static bool matches(const struct args *args, const char *name)
{
	for (size_t i = 0; i < args->topic_count; i++)
		if (args_is_pattern(args->topics[i]) && args_means(args->topics[i], name))
			return true;
	return false;
}

/* The names of those that match and are not ours, in order. */
static int list_new(struct topics *t, struct names *new)
{
	struct names all = {0};
	int rc = names_of_topics(t->broker, &all);

	for (size_t i = 0; i < all.n; i++)
		if (matches(t->args, all.at[i]) && !is_ours(t, all.at[i]))
			names_add(new, all.at[i]);
	names_free(&all);
	return rc;
}

int follow_list(struct topics *t)
{
	struct names new = {0};
	size_t count;
	int rc = shmq_topic_mark(t->broker, &t->mark);

	if (rc == SHMQ_OK)
		rc = list_new(t, &new);
	count = t->count + new.n;
	for (size_t i = 0; i < new.n && rc == SHMQ_OK && take_place(t, new.at[i]) != NOWHERE; i++)
		;
	names_free(&new);
	return rc == SHMQ_OK ? (int)count : rc;
}

static int means_it(void *context, const char *name, uint64_t number)
{
	(void)number;
	return args_means(context, name);
}

int follow_is_there(struct topics *t, const char *pattern, uint64_t *mark)
{
	uint64_t now;
	int rc = shmq_topic_mark(t->broker, &now);

	if (rc != SHMQ_OK || now == *mark)
		return rc == SHMQ_GONE ? 0 : rc; /* as one that is not there */
	*mark = now;
	return shmq_topic_list(t->broker, means_it, (void *)pattern);
}

/* ---- what appears ---- */

static void tell_full(struct topics *t, const char *name)
{
	if (!t->full)
		warn_line("topic '%s', which is new, is not read, nor are others that come: one"
			  " mqsub reads at most %d at once: start several, with a narrower pattern"
			  " each",
			  name, TOPICS_MAX);
	t->full = true;
}

static void open_late(struct topics *t, const char *name)
{
	struct opening o = {.t = t, .args = t->args, .late = name};
	struct shmq_topic_info info = {.logs = NULL};
	size_t i = take_place(t, name);
	int rc;

	if (i == NOWHERE) {
		tell_full(t, name);
		return;
	}
	rc = shmq_topic_info(t->broker, name, &info);
	if (rc == SHMQ_OK)
		opening_check(&o, &info);
	if (rc == SHMQ_OK && !o.refused)
		rc = opening_open(&o, i);
	if (rc != SHMQ_OK && rc != SHMQ_ENOENT && !o.refused)
		opening_refuse(&o, status_of(rc), "%s", shmq_error(t->broker));
	if (rc != SHMQ_OK || o.refused) {
		topics_free_place(t, i);
		return;
	}
	t->number[i] = info.number;
	t->opened++;
	if (t->args->verbose)
		topics_tell(t, i);
}

static int open_new(struct topics *t)
{
	struct names new = {0};
	int rc = list_new(t, &new);

	for (size_t i = 0; i < new.n && rc == SHMQ_OK; i++)
		open_late(t, new.at[i]);
	names_free(&new);
	return rc;
}

static int look(struct topics *t)
{
	uint64_t mark;
	int rc = shmq_topic_mark(t->broker, &mark);

	if (rc != SHMQ_OK || (mark == t->mark && !t->again))
		return rc;
	t->mark = mark;
	t->again = false;
	return open_new(t);
}

int follow_look(struct topics *t)
{
	int64_t now, took;
	int rc;

	if (!t->following || (now = monotonic_ns()) < t->look_ns)
		return SHMQ_OK;
	free_gone(t);
	rc = look(t);
	took = monotonic_ns() - now;
	t->look_ns = now + took + (LOOK_SHARE * took > LOOK_NS ? LOOK_SHARE * took : LOOK_NS);
	return rc;
}

int64_t follow_pause_ns(const struct topics *t)
{
	return t->following ? LOOK_NS : SHMQ_FOREVER;
}

/* ---- what goes ---- */

/* A group that was deleted is told from a topic that was by its number. */
static bool was_deleted(struct topics *t, size_t i)
{
	struct shmq_topic_info info = {.logs = NULL};
	uint64_t mark;
	int rc = shmq_topic_mark(t->broker, &mark);

	if (rc == SHMQ_OK)
		rc = shmq_topic_info(t->broker, t->name[i], &info);
	else
		return false;
	return rc == SHMQ_ENOENT || (rc == SHMQ_OK && info.number != t->number[i]);
}

bool follow_leave(struct topics *t, size_t i)
{
	if (t->gone[i])
		return true;
	if (!t->matched[i] || !was_deleted(t, i))
		return false;
	note("topic '%s' was deleted: the others are read on", t->name[i]);
	t->gone[i] = true;
	shmq_sub_close(t->sub[i]);
	t->sub[i] = NULL;
	return true;
}
