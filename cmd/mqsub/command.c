/* SPDX-License-Identifier: MIT */
/* command.c - one command for each message. */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events.h"
#include "exec_env.h"
#include "into.h"
#include "settle.h"
#include "tool.h"
#include "work.h"

/* ---- starting it ---- */

/* That of xargs and shells: 127 it is not there, 126 it cannot be started; or the system has no
 * room for a process now. */
static int start_status(int error)
{
	if (error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE)
		return EX_OSERR;
	return error == ENOENT || error == ENOTDIR ? 127 : 126;
}

/* Nothing is wrong with the message, unless it does not fit into an environment. */
static void not_started(struct work *w, struct job *job, int error)
{
	static const char too_long[] = "its key or headers are too long for the environment of a"
				       " command";
	static const struct shmq_failure why = {.reason = SHMQ_REASON_REJECTED,
						.status = -1,
						.text = too_long,
						.text_len = sizeof too_long - 1};

	if (error == E2BIG) {
		settle_dead(w, job, &why, too_long);
		return;
	}
	warn_line("cannot start %s: %s", w->plan.name, strerror(error));
	settle_release(w, job);
	work_stop(w, start_status(error));
}

static void start(struct work *w, struct job *job, const struct given *given)
{
	const struct shmq_message *m = &given->delivery.message;
	const struct origin origin = groups_origin(&w->groups, given);
	int in = -1, error = 0;

	pool_take(&w->pool, job, given);
	job->out.len = job->out_dropped = 0;
	if (m->value_len > 0 && (in = child_input(m->value, m->value_len)) < 0)
		error = errno;
	if (!error)
		error = child_start(&job->child, &w->plan, exec_env(&origin, m), in);
	if (error) {
		not_started(w, job, error);
		return;
	}
	w->pool.living++;
	if (w->args->timeout_ns != SHMQ_FOREVER)
		job->deadline_ns = deadline_ns(monotonic_ns(), w->args->timeout_ns);
}

/* ---- its end ---- */

/* What it printed, in one piece. False: nobody reads it, and the message is given back. */
static bool print_output(struct work *w, struct job *job)
{
	int error;

	if (w->into || job->out.len == 0)
		return true;
	error = events_write(STDOUT_FILENO, job->out.data, job->out.len);
	if (error == 0)
		return true;
	if (error == EPIPE)
		work_stop_by_signal(w, SIGPIPE);
	else if (error != EINTR)
		warn_line("standard output: %s", strerror(error));
	if (error != EPIPE && error != EINTR)
		work_stop(w, EX_IOERR);
	settle_release(w, job);
	return false;
}

static void done(struct work *w, struct job *job)
{
	if (w->into)
		into_settle(w, job);
	else
		settle_ack(w, job);
}

static void ended(struct work *w, struct job *job)
{
	int status = child_failure_status(&job->child);

	if (!print_output(w, job))
		return;
	if (!job->timed_out && status == 99)
		work_stop(w, EX_OK);
	if (!job->timed_out && (status == 0 || status == 99)) {
		done(w, job);
	} else if (!job->timed_out && (status == 126 || status == 127)) {
		warn_line("%s: exit status %d: it cannot do its work, so it is given no more",
			  w->plan.name, status);
		settle_release(w, job);
		work_stop(w, status);
	} else if (w->hurry || work_output_gone(w)) {
		settle_release(w, job); /* it is not the message's fault */
	} else {
		settle_failed(w, job);
	}
}

static void look(struct work *w, struct job *job)
{
	if (job->child.pid != 0 && job->child.ended) {
		child_close(&job->child);
		ended(w, job);
	} else if (job->busy && job->child.pid == 0) {
		into_settle(w, job); /* again: there was no room */
	}
}

const struct work_kind command_kind = {.start = start, .look = look};
