/* SPDX-License-Identifier: MIT */
/* settle.c - what becomes of a message when its process said or showed how it went. */
#include "settle.h"

#include <sys/wait.h>

#include "tool.h"

#define SECOND_NS INT64_C(1000000000)

static shmq_group *group_of(struct work *w, const struct job *job)
{
	return w->groups.topics->group[job->given.topic];
}

/* ---- lines ---- */

/* "250ms", "4s", "2m30s": what a pause is, not to the ns. */
static void duration(struct bytes *to, int64_t ns)
{
	int64_t s = (ns + SECOND_NS - 1) / SECOND_NS;

	if (ns < SECOND_NS)
		bytes_printf(to, "%lldms", (long long)((ns + 999999) / 1000000));
	else if (s < 60)
		bytes_printf(to, "%llds", (long long)s);
	else if (s < 3600)
		bytes_printf(to, "%lldm%02llds", (long long)(s / 60), (long long)(s % 60));
	else
		bytes_printf(to, "%lldh%02lldm", (long long)(s / 3600), (long long)(s / 60 % 60));
}

/* The longest that the group's back-off can say: it says anything up to that. */
static int64_t backoff_ns(const struct shmq_group_options *o, uint32_t attempt)
{
	int64_t ns = o->backoff_ns;

	for (uint32_t i = 1; i < attempt && ns < o->backoff_max_ns; i++)
		ns = ns <= o->backoff_max_ns / 2 ? 2 * ns : o->backoff_max_ns;
	return ns;
}

static void say_retry(struct work *w, const struct job *job, int64_t delay_ns, const char *text)
{
	struct shmq_group_options o;
	struct bytes line = {0};
	uint32_t attempt = job->given.delivery.attempt;

	shmq_group_options_now(group_of(w, job), &o);
	groups_name(&line, &w->groups, &job->given);
	bytes_printf(&line, ": %s, attempt %u of %u, again in ", text, attempt, o.retries);
	if (delay_ns == SHMQ_BACKOFF)
		bytes_text(&line, "up to ");
	duration(&line, delay_ns == SHMQ_BACKOFF ? backoff_ns(&o, attempt) : delay_ns);
	note("%.*s", (int)line.len, line.data);
	bytes_free(&line);
}

/* It failed for good. */
static void say_dead(struct work *w, const struct job *job, const char *text)
{
	struct shmq_group_options o;
	struct bytes line = {0};

	w->failed = true;
	shmq_group_options_now(group_of(w, job), &o);
	groups_name(&line, &w->groups, &job->given);
	bytes_printf(&line, ": %s, attempt %u of %u, ", text, job->given.delivery.attempt,
		     o.retries);
	bytes_text(&line, o.dead == SHMQ_GROUP_DEAD_DROP ? "dropped" : "now a dead letter");
	note("%.*s", (int)line.len, line.data);
	bytes_free(&line);
}

/* It was acked when it was given out (-A). */
static void say_lost(struct work *w, const struct job *job, const char *text)
{
	struct bytes line = {0};

	w->failed = true;
	groups_name(&line, &w->groups, &job->given);
	note("%.*s: %s, and not tried again (-A)", (int)line.len, line.data, text);
	bytes_free(&line);
}

/* ---- settling ---- */

/* Takes what settling said; the message is not ours any more. */
static void settled(struct work *w, struct job *job, int rc, const char *what)
{
	if (!groups_settled(&w->groups, &job->given, rc, what))
		work_stop(w, w->groups.status);
	pool_done(&w->pool, job);
}

static bool lost(struct work *w, struct job *job, const char *text)
{
	if (!args_at_most_once(w->args))
		return false;
	if (text)
		say_lost(w, job, text);
	groups_forget(&w->groups, &job->given);
	pool_done(&w->pool, job);
	return true;
}

void settle_ack(struct work *w, struct job *job)
{
	if (!lost(w, job, NULL))
		settled(w, job, shmq_group_ack(group_of(w, job), &job->given.delivery),
			"acking it");
}

void settle_release(struct work *w, struct job *job)
{
	if (!lost(w, job, "not done"))
		settled(w, job, shmq_group_release(group_of(w, job), &job->given.delivery),
			"giving it back");
}

void settle_retry(struct work *w, struct job *job, int64_t delay_ns, const struct shmq_failure *why,
		  const char *text)
{
	bool dead = false;
	int rc;

	if (lost(w, job, text))
		return;
	rc = shmq_group_retry(group_of(w, job), &job->given.delivery, delay_ns, why, &dead);
	if (rc == SHMQ_OK && dead)
		say_dead(w, job, text);
	else if (rc == SHMQ_OK)
		say_retry(w, job, delay_ns, text);
	settled(w, job, rc, "giving it back for a retry");
}

void settle_dead(struct work *w, struct job *job, const struct shmq_failure *why, const char *text)
{
	struct bytes name = {0};
	int rc;

	if (lost(w, job, text))
		return;
	rc = shmq_group_dead(group_of(w, job), &job->given.delivery, why);
	if (rc == SHMQ_OK) {
		say_dead(w, job, text);
	} else if (rc == SHMQ_FULL) {
		groups_name(&name, &w->groups, &job->given);
		note("%.*s: %s, but there is no room for a further dead letter: it waits for a"
		     " retry ('mqdlq' makes room)",
		     (int)name.len, name.data, text);
		bytes_free(&name);
		rc = SHMQ_OK;
	}
	settled(w, job, rc, "making it a dead letter");
}

/* ---- by exit status ---- */

static bool is_dead_now(int status)
{
	return status == 65 || status == 100;
}

static void settle_child(struct work *w, struct job *job, bool may_reject)
{
	const struct child *c = &job->child;
	struct shmq_failure why = {.reason = SHMQ_REASON_MAX_DELIVER,
				   .status = child_failure_status(c),
				   .text = c->said.data,
				   .text_len = c->said.len};
	struct bytes text = {0};

	if (job->timed_out)
		bytes_text(&text, "took too long (--timeout)");
	else
		child_end_text(&text, c);
	bytes_byte(&text, '\0');
	if (job->timed_out) {
		why.reason = SHMQ_REASON_TIMEOUT;
		settle_retry(w, job, SHMQ_BACKOFF, &why, text.data);
	} else if (may_reject && is_dead_now(why.status)) {
		why.reason = SHMQ_REASON_REJECTED;
		settle_dead(w, job, &why, text.data);
	} else {
		settle_retry(w, job, SHMQ_BACKOFF, &why, text.data);
	}
	bytes_free(&text);
}

void settle_failed(struct work *w, struct job *job)
{
	settle_child(w, job, true);
}

void settle_ended(struct work *w, struct job *job)
{
	settle_child(w, job, false);
}
