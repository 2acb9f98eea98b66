/* SPDX-License-Identifier: MIT */
/* oneshot.c - processes one after the other: mqpub -m, true, redis-cli. */
#include "oneshot.h"

#include "peer_redis.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

const struct oneshot oneshot_mqpub = {
    .name = "mqpub -m",
    .command = {.words = {"mqpub", "-m", "hello", "@topic"}},
    .topic = true,
};

const struct oneshot oneshot_true = {
    .name = "true",
    .command = {.words = {"true"}},
};

const struct oneshot oneshot_redis = {
    .name = "redis-cli",
    .command = {.words = {"redis-cli", "-s", "@socket", "XADD", "bench", "*", "v", "hello"}},
    .redis = true,
};

static const struct command redis_length = {
    .words = {"redis-cli", "-s", "@socket", "XLEN", "bench"},
    .out = COMMAND_CAPTURE,
};

static int processes_measure(const struct bench *b, const struct oneshot *o, double *seconds)
{
	static double times[ONESHOT_PROCESSES];
	const char *path = program_path(b, o->command.words[0]), *words[COMMAND_WORDS + 1];
	int fd, status = -1;
	pid_t pid;

	if (!path)
		return complain("%s is not there", o->command.words[0]);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return complain_errno("/dev/null");
	command_words(b, &o->command, words);
	for (unsigned i = 0; i < ONESHOT_PROCESSES; i++) {
		uint64_t start = now_ns();

		if (command_spawn(path, words, (int[]){fd, fd}, &pid))
			break;
		if (waitpid(pid, &status, 0) != pid || status)
			break;
		times[i] = (double)(now_ns() - start) / 1e9;
	}
	close(fd);
	*seconds = summarise(times, ONESHOT_PROCESSES).median;
	return status ? complain("%s: wait status %d", o->name, status) : 0;
}

/* Did every process leave its message? */
static int left_check(struct bench *b, const struct oneshot *o)
{
	struct commands query = COMMANDS_NONE;
	uint64_t count = 0;

	if (o->topic)
		return topic_count_check(b, BENCH_TOPIC, ONESHOT_PROCESSES);
	if (!o->redis)
		return 0;
	command_start(b, &query, &redis_length);
	if (commands_wait(&query, &count))
		return -1;
	return count == ONESHOT_PROCESSES
		   ? 0
		   : complain("redis holds %llu entries", (unsigned long long)count);
}

int oneshot_run(struct bench *b, const struct oneshot *o, double *seconds)
{
	struct commands beside = COMMANDS_NONE;
	int rc = 0;

	if (o->topic)
		rc = topic_fresh(b, BENCH_TOPIC);
	if (o->redis)
		rc = redis_start(b, &beside);
	if (rc == 0)
		rc = processes_measure(b, o, seconds);
	if (rc == 0)
		rc = left_check(b, o);
	redis_stop(&beside);
	if (o->topic && topic_drop(b, BENCH_TOPIC))
		rc = -1;
	return rc;
}
