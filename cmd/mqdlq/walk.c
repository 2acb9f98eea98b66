/* SPDX-License-Identifier: MIT */
/* walk.c - goes through the dead letters that are meant. */
#include "walk.h"

#include "names.h"

struct walk {
	shmq *q;
	const struct mqdlq_args *args;
	walk_each *each;
	void *context;
	struct walked walked;
};

static int topic_missing(shmq *q, const struct mqdlq_args *args)
{
	warn_line("topic '%s': not there in %s ('mqd topic list' says what is)", args->topic,
		  shmq_dir(q));
	return EX_UNAVAILABLE;
}

/* group NULL: of the topic itself. */
static int complain(shmq *q, const struct mqdlq_args *args, const char *group, int code)
{
	const char *why = code < 0 ? shmq_error(q) : "it is gone";
	struct shmq_topic_info info = {.logs = NULL};

	if (code == SHMQ_ENOENT && shmq_topic_info(q, args->topic, &info) == SHMQ_ENOENT)
		return topic_missing(q, args);
	if (code == SHMQ_ENOENT)
		warn_line("group '%s' of topic '%s': not there in %s ('mqd group list %s' says "
			  "what is)",
			  group, args->topic, shmq_dir(q), args->topic);
	else if (group)
		warn_line("group '%s' of topic '%s': %s", group, args->topic, why);
	else
		warn_line("topic '%s': %s", args->topic, why);
	return status_of(code);
}

int walk_complain(shmq *q, int code, const char *group, uint64_t id, const char *what)
{
	warn_line("dead letter %llu of group '%s': %s: %s", (unsigned long long)id, group, what,
		  shmq_error(q));
	return status_of(code);
}

int walk_topic(shmq *q, const struct mqdlq_args *args)
{
	struct shmq_topic_info info = {.logs = NULL};
	int rc = shmq_topic_info(q, args->topic, &info);

	return rc == SHMQ_OK ? 0 : complain(q, args, NULL, rc);
}

shmq_dlq *walk_open(shmq *q, const struct mqdlq_args *args, const char *group, int *status)
{
	shmq_dlq *d = NULL;
	int rc = shmq_dlq_open(q, args->topic, group, &d);

	if (rc == SHMQ_OK)
		return d;
	*status = complain(q, args, group, rc);
	return NULL;
}

static void failed(struct walk *w, int status)
{
	w->walked.status = w->walked.status ? w->walked.status : status;
}

static bool over(const struct walk *w)
{
	return stop_signal || w->walked.counted == w->args->count;
}

static void walk_group(struct walk *w, const char *group)
{
	struct shmq_dead_letter letter;
	shmq_dlq *d = NULL;
	int rc = shmq_dlq_open(w->q, w->args->topic, group, &d);

	if (rc == SHMQ_ENOENT && !w->args->group) /* deleted a moment ago: as if never listed */
		return;
	while (rc == SHMQ_OK && !over(w) && (rc = shmq_dlq_next(d, &letter)) == SHMQ_OK)
		if (selector_matches(&w->args->selector, &letter) &&
		    w->each(w->context, group, &letter))
			w->walked.counted++;
	if (rc != SHMQ_OK && rc != SHMQ_END)
		failed(w, complain(w->q, w->args, group, rc));
	shmq_dlq_close(d);
}

struct walked walk_letters(shmq *q, const struct mqdlq_args *args, walk_each *each, void *context)
{
	struct walk w = {.q = q, .args = args, .each = each, .context = context};
	struct names groups = {0};
	int rc = SHMQ_OK;

	if (args->group)
		names_add(&groups, args->group);
	else
		rc = names_of_groups(q, args->topic, &groups);
	if (rc != SHMQ_OK)
		failed(&w, complain(q, args, NULL, rc));
	for (size_t i = 0; i < groups.n && !over(&w); i++)
		walk_group(&w, groups.at[i]);
	names_free(&groups);
	return w.walked;
}
