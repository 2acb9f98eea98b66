/* SPDX-License-Identifier: MIT */
/* run.c - what the ways of publishing share: room, flushing, waiting, and how a run can end. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stop.h"
#include "tool.h"

/* Told before files are opened: one of them would take the place of a stream that is closed. */
static void need_streams(unsigned data_fds)
{
	if ((data_fds >> STDIN_FILENO & 1) != 0 && fcntl(STDIN_FILENO, F_GETFD) < 0)
		die(EX_NOINPUT, "standard input is closed");
	if ((data_fds >> STDOUT_FILENO & 1) != 0 && fcntl(STDOUT_FILENO, F_GETFD) < 0)
		die(EX_IOERR, "standard output is closed");
}

/* Bit n: file descriptor n carries data. */
static unsigned data_fds_of(const struct settings *set)
{
	bool reads = set->message_count == 0 && set->file_count == 0;

	for (size_t i = 0; i < set->file_count; i++)
		reads |= strcmp(set->files[i], "-") == 0;
	return (reads ? 1u << STDIN_FILENO : 0) | (set->tee ? 1u << STDOUT_FILENO : 0);
}

static void open_topic(struct run *run)
{
	struct settings *set = run->set;
	struct shmq_pub_options options = {
	    .flags = (set->no_create ? SHMQ_PUB_NO_CREATE : 0u) |
		     (set->never_wait ? SHMQ_PUB_NO_WAIT : 0u),
	    .wait_ns = set->wait_ns,
	};
	bool created = false;
	int rc = shmq_pub_open(run->q, set->topic, &options, &run->pub, &created);

	if (rc != SHMQ_OK)
		die_shmq(run->q, rc, set->topic);
	if (created)
		note("created topic %s in memory", set->topic);
	if (set->partition >= (int)shmq_pub_partitions(run->pub))
		die(EX_USAGE, "topic %s has no partition %d: they are 0 to %u", set->topic,
		    set->partition, shmq_pub_partitions(run->pub) - 1);
	if (set->verbose)
		note("publishing to topic %s of %s", set->topic, shmq_dir(run->q));
	set->record.max_bytes = shmq_pub_message_max(run->pub);
}

/* Where a frame can be refused, one record a frame shows which of them were accepted. */
static bool may_refuse(struct run *run)
{
	struct shmq_topic_info info = {.logs = NULL};
	int rc;

	if (run->set->never_wait)
		return true;
	rc = shmq_topic_info(run->q, run->set->topic, &info);
	if (rc != SHMQ_OK)
		die_shmq(run->q, rc, run->set->topic);
	return info.options.full == SHMQ_FULL_REJECT;
}

void run_open(struct run *run, struct settings *set)
{
	unsigned data_fds = data_fds_of(set);

	*run = (struct run){.set = set};
	need_streams(data_fds);
	signals_install();
	stop_install();
	run->q = tool_open(set->broker, set->no_create ? 0 : SHMQ_CREATE);
	open_topic(run);
	input_init(&run->in, set->files, set->file_count);
	run->each = set->unbuffered || (set->tee && may_refuse(run));
	if (set->tee)
		out_init(&run->tee, STDOUT_FILENO);
	progress_start(&run->progress, set->progress, data_fds);
}

/* ---- how it can end ---- */

void run_fail(struct run *run, int status, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	progress_clear(&run->progress);
	warn_line("%s", text);
	run->over = true;
	if (run->status == EX_OK)
		run->status = status;
}

static void so_far(const struct run *run, char *text, size_t size)
{
	unsigned long long accepted = run->accepted - shmq_pub_dropped(run->pub);
	unsigned long long linked = run->linked;

	if (accepted == 0)
		snprintf(text, size, "nothing was published");
	else if (linked == accepted)
		snprintf(text, size, "%llu records were published before", linked);
	else if (linked == 0)
		snprintf(text, size, "none of %llu records is known to be published", accepted);
	else
		snprintf(text, size, "at least %llu of %llu records were published before", linked,
			 accepted);
}

bool run_done(struct run *run, int rc)
{
	const char *topic = run->set->topic;
	char done[100];

	if (rc == SHMQ_OK || (rc == SHMQ_FULL && run->set->never_wait))
		return rc == SHMQ_OK;
	so_far(run, done, sizeof(done));
	if (rc == SHMQ_FULL)
		run_fail(run, EXIT_AGAIN, "topic %s is full and refuses what finds no room: %s",
			 topic, done);
	else if (rc == SHMQ_TIMEOUT) /* the library says for whom it waited */
		run_fail(run, EXIT_AGAIN, "%s; no room within %s: %s", shmq_error(run->q),
			 run->set->wait_text, done);
	else if (rc == SHMQ_INTERRUPTED) /* to stop: after other signals it is tried again */
		run_fail(run, EXIT_AGAIN, "stopped while it waited for room in topic %s: %s", topic,
			 done);
	else
		die_shmq(run->q, rc, topic);
	run->stuck = true;
	return false;
}

void run_too_large(struct run *run, uint64_t number)
{
	run_fail(run, EX_DATAERR,
		 "record %llu is too large: topic %s takes up to %zu bytes, a quarter of its"
		 " memory; 'mqd topic create NAME --memory SIZE' makes one that takes more",
		 (unsigned long long)number, run->set->topic, run->set->record.max_bytes);
}

/* ---- flushing, waiting ---- */

static void copy_accepted(struct run *run)
{
	int error = out_flush(&run->tee);

	if (error == EPIPE) {
		shmq_pub_close(run->pub);
		shmq_close(run->q);
		die_of_signal(SIGPIPE);
	}
	if (error)
		run_fail(run, EX_IOERR, "standard output: %s", strerror(error));
}

static bool flush_with(struct run *run, int (*flush)(shmq_pub *))
{
	int rc;

	do
		rc = flush(run->pub);
	while (rc == SHMQ_INTERRUPTED && !stop_signal);
	if (rc == SHMQ_OK || rc == SHMQ_FULL) /* what is not published now is dropped */
		run->linked = run->accepted - shmq_pub_dropped(run->pub);
	if (!run_done(run, rc)) {
		run->tee.held.len = 0; /* not accepted after all */
		return !run->over;
	}
	if (run->tee.held.len)
		copy_accepted(run);
	return !run->over;
}

bool run_flush(struct run *run)
{
	/* the reader of the copies may take long to read them */
	return flush_with(run, run->set->tee ? shmq_pub_idle : shmq_pub_flush);
}

bool run_idle(struct run *run)
{
	return flush_with(run, shmq_pub_idle);
}

bool run_wait_input(struct run *run)
{
	progress_tick(&run->progress, &run->in, run->taken);
	if (stop_signal) {
		run->over = true;
		return false;
	}
	if (input_ready(&run->in))
		return true;
	if (!run_idle(run))
		return false;
	if (!input_wait(&run->in))
		run->over = true;
	return !run->over;
}

/* ---- the end ---- */

static void tell_dropped(struct run *run)
{
	uint64_t dropped = run->refused + shmq_pub_dropped(run->pub);

	if (run->set->never_wait && dropped > 0)
		note("dropped %llu of %llu records: topic %s had no room",
		     (unsigned long long)dropped, (unsigned long long)run->taken, run->set->topic);
	if (run->set->verbose)
		note("published %llu records", (unsigned long long)run->linked);
}

int run_close(struct run *run)
{
	if (!run->stuck)
		run_idle(run);
	progress_end(&run->progress, &run->in, run->taken);
	tell_dropped(run);
	shmq_pub_close(run->pub);
	shmq_close(run->q);
	if (stop_signal)
		die_of_signal(stop_signal);
	/* some filesystems tell only now that they could not store what they took */
	if (run->set->tee && close(STDOUT_FILENO) != 0 && run->status == EX_OK)
		run_fail(run, EX_IOERR, "standard output: %s", strerror(errno));
	return run->status ? run->status : run->in.status;
}
