/* SPDX-License-Identifier: MIT */
/*
 * worker.c - a process that goes on: it reads one message after the other and answers each with a
 * line, "ack", "retry [DURATION]" or "dead [REASON]".
 */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events.h"
#include "exec_env.h"
#include "print.h"
#include "settle.h"
#include "tool.h"
#include "work.h"

/* Deaths without an answer between them: then it is not the messages that are bad. */
#define DEATHS_MAX     5
#define LINE_MAX_BYTES 4096 /* of an answer */
#define DAY_NS         INT64_C(86400000000000)
#define END_NS         INT64_C(5000000000) /* for a worker to end when its input does */

/* ---- giving it a message ---- */

static void start_worker(struct work *w, struct job *job)
{
	const struct origin nobody = {.topic = ""};
	int error = child_start(&job->child, &w->plan, exec_env(&nobody, NULL), -1);

	job->out.len = job->in.len = job->in_at = 0;
	if (error == 0) {
		w->pool.living++;
		return;
	}
	warn_line("cannot start %s: %s", w->plan.name, strerror(error));
	work_stop(w, error == ENOENT ? 127 : error == EAGAIN || error == ENOMEM ? EX_OSERR : 126);
}

/* Does the delimiter say where the record ends? */
static bool is_framed(const struct work *w, const struct bytes *record)
{
	const struct print_style *style = &w->args->style;
	const struct bytes *delim = &style->delim;

	if (delim->len == 0 ||
	    (style->framing != PRINT_DELIMITED && style->framing != PRINT_FORMAT))
		return true;
	return !memmem(record->data, record->len - delim->len, delim->data, delim->len);
}

static void refuse(struct work *w, struct job *job)
{
	struct bytes name = {0};

	groups_name(&name, &w->groups, &job->given);
	warn_line(
	    "%.*s: the delimiter stands inside of the record, and the worker would take it for"
	    " several: use -0, -L, -J, or -D with what stands in no message",
	    (int)name.len, name.data);
	bytes_free(&name);
	settle_release(w, job);
	work_stop(w, EX_DATAERR);
}

static void start(struct work *w, struct job *job, const struct given *given)
{
	static struct bytes record;
	const struct origin origin = groups_origin(&w->groups, given);

	pool_take(&w->pool, job, given);
	if (job->child.pid == 0)
		start_worker(w, job);
	if (job->child.pid == 0) {
		settle_release(w, job);
		return;
	}
	record.len = 0;
	print_message(&record, &w->args->style, &origin, &given->delivery.message);
	if (!is_framed(w, &record)) {
		refuse(w, job);
		return;
	}
	/* it may have answered the last one before it had read all of it */
	if (job->in_at == job->in.len)
		job->in.len = job->in_at = 0;
	bytes_add(&job->in, record.data, record.len);
	if (w->args->timeout_ns != SHMQ_FOREVER)
		job->deadline_ns = deadline_ns(monotonic_ns(), w->args->timeout_ns);
	pool_feed(job);
}

/* ---- its answers ---- */

static bool is_word(const char *line, size_t len, const char *word, const char **rest)
{
	size_t n = strlen(word);

	if (len < n || memcmp(line, word, n) != 0 || (len > n && line[n] != ' '))
		return false;
	*rest = line + (len > n ? n + 1 : n);
	return true;
}

static bool retry(struct work *w, struct job *job, const char *duration)
{
	struct shmq_failure why = {.reason = SHMQ_REASON_MAX_DELIVER,
				   .status = -1,
				   .text = job->child.said.data,
				   .text_len = job->child.said.len};
	int64_t ns = SHMQ_BACKOFF;

	if (*duration && (shmq_parse_duration(duration, &ns) != SHMQ_OK || ns > 30 * DAY_NS))
		return false;
	settle_retry(w, job, ns, &why, "the worker says retry");
	return true;
}

static void dead(struct work *w, struct job *job, const char *reason)
{
	struct shmq_failure why = {.reason = SHMQ_REASON_REJECTED,
				   .status = -1,
				   .text = reason,
				   .text_len = strlen(reason)};
	struct bytes text = {0};

	bytes_printf(&text, "the worker says dead%s%s", *reason ? ": " : "", reason);
	bytes_byte(&text, '\0');
	settle_dead(w, job, &why, text.data);
	bytes_free(&text);
}

/* line ends with a NUL. False: that is no answer. */
static bool answer(struct work *w, struct job *job, const char *line, size_t len)
{
	const char *rest;

	if (!job->busy) /* it was asked nothing */
		return false;
	if (is_word(line, len, "ack", &rest) && !*rest)
		settle_ack(w, job);
	else if (is_word(line, len, "retry", &rest))
		return retry(w, job, rest);
	else if (is_word(line, len, "dead", &rest))
		dead(w, job, rest);
	else
		return false;
	return true;
}

static void no_answer(struct work *w, struct job *job, const char *line, size_t len)
{
	warn_line("%s: the worker said '%.*s': the answer to a message is one line, 'ack', 'retry"
		  " [DURATION]' or 'dead [REASON]', and nothing else goes to its standard output",
		  w->plan.name, (int)(len < 200 ? len : 200), line);
	if (job->busy)
		settle_release(w, job);
	work_stop(w, EX_DATAERR);
	child_end(&job->child);
}

static void read_answers(struct work *w, struct job *job)
{
	char *end;

	while (job->out.len > 0 && (end = memchr(job->out.data, '\n', job->out.len))) {
		size_t len = (size_t)(end - job->out.data);

		*end = '\0';
		if (!answer(w, job, job->out.data, len)) {
			no_answer(w, job, job->out.data, len);
			job->out.len = 0;
			return;
		}
		job->deaths = 0;
		job->child.said.len = 0; /* what it says from now on is about the next */
		job->out.len -= len + 1;
		memmove(job->out.data, end + 1, job->out.len);
	}
	if (job->out.len > LINE_MAX_BYTES) {
		no_answer(w, job, job->out.data, job->out.len);
		job->out.len = 0;
	}
}

/* ---- its end ---- */

/* Between two messages it may end: it is started again when there is one. */
static void ended(struct work *w, struct job *job)
{
	int status = child_failure_status(&job->child);

	child_close(&job->child);
	if (!job->busy)
		return;
	if (!job->timed_out && (status == 126 || status == 127)) {
		warn_line("%s: exit status %d: it cannot do its work", w->plan.name, status);
		settle_release(w, job);
		work_stop(w, status);
		return;
	}
	if (w->hurry) {
		settle_release(w, job);
		return;
	}
	settle_ended(w, job);
	if (++job->deaths >= DEATHS_MAX && !w->stopping) {
		warn_line("%s: the worker died %d times in a row and answered nothing",
			  w->plan.name, DEATHS_MAX);
		work_stop(w, EX_UNAVAILABLE);
	}
}

static void look(struct work *w, struct job *job)
{
	read_answers(w, job);
	if (job->child.out < 0 && !job->child.ended && job->child.kill_ns == INT64_MAX)
		child_end(&job->child); /* it will answer nothing any more */
	if (job->child.pid != 0 && job->child.ended)
		ended(w, job);
}

/* ---- the end of all ---- */

/* A worker ends when its input does; one that does not is told to. */
static void finish(struct work *w)
{
	int64_t until = monotonic_ns() + END_NS;

	for (unsigned i = 0; i < w->pool.count; i++) {
		struct job *job = &w->pool.jobs[i];

		if (job->child.in >= 0)
			close(job->child.in);
		job->child.in = -1;
		job->in.len = job->in_at = 0;
		if (job->child.kill_ns == INT64_MAX)
			job->deadline_ns = until;
	}
	while (w->pool.living > 0) {
		pool_files(&w->pool, false);
		if (events_poll(w->pool.polls, w->pool.poll_count, pool_next_ns(&w->pool)) < 0)
			w->pool.poll_count = 0;
		work_notice_signals(w);
		pool_serve(&w->pool);
		groups_renew(&w->groups);
	}
}

const struct work_kind worker_kind = {.start = start, .look = look, .finish = finish};
