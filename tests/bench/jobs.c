/* SPDX-License-Identifier: MIT */
/* jobs.c - a process for each message: mqsub -j N -- true, xargs -P N -n 1 true. */
#include "jobs.h"

#include <stdio.h>
#include <unistd.h>

const struct jobs jobs_mqsub = {
    .name = "mqsub -j 2 -- true",
    .command = {.words = {"mqsub", "-q", "-e", "-j", "2", "-g", "workers", "@topic", "--", "true"}},
    .topic = true,
};

const struct jobs jobs_xargs = {
    .name = "xargs -P 2 -n 1 true",
    .command = {.words = {"xargs", "-P", "2", "-n", "1", "true"}, .in = "@jobs"},
};

static int topic_fill(struct bench *b)
{
	struct shmq_message m = {.partition = -1};
	char text[16];
	shmq_pub *p;

	if (topic_fresh(b, BENCH_TOPIC) || shmq_pub_open(b->broker, BENCH_TOPIC, NULL, &p, NULL))
		return complain("%s", shmq_error(b->broker));
	for (unsigned i = 0; i < JOBS_MESSAGES; i++) {
		m.value = text;
		m.value_len = (size_t)snprintf(text, sizeof text, "%u", i);
		if (shmq_pub_send(p, &m))
			return complain("publish: %s", shmq_error(b->broker));
	}
	if (shmq_pub_flush(p))
		return complain("publish: %s", shmq_error(b->broker));
	shmq_pub_close(p);
	return 0;
}

/* Every message is done. */
static int topic_check(struct bench *b)
{
	struct shmq_group_log_info log[SHMQ_PARTITIONS_MAX];
	struct shmq_group_info info = {.logs = log};

	if (shmq_group_info(b->broker, BENCH_TOPIC, "workers", &info))
		return complain("%s", shmq_error(b->broker));
	if (info.acked != JOBS_MESSAGES || log[0].lag != 0)
		return complain("mqsub: %llu of %u messages acked", (unsigned long long)info.acked, JOBS_MESSAGES);
	return 0;
}

static int file_fill(const char *path)
{
	FILE *f = fopen(path, "w");

	for (unsigned i = 0; f && i < JOBS_MESSAGES; i++)
		fprintf(f, "%u\n", i);
	return f && fclose(f) == 0 ? 0 : complain_errno("%s", path);
}

int jobs_run(struct bench *b, const struct jobs *jobs, double *rate)
{
	struct commands running = COMMANDS_NONE;
	struct command c = jobs->command;
	char path[BENCH_PATH + 8];
	uint64_t start;
	int rc;

	snprintf(path, sizeof path, "%s/jobs", b->work_dir);
	if (jobs->topic ? topic_fill(b) : file_fill(path))
		return -1;
	if (c.in)
		c.in = path;
	start = now_ns();
	command_start(b, &running, &c);
	rc = commands_wait(&running, NULL);
	*rate = JOBS_MESSAGES * 1e9 / (double)(now_ns() - start);
	if (rc == 0 && jobs->topic)
		rc = topic_check(b);
	if (jobs->topic && topic_drop(b, BENCH_TOPIC))
		rc = -1;
	unlink(path);
	return rc;
}
