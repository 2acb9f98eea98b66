/* SPDX-License-Identifier: MIT */
/* command.c - runs programs, alone or joined by pipes. A shell would do, but would be measured
 * along and hides the exit status of all but the last. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

const char *program_path(const struct bench *b, const char *name)
{
	static char path[2 * BENCH_PATH];
	const char *dirs = getenv("PATH");

	snprintf(path, sizeof(path), "%s/%s", b->bin_dir, name);
	if (access(path, X_OK) == 0)
		return path;
	for (dirs = dirs ? dirs : "/usr/bin:/bin"; *dirs; dirs += *dirs == ':') {
		size_t n = strcspn(dirs, ":");

		snprintf(path, sizeof(path), "%.*s/%s", (int)n, dirs, name);
		if (access(path, X_OK) == 0)
			return path;
		dirs += n;
	}
	return NULL;
}

static const char *word_meaning(const struct bench *b, const char *word)
{
	static char lines[24], socket[BENCH_PATH + 16];

	if (!word || word[0] != '@')
		return word;
	if (strcmp(word, "@topic") == 0)
		return BENCH_TOPIC;
	if (strcmp(word, "@file") == 0)
		return b->input;
	if (strcmp(word, "@disk") == 0)
		return b->disk_dir;
	if (strcmp(word, "@socket") == 0) {
		snprintf(socket, sizeof(socket), "%s/socket", b->work_dir);
		return socket;
	}
	snprintf(lines, sizeof(lines), "%llu", (unsigned long long)b->input_lines);
	return lines;
}

void command_words(const struct bench *b, const struct command *c,
		   const char *words[COMMAND_WORDS + 1])
{
	size_t n = 0;

	for (; n < COMMAND_WORDS && c->words[n]; n++)
		words[n] = word_meaning(b, c->words[n]);
	words[n] = NULL;
}

/* Descriptors for in and out; both are the caller's to close. */
static int command_files(const struct bench *b, struct commands *running, const struct command *c,
			 int fds[2])
{
	int ends[2];
	bool capture = c->out && strcmp(c->out, COMMAND_CAPTURE) == 0;

	fds[0] = running->pipe;
	running->pipe = -1;
	if (fds[0] < 0)
		fds[0] = open(c->in ? word_meaning(b, c->in) : "/dev/null", O_RDONLY | O_CLOEXEC);
	if (c->pipe) {
		if (pipe2(ends, O_CLOEXEC))
			ends[0] = ends[1] = -1;
		running->pipe = ends[0];
		fds[1] = ends[1];
	} else if (capture) {
		running->capture = memfd_create("capture", MFD_CLOEXEC);
		fds[1] = running->capture < 0 ? -1 : fcntl(running->capture, F_DUPFD_CLOEXEC, 3);
	} else {
		fds[1] = open(c->out ? c->out : "/dev/null", O_WRONLY | O_CLOEXEC);
	}
	return fds[0] < 0 || fds[1] < 0 ? complain_errno("%s: its input or output", c->words[0])
					: 0;
}

int command_spawn(const char *path, const char **words, const int fds[2], pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int rc;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[0], 0);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	rc = posix_spawn(pid, path, &actions, NULL, (char **)words, environ);
	posix_spawn_file_actions_destroy(&actions);
	return rc ? complain("%s: %s", path, strerror(rc)) : 0;
}

int command_start(const struct bench *b, struct commands *running, const struct command *c)
{
	const char *path = program_path(b, c->words[0]), *words[COMMAND_WORDS + 1];
	int fds[2] = {-1, -1};
	pid_t pid = -1;

	running->failed = true;
	if (!path)
		return complain("%s is not there", c->words[0]);
	if (running->n == COMMANDS_MAX)
		return complain("too many commands");
	command_words(b, c, words);
	if (command_files(b, running, c, fds) == 0 && command_spawn(path, words, fds, &pid) == 0) {
		running->names[running->n] = c->words[0];
		running->pids[running->n++] = pid;
		running->failed = false;
	}
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return running->failed ? -1 : 0;
}

static int captured_number(int fd, uint64_t *captured)
{
	char text[64] = "", *end;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	errno = 0;
	*captured = strtoull(text, &end, 10);
	return n <= 0 || end == text || errno ? complain("a number was expected, not \"%s\"", text)
					      : 0;
}

static int status_check(const char *name, int status)
{
	if (WIFSIGNALED(status))
		return complain("%s: %s", name, strsignal(WTERMSIG(status)));
	if (status)
		return complain("%s: exit status %d", name, WEXITSTATUS(status));
	return 0;
}

/* Waits for one of them; returns what status_check() says. */
static int one_wait(struct commands *running, unsigned *left)
{
	int status;
	pid_t ended = wait(&status);

	if (ended < 0) {
		*left = 0;
		return complain_errno("wait");
	}
	for (unsigned i = 0; i < running->n; i++) {
		if (running->pids[i] != ended)
			continue;
		running->pids[i] = 0;
		--*left;
		return running->failed ? 0 : status_check(running->names[i], status);
	}
	return 0;
}

int commands_wait(struct commands *running, uint64_t *captured)
{
	unsigned left = running->n;
	int rc;

	while (left) {
		for (unsigned i = 0; running->failed && i < running->n; i++)
			if (running->pids[i])
				kill(running->pids[i], SIGKILL);
		if (one_wait(running, &left))
			running->failed = true;
	}
	rc = running->failed ? -1 : 0;
	if (rc == 0 && captured)
		rc = captured_number(running->capture, captured);
	if (running->capture >= 0)
		close(running->capture);
	if (running->pipe >= 0)
		close(running->pipe);
	*running = COMMANDS_NONE;
	return rc;
}
