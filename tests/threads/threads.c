/* SPDX-License-Identifier: MIT */
/* threads.c - the lock-free core as threads: who runs, for how long, and whether all get on. */
#include "threads.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

#define STILL_SECONDS 15u
#define END_SECONDS   60 /* from the end of the time until all have ended, at most */

__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "halt_on_error=1:report_thread_leaks=0";
}

const char *const topic_names[TOPICS] = {"strict", "drop", "purged", "churn", "tasks", "done"};
#define SMALL .partitions = PARTITIONS, .slots = 16, .pool_bytes = 2u << 20, .keep_bytes = 1u << 18
const struct shmq_topic_options topic_options[TOPICS] = {
        {SMALL},
        {.partitions = PARTITIONS, .slots = 8, .pool_bytes = 1u << 20, .keep_bytes = 1u << 18,
         .full = SHMQ_FULL_DROP_OLD},
        {SMALL},
        {SMALL},
        {SMALL},
        {SMALL}};

char dir[] = "/dev/shm/shmq-threads-XXXXXX";
atomic_bool stop;
atomic_uint writers_left;
_Atomic uint64_t sent[WRITERS][PARTITIONS];
_Atomic uint64_t messages_sent, messages_read, messages_missed;

void wrong(const struct thread *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# %s: ", t->name);
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	_exit(2);
}

void broker_again(struct thread *t)
{
	struct shmq_open_options o = {.dir = dir, .flags = SHMQ_CREATE, .program = t->name};

	if (t->q != NULL && t->reopen-- > 0)
		return;
	shmq_close(t->q);
	if (LIB(t, shmq_open, &t->q, &o) != 0)
		wrong(t, "shmq_open: %s", shmq_error(t->q));
	t->reopen = rng_below(&t->rng, 20);
}

void topic_error(struct thread *t, int result)
{
	if (t->topic != CHURN || (result != SHMQ_ENOENT && result != SHMQ_GONE))
		wrong(t, "%s: %d, %s", t->call, result, shmq_error(t->q));
}

void pause_some(struct thread *t, unsigned milliseconds)
{
	struct timespec pause = {.tv_nsec = (long)(1 + rng_below(&t->rng, milliseconds)) * 1000000};

	nanosleep(&pause, NULL);
}

void purger_run(struct thread *t)
{
	uint64_t purged;

	while (!stop) {
		int result;

		broker_again(t);
		/* ESYSTEM: all memory is held by publishers; the sentence says to try again */
		result = LIB(t, shmq_topic_purge, t->q, topic_names[t->topic], &purged);
		if (result != 0 && result != SHMQ_ESYSTEM)
			topic_error(t, result);
		pause_some(t, 20);
	}
}

void churner_run(struct thread *t)
{
	const char *name = topic_names[t->topic];

	while (!stop) {
		broker_again(t);
		if (rng_one_in(&t->rng, 3))
			LIB(t, shmq_topic_repair, t->q, name);
		else
			LIB(t, shmq_topic_delete, t->q, name);
		LIB(t, shmq_topic_create, t->q, name, &topic_options[t->topic]);
		pause_some(t, 40);
	}
}

static const struct job {
	const char *name;
	void (*run)(struct thread *t);
	enum topic_kind topic;
	unsigned count;
} jobs[] = {
        {"holder", holder_run, STRICT, 1}, {"writer", writer_run, STRICT, 3},
        {"reader", reader_run, STRICT, 2}, {"writer", writer_run, DROP, 3},
        {"reader", reader_run, DROP, 3},   {"writer", writer_run, PURGED, 2},
        {"reader", reader_run, PURGED, 2}, {"purger", purger_run, PURGED, 1},
        {"writer", writer_run, CHURN, 2},  {"reader", reader_run, CHURN, 2},
        {"churner", churner_run, CHURN, 1}, {"feeder", feeder_run, TASKS, 1},
        {"worker", worker_run, TASKS, 3},  {"digger", digger_run, TASKS, 1},
        {"checker", checker_run, DONE, 1},
};
#define THREADS_MAX 32u
static struct thread threads[THREADS_MAX];
static void (*runs[THREADS_MAX])(struct thread *t);

static void *thread_main(void *context)
{
	struct thread *t = context;

	runs[t - threads](t);
	t->call = "shmq_close";
	shmq_close(t->q);
	t->call = NULL;
	return NULL;
}

/* Until everybody has come to an end; who stands still is told. */
static void watch(unsigned count, unsigned seconds)
{
	uint64_t last[THREADS_MAX] = {0};
	unsigned still[THREADS_MAX] = {0}, running = count;

	for (unsigned tick = 0; running > 0; tick++) {
		struct timespec pause = {.tv_nsec = 100000000};

		nanosleep(&pause, NULL);
		if (tick >= seconds * 10)
			stop = true;
		running = 0;
		for (unsigned i = 0; i < count; i++) {
			if (threads[i].call == NULL && tick > 10)
				continue;
			running++;
			still[i] = threads[i].steps == last[i] ? still[i] + 1 : 0;
			last[i] = threads[i].steps;
			if (still[i] > STILL_SECONDS * 10)
				wrong(&threads[i], "stands still in %s", threads[i].call);
			if (tick > (seconds + END_SECONDS) * 10)
				wrong(&threads[i], "comes to no end in %s", threads[i].call);
		}
	}
}

static int all_threads(uint64_t seed, unsigned seconds)
{
	struct thread first = {.name = "first"};
	pthread_t ids[THREADS_MAX];
	unsigned count = 0;

	broker_again(&first);
	for (unsigned i = 0; i < TOPICS; i++)
		if (shmq_topic_create(first.q, topic_names[i], &topic_options[i]) != 0)
			wrong(&first, "%s", shmq_error(first.q));
	for (unsigned i = 0; i < sizeof jobs / sizeof *jobs; i++) {
		for (unsigned n = 0; n < jobs[i].count; n++, count++) {
			struct thread *t = &threads[count];

			t->number = n;
			t->topic = jobs[i].topic;
			t->rng = rng_part(seed, count);
			t->call = "start";
			runs[count] = jobs[i].run;
			snprintf(t->name, sizeof t->name, "%s %s %u", topic_names[t->topic], jobs[i].name, n);
			writers_left += jobs[i].run == writer_run && t->topic == STRICT;
		}
	}
	for (unsigned i = 0; i < count; i++)
		if (pthread_create(&ids[i], NULL, thread_main, &threads[i]) != 0)
			wrong(&first, "no thread");
	watch(count, seconds);
	for (unsigned i = 0; i < count; i++)
		pthread_join(ids[i], NULL);
	shmq_close(first.q);
	printf("# %llu messages sent, %llu read, %llu missed and told\n",
	       (unsigned long long)messages_sent, (unsigned long long)messages_read,
	       (unsigned long long)messages_missed);
	printf("# tasks: %llu acked, %llu settled, %llu given out again, %llu late, %llu requeued\n",
	       (unsigned long long)tasks_acked, (unsigned long long)tasks_settled, (unsigned long long)tasks_again,
	       (unsigned long long)tasks_late, (unsigned long long)tasks_dug_up);
	fflush(stdout);
	return messages_sent > 0 && messages_read > 0 && tasks_acked > 0 && tasks_settled > 0 ? 0 : 3;
}

/* ---- the process that survives -------------------------------------------------------- */

static void remove_in(int at, const char *name)
{
	struct dirent *e;
	DIR *d;
	int fd;

	if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
		return;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	while (d != NULL && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			remove_in(fd, e->d_name);
	if (d != NULL)
		closedir(d);
	unlinkat(at, name, AT_REMOVEDIR);
}

static pid_t child;

/* The rest follows: a test whose threads were killed has failed. */
static void on_end(int sig)
{
	(void)sig;
	kill(child, SIGKILL);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	        {"seed", 1, NULL, 's'}, {"seconds", 1, NULL, 't'}, {NULL, 0, NULL, 0}};
	unsigned long seconds = 5;
	uint64_t seed = 0;
	int c, status;

	if (getrandom(&seed, 4, 0) < 0)
		seed = (uint64_t)time(NULL);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (c == 't')
			seconds = strtoul(optarg, NULL, 10);
		else
			return 64;
	}
	printf("# seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	if (mkdtemp(dir) == NULL) {
		printf("Bail out! no directory in /dev/shm\n");
		return 1;
	}
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		exit(all_threads(seed, (unsigned)seconds));
	}
	signal(SIGINT, on_end);
	signal(SIGTERM, on_end);
	signal(SIGHUP, on_end);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	remove_in(AT_FDCWD, dir);
	if (!ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "publishers, subscribers and consumers as threads"))
		printf("# %s %d%s\n# again: %s --seed %llu --seconds 60\n",
		       WIFSIGNALED(status) ? "signal" : "exit",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		       WIFEXITED(status) && WEXITSTATUS(status) == 66 ? " (ThreadSanitizer)" : "", argv[0],
		       (unsigned long long)seed);
	return done();
}
