/* SPDX-License-Identifier: MIT */
/* oneshot.c - processes one after the other: mqpub -m, true, redis-cli. */
#include "oneshot.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
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

static const struct command redis_server = {
    .words = {"redis-server", "--port", "0", "--unixsocket", "@socket", "--save", ""},
};
static const struct command redis_length = {
    .words = {"redis-cli", "-s", "@socket", "XLEN", "bench"},
    .out = COMMAND_CAPTURE,
};

const char *redis_missing(const struct bench *b)
{
	if (!program_path(b, "redis-cli"))
		return "redis-cli is not installed";
	return program_path(b, "redis-server") ? NULL : "redis-server is not installed";
}

/* The server answers when its socket takes a connection. */
static int redis_wait(const struct bench *b)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	uint64_t deadline = now_ns() + 10u * 1000000000u;
	int rc = -1;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", b->work_dir) >=
	    (int)sizeof(address.sun_path))
		return complain("%s: too long for a socket", b->work_dir);
	while (rc && now_ns() < deadline) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
		close(fd);
		nap(10000000);
	}
	return rc ? complain("redis-server did not come up within ten seconds") : 0;
}

/* Ends what runs beside the measurement; its exit status is of no interest. */
static void beside_stop(struct commands *beside)
{
	for (unsigned i = 0; i < beside->n; i++) {
		kill(beside->pids[i], SIGKILL);
		waitpid(beside->pids[i], NULL, 0);
	}
}

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
		rc = command_start(b, &beside, &redis_server) || redis_wait(b) ? -1 : 0;
	if (rc == 0)
		rc = processes_measure(b, o, seconds);
	if (rc == 0)
		rc = left_check(b, o);
	beside_stop(&beside);
	if (o->topic && topic_drop(b, BENCH_TOPIC))
		rc = -1;
	return rc;
}
