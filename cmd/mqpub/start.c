/* SPDX-License-Identifier: MIT */
/*
 * start.c - what a run needs before its first record: streams, input, broker and topic, each looked
 * at before the next one is made.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
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

/* Told before anything is made: a topic that is not there yet will have one partition. */
static void need_partition(const struct settings *set)
{
	struct shmq_topic_info info = {.options.partitions = 1};
	shmq *q = NULL;
	int rc;

	if (set->partition <= 0)
		return;
	rc = tool_try_open(set->broker, SHMQ_OBSERVE, &q);
	if (rc == SHMQ_OK)
		rc = shmq_topic_info(q, set->topic, &info);
	shmq_close(q);
	if (rc == SHMQ_OK && set->partition >= (int)info.options.partitions)
		die(EX_USAGE, "topic %s has no partition %d: they are 0 to %u", set->topic,
		    set->partition, info.options.partitions - 1);
	if (rc == SHMQ_ENOENT && !set->no_create)
		die(EX_USAGE,
		    "topic %s is not there, and would be made without partition %d: 'mqd topic"
		    " create --partitions %d %s' makes it with that",
		    set->topic, set->partition, set->partition + 1, set->topic);
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
		note("created topic %s %s", set->topic, shmq_pub_on_disk(run->pub) ? "on disk" : "in memory");
	if (set->ack_disk && !shmq_pub_on_disk(run->pub))
		die(EX_USAGE, "topic %s is in memory: nothing of it is ever on disk ('--ack disk'); 'mqd topic"
			      " create --storage disk NAME' makes one that is",
		    set->topic);
	if (!set->ack_given) /* the topic's own level */
		set->ack_disk = shmq_pub_on_disk(run->pub);
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

/* Records of several partitions are not linked in their order, unless each is at once. */
static bool may_scatter(const struct run *run)
{
	const struct settings *set = run->set;

	return shmq_pub_partitions(run->pub) > 1 && set->partition < 0 &&
	       (set->record.key_delim_len > 0 || set->record.framing == RECORD_JSON ||
		set->record.framing == RECORD_BINARY);
}

static void open_input(struct run *run)
{
	const struct settings *set = run->set;

	if (set->message_count)
		input_none(&run->in);
	else
		input_init(&run->in, set->files, set->file_count, set->tee);
	if (!set->message_count && !input_first(&run->in))
		exit(run->in.status); /* nothing was made for nothing */
}

static struct run *copies_for; /* as tool_on_wait has no argument */

/* A publisher that waits has copied what is published. It is inside the library then: that may be
 * left by the end of the process only. */
static void copy_on_wait(void)
{
	struct run *run = copies_for;
	int error = tee_copy(&run->tee, shmq_pub_linked(run->pub));

	if (error == EPIPE)
		die_of_signal(SIGPIPE);
	if (error)
		die(EX_IOERR, "standard output: %s", strerror(error));
}

static void start_copies(struct run *run)
{
	tee_init(&run->tee, STDOUT_FILENO);
	copies_for = run;
	tool_on_wait = copy_on_wait;
}

void run_open(struct run *run, struct settings *set)
{
	unsigned data_fds = data_fds_of(set);

	*run = (struct run){.set = set};
	need_streams(data_fds);
	streams_fill();
	signals_install();
	stop_install();
	need_partition(set);
	open_input(run);
	run->q = tool_open(set->broker, set->no_create ? 0 : SHMQ_CREATE);
	open_topic(run);
	run->each = set->unbuffered || (set->tee && (may_scatter(run) || may_refuse(run)));
	if (set->tee)
		start_copies(run);
	progress_start(&run->progress, set->progress, data_fds);
}
