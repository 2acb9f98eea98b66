/* SPDX-License-Identifier: MIT */
/* run.c - what the ways of publishing share: flushing, copying, waiting, and how a run can end. */
#include "run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stop.h"
#include "tool.h"

/* ---- how it can end ---- */

void run_fail(struct run *run, int status, const char *fmt, ...)
{
	struct bytes text = {0};
	va_list ap;

	va_start(ap, fmt);
	bytes_vprintf(&text, fmt, ap);
	va_end(ap);
	warn_line("%.*s", (int)text.len, text.data);
	bytes_free(&text);
	run->over = true;
	if (run->status == EX_OK)
		run->status = status;
}

static void so_far(const struct run *run, char *text, size_t size)
{
	unsigned long long n = shmq_pub_linked(run->pub);

	if (n == 0)
		snprintf(text, size, "nothing was published");
	else if (n == 1)
		snprintf(text, size, "1 record was published before");
	else
		snprintf(text, size, "%llu records were published before", n);
}

/* What the library can do nothing about, and what to do. */
static void fail_for(struct run *run, int rc, const char *done)
{
	const char *topic = run->set->topic;

	if (rc == SHMQ_GONE)
		run_fail(run, status_of(rc),
			 "%s: the topic was deleted or its runtime directory removed: %s; what was"
			 " published is lost, start again",
			 topic, done);
	else if (rc == SHMQ_EDAEMON)
		run_fail(run, status_of(rc), "%s: %s", shmq_error(run->q), done);
	else if (rc == SHMQ_ENOSPACE)
		run_fail(run, status_of(rc),
			 "%s: %s: %s; make room ('mqd topic list -v' says which topic has how"
			 " much), then publish the rest",
			 topic, shmq_error(run->q), done);
	else
		run_fail(run, status_of(rc), "%s: %s: %s", topic, shmq_error(run->q), done);
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
		fail_for(run, rc, done);
	run->stuck = true;
	return false;
}

const char *run_record(const struct run *run, uint64_t number)
{
	static struct bytes text;
	unsigned long long n = number, byte = run->begin;

	text.len = 0;
	if (run->set->message_count)
		bytes_printf(&text, "record %llu", n);
	else if (run->set->file_count > 1)
		bytes_printf(&text, "record %llu (byte %llu of the input, in %s)", n, byte,
			     input_name_at(&run->in, byte));
	else
		bytes_printf(&text, "record %llu (byte %llu of the input)", n, byte);
	bytes_byte(&text, 0);
	return text.data;
}

void run_too_large(struct run *run, uint64_t number)
{
	run_fail(run, EX_DATAERR,
		 "%s is too large: topic %s takes up to %zu bytes, a quarter of its memory; 'mqd"
		 " topic create --memory SIZE NAME' makes one that takes more",
		 run_record(run, number), run->set->topic, run->set->record.max_bytes);
}

/* ---- flushing, waiting ---- */

static void copy_linked(struct run *run)
{
	int error = tee_copy(&run->tee, shmq_pub_linked(run->pub));

	if (error == EPIPE) {
		shmq_pub_close(run->pub);
		shmq_close(run->q);
		die_of_signal(SIGPIPE);
	}
	if (error)
		run_fail(run, EX_IOERR, "standard output: %s", strerror(error));
}

static int sync_disk(struct run *run)
{
	int rc;

	do
		rc = shmq_pub_sync(run->pub);
	while (rc == SHMQ_INTERRUPTED && !stop_signal);
	return rc;
}

/* Everything is on disk, or it is said that it is not known to be. */
static bool wait_disk(struct run *run)
{
	int rc = sync_disk(run);

	if (rc == SHMQ_OK)
		return true;
	run->stuck = true;
	if (rc == SHMQ_INTERRUPTED)
		run_fail(run, EXIT_AGAIN,
			 "stopped before topic %s was on disk: %llu records are published, and become durable"
			 " when mqd has written them",
			 run->set->topic, (unsigned long long)shmq_pub_linked(run->pub));
	else
		run_fail(run, status_of(rc),
			 "%s: %llu records are published, and not known to be on disk; they become durable when"
			 " mqd has written them, do not publish them again",
			 shmq_error(run->q), (unsigned long long)shmq_pub_linked(run->pub));
	return false;
}

static bool flush_with(struct run *run, int (*flush)(shmq_pub *))
{
	int rc;

	do
		rc = flush(run->pub);
	while (rc == SHMQ_INTERRUPTED && !stop_signal);
	/* what is copied, or waited for one by one, is accepted */
	if (rc == SHMQ_OK && run->set->ack_disk && (run->set->tee || run->set->unbuffered) && !wait_disk(run))
		return false;
	if (run->set->tee)
		copy_linked(run);
	if (rc == SHMQ_FULL) /* what is not published now is dropped */
		tee_drop(&run->tee);
	run_done(run, rc);
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
		note("published %llu records",
		     (unsigned long long)shmq_pub_linked(run->pub));
}

int run_close(struct run *run)
{
	if (!run->stuck)
		run_idle(run);
	else if (run->set->tee && !run->set->ack_disk)
		copy_linked(run);
	if (!run->stuck && run->set->ack_disk && shmq_pub_linked(run->pub) > 0)
		wait_disk(run);
	tee_free(&run->tee);
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
