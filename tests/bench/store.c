/* SPDX-License-Identifier: MIT */
/* store.c - a broker with a store, and its mqd, for one run. */
#include "store.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"

#define START_SECONDS  240 /* to read a large store */
#define SETTLE_SECONDS 60

extern char **environ;

static int spawn(struct bench *b, struct store *s, int stderr_fd)
{
	const char *path = program_path(b, "mqd");
	const char *words[] = {"mqd", "-b", b->broker_dir, "--store", s->dir, NULL};
	posix_spawn_file_actions_t actions;
	int rc;

	if (!path)
		return complain("mqd is not there");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, stderr_fd, 2);
	rc = posix_spawn(&s->mqd, path, &actions, NULL, (char **)words, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (rc) {
		s->mqd = 0;
		return complain("%s: %s", path, strerror(rc));
	}
	return 0;
}

static int serving_wait(struct store *s)
{
	uint64_t deadline = now_ns() + START_SECONDS * 1000000000ull;
	char text[8192] = "";
	size_t used = 0;
	ssize_t n;

	do {
		struct pollfd p = {.fd = s->log, .events = POLLIN};

		n = poll(&p, 1, 1000) == 1 ? read(s->log, text + used, sizeof(text) - 1 - used) : 0;
		if (n < 0 || (n == 0 && (p.revents & POLLHUP)))
			break;
		used += (size_t)n;
		text[used] = '\0';
		if (strstr(text, "mqd: serving ") && text[used - 1] == '\n')
			return 0;
	} while (used < sizeof(text) - 1 && now_ns() < deadline);
	text[strcspn(text, "\n")] = '\0';
	return complain("mqd does not serve: \"%.400s\"", text);
}

static void log_close(struct store *s)
{
	if (s->log >= 0)
		close(s->log);
	s->log = -1;
}

static int serve(struct bench *b, struct store *s, double *seconds)
{
	uint64_t start;
	int ends[2], rc;

	log_close(s);
	if (pipe2(ends, O_CLOEXEC))
		return complain_errno("pipe");
	s->log = ends[0];
	start = now_ns();
	rc = spawn(b, s, ends[1]);
	close(ends[1]);
	if (rc == 0)
		rc = serving_wait(s);
	*seconds = (double)(now_ns() - start) / 1e9;
	return rc;
}

/* The runner's own handle on the broker with the store. */
static int attach(struct bench *b)
{
	struct shmq_open_options options = {.dir = b->broker_dir, .flags = SHMQ_CREATE};

	if (shmq_open(&b->broker, &options))
		return complain("%s: %s", b->broker_dir, b->broker ? shmq_error(b->broker) : "no memory");
	return 0;
}

static void detach(struct bench *b, const struct store *s)
{
	if (b->broker != s->memory_broker)
		shmq_close(b->broker);
	b->broker = s->memory_broker;
}

static void take_place(struct bench *b, struct store *s)
{
	*s = (struct store){.log = -1, .memory_broker = b->broker};
	memcpy(s->memory_dir, b->broker_dir, sizeof(s->memory_dir));
	snprintf(s->dir, sizeof(s->dir), "%s/store", b->disk_dir);
	snprintf(b->broker_dir, sizeof(b->broker_dir), "%.490s/broker", b->store_dir);
	setenv("MQ_DIR", b->broker_dir, 1);
}

int store_begin(struct bench *b, struct store *s)
{
	double unused;

	take_place(b, s);
	return serve(b, s, &unused) || attach(b) ? -1 : 0;
}

int store_begin_memory(struct bench *b, struct store *s)
{
	take_place(b, s);
	return attach(b);
}

/* What it has said meanwhile may be why a run failed. */
static void log_show(struct store *s)
{
	struct pollfd p = {.fd = s->log, .events = POLLIN};
	char text[4096];
	ssize_t n;

	while (s->log >= 0 && poll(&p, 1, 0) == 1 && (n = read(s->log, text, sizeof(text))) > 0)
		fprintf(stderr, "%.*s", (int)n, text);
}

static int mqd_end(struct store *s, int sig)
{
	int status = 0;
	pid_t pid = s->mqd;

	s->mqd = 0;
	if (pid == 0)
		return 0;
	kill(pid, sig);
	if (waitpid(pid, &status, 0) != pid)
		return complain("mqd was not there any more");
	if (sig == SIGKILL)
		return 0;
	if (status)
		log_show(s);
	return status ? complain("mqd: wait status %d", status) : 0;
}

static int dir_remove(const char *path)
{
	return access(path, F_OK) ? 0 : tree_remove(path);
}

int store_end(struct bench *b, struct store *s)
{
	int rc;

	detach(b, s);
	rc = mqd_end(s, SIGTERM);
	log_close(s);
	if (dir_remove(b->broker_dir) || dir_remove(s->dir))
		rc = -1;
	memcpy(b->broker_dir, s->memory_dir, sizeof(b->broker_dir));
	setenv("MQ_DIR", b->broker_dir, 1);
	return rc;
}

int store_crash(struct bench *b, struct store *s)
{
	detach(b, s);
	return mqd_end(s, SIGKILL) || dir_remove(b->broker_dir) ? -1 : 0;
}

int store_restart(struct bench *b, struct store *s, double *seconds)
{
	return serve(b, s, seconds) || attach(b) ? -1 : 0;
}

int store_topic(struct bench *b, const char *name, uint64_t memory)
{
	struct shmq_topic_options options = {.pool_bytes = memory, .storage = SHMQ_STORAGE_DISK};

	return shmq_topic_create(b->broker, name, &options) ? complain("topic %s: %s", name, shmq_error(b->broker)) : 0;
}

int store_fill(struct bench *b, uint64_t bytes, uint64_t *lines)
{
	static const struct command publish = {.words = {"mqpub", "-q", "-a", "disk", "@topic"}, .in = "@file"};
	uint64_t n = 0;

	do {
		struct commands running = COMMANDS_NONE;

		command_start(b, &running, &publish);
		if (commands_wait(&running, NULL))
			return -1;
		n += b->input_lines;
	} while (n * LINE_BYTES < bytes);
	if (lines)
		*lines = n;
	return 0;
}

/* ---- in use ---- */

static unsigned journal_files(const struct store *s)
{
	DIR *d = opendir(s->dir);
	struct dirent *entry;
	unsigned n = 0;

	while (d && (entry = readdir(d)) != NULL)
		n += strncmp(entry->d_name, "journal.", 8) == 0;
	if (d)
		closedir(d);
	return n;
}

static uint64_t mqd_wrote(const struct store *s)
{
	char path[64], line[128];
	uint64_t bytes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/io", (int)s->mqd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "write_bytes: %" SCNu64, &bytes) == 1)
			break;
	if (f)
		fclose(f);
	return bytes;
}

/* Until mqd has written nothing for a while. */
static int quiet_disk(const struct store *s)
{
	uint64_t deadline = now_ns() + SETTLE_SECONDS * 1000000000ull, before;

	do {
		before = mqd_wrote(s);
		nap(300000000);
		if (mqd_wrote(s) == before)
			return 0;
	} while (now_ns() < deadline);
	return complain("mqd does not come to rest");
}

/* So much at a time that it is not far into the next file. */
static int some_publish(struct bench *b, shmq_pub *p)
{
	static char value[10000];
	struct shmq_message m = {.value = value, .value_len = sizeof(value), .partition = -1};

	for (unsigned i = 0; i < 200; i++)
		if (shmq_pub_send(p, &m))
			return complain("publish: %s", shmq_error(b->broker));
	return shmq_pub_sync(p) ? complain("publish: %s", shmq_error(b->broker)) : 0;
}

int store_settle(struct bench *b, const struct store *s)
{
	unsigned files = journal_files(s);
	shmq_pub *p;
	int rc = quiet_disk(s) || store_topic(b, "bench.before", 0);

	if (rc)
		return -1;
	if (shmq_pub_open(b->broker, "bench.before", NULL, &p, NULL))
		return complain("%s", shmq_error(b->broker));
	while (rc == 0 && journal_files(s) == files)
		rc = some_publish(b, p);
	shmq_pub_close(p);
	return rc || quiet_disk(s) ? -1 : 0;
}
