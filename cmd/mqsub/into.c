/* SPDX-License-Identifier: MIT */
/*
 * into.c - publishes what a command printed and settles its message, both or neither.
 *
 * The messages have the key of the one that they were made from: so it chooses their log, what has
 * one key keeps its order from topic to topic, and filters by key go on to work.
 */
#include "into.h"

#include "events.h"
#include "follow.h"
#include "settle.h"
#include "tool.h"

#define TRY_NS  INT64_C(20000000) /* waits for room; and then looks after the other commands */
#define TELL_NS INT64_C(1000000000)

/* ---- what it printed, as messages ---- */

static void add_record(struct bytes *list, const struct job *job, const char *from, size_t len)
{
	const struct shmq_message m = {.value = from,
				       .value_len = len,
				       .key = job->has_key ? (job->key.data ? job->key.data : "")
							   : NULL,
				       .key_len = job->key.len,
				       .partition = -1};

	bytes_add(list, &m, sizeof m);
}

/* One for each record; an unterminated last one counts, too. */
static void split(struct bytes *list, const struct job *job, const struct bytes *delim)
{
	const char *from = job->out.data;
	size_t left = job->out.len;

	list->len = 0;
	while (left > 0) {
		const char *end = memmem(from, left, delim->data, delim->len);
		size_t len = end ? (size_t)(end - from) : left;

		add_record(list, job, from, len);
		from += end ? len + delim->len : len;
		left -= end ? len + delim->len : len;
	}
}

/* ---- settling ---- */

struct attempt {
	shmq_group *group;
	struct job *job;
	shmq_pub *into;
	const struct bytes *messages;
};

static int settle(void *context)
{
	const struct attempt *a = context;

	return shmq_group_settle(a->group, &a->job->given.delivery, a->into,
				 (const void *)a->messages->data,
				 a->messages->len / sizeof(struct shmq_message), TRY_NS);
}

static int try_settle(struct work *w, struct job *job)
{
	static struct bytes messages;
	struct attempt a = {.group = w->groups.topics->group[job->given.topic],
			    .job = job,
			    .into = w->into,
			    .messages = &messages};

	if (job->out_dropped > 0)
		return SHMQ_EDATA;
	split(&messages, job, &w->args->style.delim);
	return events_guard(settle, &a);
}

/* ---- what it says ---- */

static void too_large(struct work *w, struct job *job)
{
	struct bytes text = {0};

	bytes_printf(&text,
		     "it printed %zu bytes, more than topic %s takes at once (%zu with keys, a"
		     " quarter of its memory)",
		     job->out.len + job->out_dropped, w->args->into, shmq_pub_message_max(w->into));
	struct shmq_failure why = {.reason = SHMQ_REASON_MAX_DELIVER,
				   .status = child_failure_status(&job->child),
				   .text = text.data,
				   .text_len = text.len};
	bytes_byte(&text, '\0');
	why.text = text.data;
	settle_retry(w, job, SHMQ_BACKOFF, &why, text.data);
	bytes_free(&text);
}

/* The others go on meanwhile; who stops us does not want to wait. */
static void no_room(struct work *w, struct job *job, int rc)
{
	int64_t now = monotonic_ns();

	if (w->signal != 0 && rc != SHMQ_INTERRUPTED) {
		note("topic %s is full: what the command printed is not published, and its message"
		     " is given back",
		     w->args->into);
		settle_release(w, job);
		return;
	}
	if (job->full_since_ns == 0) {
		job->full_since_ns = now;
	} else if (job->full_since_ns > 0 && now - job->full_since_ns >= TELL_NS) {
		note("topic %s is full: waiting for room for what the command printed",
		     w->args->into);
		job->full_since_ns = -1; /* told once */
	}
	job->again_ns = rc == SHMQ_INTERRUPTED ? now : now + TRY_NS;
}

static void failed(struct work *w, struct job *job, int rc)
{
	if (rc == SHMQ_GONE && follow_leave(w->groups.topics, job->given.topic)) {
		settle_release(w, job); /* the input is gone, not the target */
		return;
	}
	if (rc == SHMQ_GONE)
		warn_line("topic %s was deleted or its runtime directory removed: what the command"
			  " printed is not published",
			  w->args->into);
	else
		warn_line("topic %s: %s", w->args->into, shmq_error(w->groups.topics->broker));
	settle_release(w, job);
	work_stop(w, status_of(rc));
}

void into_settle(struct work *w, struct job *job)
{
	int rc;

	if (job->again_ns > 0 && monotonic_ns() < job->again_ns)
		return;
	job->again_ns = 0;
	rc = try_settle(w, job);
	switch (rc) {
	case SHMQ_OK:
	case SHMQ_LATE:
		if (!groups_settled(&w->groups, &job->given, rc, "publishing what it became"))
			work_stop(w, w->groups.status);
		pool_done(&w->pool, job);
		break;
	case SHMQ_FULL:
	case SHMQ_TIMEOUT:
	case SHMQ_INTERRUPTED:
		no_room(w, job, rc);
		break;
	case SHMQ_EDATA:
		too_large(w, job);
		break;
	default:
		failed(w, job, rc);
		break;
	}
}
