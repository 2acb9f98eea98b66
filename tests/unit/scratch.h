/* SPDX-License-Identifier: MIT */
/*
 * scratch.h - a broker below /dev/shm for one test program, gone when the program is.
 *
 * scratch_begin() forks: the child goes on with the test, the parent waits for it, removes the
 * directory and ends as the child did. So nothing is left over when a test crashes, or hangs.
 */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shmq.h"
#include "tap.h"

static char scratch[64]; /* the runtime directory; scenarios may set another one */
static pid_t scratch_child;

static inline int scratch_unlink(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st, (void)type, (void)f;
	return remove(path);
}

static inline void scratch_forward(int signal)
{
	(void)signal;
	kill(scratch_child, SIGKILL);
}

/* The whole test must be over in so many seconds. */
TAP_UNUSED static void scratch_begin_below(const char *parent, unsigned seconds)
{
	int status;

	snprintf(scratch, sizeof scratch, "%.40s/shmq-unit-XXXXXX", parent);
	if (mkdtemp(scratch) == NULL) {
		printf("Bail out! mkdtemp below %s: %s\n", parent, strerror(errno));
		exit(1);
	}
	scratch_child = fork();
	if (scratch_child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(seconds);
		return;
	}
	signal(SIGTERM, scratch_forward);
	signal(SIGINT, scratch_forward);
	while (waitpid(scratch_child, &status, 0) < 0 && errno == EINTR)
		;
	nftw(scratch, scratch_unlink, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	if (!WIFEXITED(status))
		printf("Bail out! signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* What must work before anything can be tested. */
#define need(call) need_(#call, call)
TAP_UNUSED static void need_(const char *what, int result)
{
	if (result == 0)
		return;
	printf("Bail out! %s: %d\n", what, result);
	exit(99); /* no negative result code, for those who pass these on */
}

/* A step of a test that is worth a line only when it fails. */
#define step(call) step_(#call, call)
TAP_UNUSED static bool step_(const char *what, int result)
{
	return result == 0 || is_i64(result, 0, "%s", what);
}

TAP_UNUSED static void scratch_begin(unsigned seconds)
{
	scratch_begin_below("/dev/shm", seconds);
}

/* ---- broker, topics, messages ---- */

TAP_UNUSED static shmq *broker(void)
{
	struct shmq_open_options o = {.dir = scratch, .flags = SHMQ_CREATE};
	shmq *q;

	need(shmq_open(&q, &o));
	return q;
}

TAP_UNUSED static shmq_pub *publisher(shmq *q, const char *topic, unsigned flags, int64_t wait_ms)
{
	struct shmq_pub_options o = {.flags = flags, .wait_ns = wait_ms * 1000000};
	shmq_pub *p;

	need(shmq_pub_open(q, topic, &o, &p, NULL));
	return p;
}

TAP_UNUSED static shmq_sub *subscriber(shmq *q, const char *topic, unsigned flags)
{
	struct shmq_sub_options o = {.flags = flags};
	shmq_sub *s;

	need(shmq_sub_open(q, topic, &o, &s));
	return s;
}

TAP_UNUSED static int publish_bytes(shmq_pub *p, const void *value, size_t bytes)
{
	struct shmq_message m = {.value = value, .value_len = bytes, .partition = -1};
	int r = shmq_pub_send(p, &m);

	return r != 0 ? r : shmq_pub_flush(p);
}

/* One message in a frame of its own. */
TAP_UNUSED static int publish(shmq_pub *p, const char *text)
{
	return publish_bytes(p, text, strlen(text));
}

/* Until the topic has no room. Returns how many went in. */
TAP_UNUSED static unsigned publish_until_full(shmq_pub *p, const char *text)
{
	unsigned n = 0;

	while (n < 100000 && publish(p, text) == 0)
		n++;
	return n;
}

/* Appends "value value " ... of all that is there to text; returns why it ended. */
TAP_UNUSED static int read_all(shmq_sub *s, char *text, size_t size)
{
	struct shmq_batch b;
	struct shmq_message m;
	int r;

	while ((r = shmq_sub_next(s, &b)) == 0) {
		while (shmq_batch_next(&b, &m) == 1) {
			size_t used = strlen(text);

			if (m.value_len > 20)
				snprintf(text + used, size - used, "(%zu) ", m.value_len);
			else
				snprintf(text + used, size - used, "%.*s ", (int)m.value_len,
					 (const char *)m.value);
		}
	}
	return r;
}

/* All that a topic, or one partition of it, holds, as text; leaves no trace. */
TAP_UNUSED static const char *contents(shmq *q, const char *topic, int partition)
{
	static char text[4096];
	uint32_t number = (uint32_t)partition;
	struct shmq_sub_options o = {.flags = SHMQ_SUB_BROWSE | SHMQ_SUB_EXIT_AT_END,
				     .partitions = partition < 0 ? NULL : &number,
				     .partition_count = partition >= 0};
	shmq_sub *s;
	int r;

	text[0] = '\0';
	need(shmq_sub_open(q, topic, &o, &s));
	r = read_all(s, text, sizeof text);
	if (r != SHMQ_END)
		snprintf(text + strlen(text), sizeof text - strlen(text), "result %d", r);
	shmq_sub_close(s);
	return text;
}

/* ---- files, time, processes ---- */

/* t/N/NAME of a topic. */
TAP_UNUSED static const char *topic_path(shmq *q, const char *topic, const char *name)
{
	static char path[256];
	struct shmq_topic_info info = {.logs = NULL};

	need(shmq_topic_info(q, topic, &info));
	snprintf(path, sizeof path, "%s/t/%llu/%s", scratch, (unsigned long long)info.number, name);
	return path;
}

TAP_UNUSED static void *map_topic_file(shmq *q, const char *topic, const char *name, size_t *bytes)
{
	int fd = open(topic_path(q, topic, name), O_RDWR | O_CLOEXEC);
	struct stat st;
	void *at;

	need(fd < 0 || fstat(fd, &st) < 0);
	at = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	need(at == MAP_FAILED);
	close(fd);
	*bytes = (size_t)st.st_size;
	return at;
}

TAP_UNUSED static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

TAP_UNUSED static void pause_ms(int64_t ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&t, &t) < 0)
		;
}

TAP_UNUSED static void on_alarm(int signal)
{
	(void)signal;
}

/* A signal every `ms`; 0: no more. */
TAP_UNUSED static void timer(long ms)
{
	struct sigaction a = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct itimerval t = {{0, ms * 1000}, {0, ms * 1000}};
	static struct itimerval limit; /* of the whole test: scratch_begin() */

	if (ms > 0) {
		sigaction(SIGALRM, &a, NULL);
		setitimer(ITIMER_REAL, &t, &limit);
	} else {
		setitimer(ITIMER_REAL, &limit, NULL);
		a.sa_handler = SIG_DFL;
		sigaction(SIGALRM, &a, NULL);
	}
}

/* Another process, which dies with this one. It must open its own broker handle. */
TAP_UNUSED static pid_t start(void (*run)(void *), void *argument)
{
	pid_t pid = fork();

	need(pid < 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(argument);
		_exit(0);
	}
	return pid;
}

/* The exit status of a process, or minus the signal that killed it. */
TAP_UNUSED static int finish(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TAP_UNUSED static void finish_by_force(pid_t pid)
{
	kill(pid, SIGKILL);
	kill(pid, SIGCONT);
	finish(pid);
}

/* A page shared with the processes started later. */
TAP_UNUSED static void *shared_page(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	need(at == MAP_FAILED);
	return at;
}

#endif
