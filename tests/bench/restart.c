/* SPDX-License-Identifier: MIT */
/* restart.c - how long mqd takes to start on a store when all memory is gone. */
#include "restart.h"

#include "command.h"
#include "disk.h"
#include "store.h"

const unsigned restart_all = 1, restart_tenth = 10;

/* It is all there again: behind the gap that a loss of memory leaves, nothing is missing. */
static int messages_check(struct bench *b, uint64_t lines)
{
	struct shmq_log_info logs[SHMQ_PARTITIONS_MAX];
	struct shmq_topic_info info = {.logs = logs};

	if (shmq_topic_info(b->broker, BENCH_TOPIC, &info))
		return complain("topic %s: %s", BENCH_TOPIC, shmq_error(b->broker));
	if (logs[0].end_offset - logs[0].first_offset - logs[0].gaps != lines)
		return complain("%llu to %llu with %llu missing: %llu messages were stored",
				(unsigned long long)logs[0].first_offset, (unsigned long long)logs[0].end_offset,
				(unsigned long long)logs[0].gaps, (unsigned long long)lines);
	return 0;
}

/* Exactly the input file's bytes, or a part of it: mqpub -c. */
static int fill(struct bench *b, uint64_t bytes, uint64_t *lines)
{
	uint64_t whole = b->input_lines;
	struct commands running = COMMANDS_NONE;
	struct command head = {.words = {"mqpub", "-q", "-a", "disk", "-c", "@lines", "@topic"}, .in = "@file"};

	if (bytes >= b->input_bytes)
		return store_fill(b, bytes, lines);
	b->input_lines = *lines = bytes / LINE_BYTES ? bytes / LINE_BYTES : 1;
	command_start(b, &running, &head);
	b->input_lines = whole;
	return commands_wait(&running, NULL);
}

int restart_run(struct bench *b, const void *part, double *seconds)
{
	const unsigned *of = part;
	struct store store;
	uint64_t lines;
	int rc = store_begin(b, &store);

	if (rc == 0)
		rc = store_topic(b, BENCH_TOPIC, 0) || fill(b, b->behind_bytes / *of, &lines) || store_crash(b, &store) ||
		     disk_forget(store.dir, "") || store_restart(b, &store, seconds) || messages_check(b, lines);
	if (store_end(b, &store))
		rc = -1;
	return rc ? -1 : 0;
}
