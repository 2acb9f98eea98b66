/* SPDX-License-Identifier: MIT */
/* case.c - one case from its first process to the verdict: deadlines, signals, what is left over. */
#include "case.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "actors.h"
#include "damage.h"

#define CALL_SECONDS 8u  /* of one call; the longest waits asked for are milliseconds */
#define CASE_SECONDS 30u /* of one case: a loop of calls without progress */
#define COMPLAINED   99

struct board *board;
struct place *here;

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(here->complaint, sizeof here->complaint, format, args);
	va_end(args);
	_exit(COMPLAINED);
}

int call_end(int result)
{
	uint64_t took = now_ns() - here->since_ns;

	here->since_ns = 0;
	here->calls++;
	board->calls++;
	board->data += result == 0;
	board->errors += result < 0;
	if (result < SHMQ_ECONFIG || result > SHMQ_LATE)
		complain("%s returned %d", here->call, result);
	if (took > CALL_SECONDS * 1000000000u)
		complain("%s took %llu ms", here->call, (unsigned long long)(took / 1000000));
	return result;
}

/* ---- processes ------------------------------------------------------------------------ */

static pid_t running[ACTORS_MAX + 2]; /* by place; 0: has ended */
static int output = -1; /* what the sanitizers say of the processes of this case */

static pid_t start(unsigned place)
{
	pid_t pid;

	fflush(stdout);
	memset(&board->places[place], 0, sizeof *here);
	pid = fork();
	if (pid != 0) {
		running[place] = pid;
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	here = &board->places[place];
	dup2(output, STDERR_FILENO);
	return 0;
}

void case_abort(void)
{
	for (unsigned i = 0; i < ACTORS_MAX + 2; i++) {
		if (running[i] > 0 && kill(running[i], SIGKILL) == 0)
			waitpid(running[i], NULL, 0);
	}
}

/* One process has ended: NULL, or why that is wrong. */
static const char *verdict(const struct place *at, int status, bool sigbus_allowed)
{
	static char text[600];

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return NULL;
	if (WIFEXITED(status) && WEXITSTATUS(status) == ACTOR_SIGBUS && sigbus_allowed)
		return NULL;
	if (WIFEXITED(status) && WEXITSTATUS(status) == COMPLAINED)
		snprintf(text, sizeof text, "%s", at->complaint);
	else if (WIFSIGNALED(status))
		snprintf(text, sizeof text, "signal %d in %s", WTERMSIG(status), at->call);
	else
		snprintf(text, sizeof text, "exit %d (a sanitizer's report?) in %s", WEXITSTATUS(status),
		         at->call);
	return text;
}

static bool too_long(const struct place *at)
{
	uint64_t since = at->since_ns, now = now_ns();

	return since != 0 && now > since && now - since > CALL_SECONDS * 1000000000u;
}

/* Abort says where it hangs: AddressSanitizer prints the stack. */
static void end_it(pid_t pid)
{
	kill(pid, SIGABRT);
	for (int i = 0; i < 200 && waitpid(pid, NULL, WNOHANG) == 0; i++)
		usleep(10000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Waits for all of them. pids become 0 as they end. */
static const char *await(pid_t *pids, unsigned count, bool sigbus_allowed)
{
	static char text[200];
	uint64_t begin = now_ns();
	const char *wrong = NULL;
	unsigned left = count;

	while (left > 0) {
		left = 0;
		for (unsigned i = 0; i < count; i++) {
			const struct place *at = &board->places[i];
			int status;

			if (pids[i] == 0)
				continue;
			left++;
			if (waitpid(pids[i], &status, WNOHANG) == pids[i]) {
				pids[i] = running[i] = 0;
				if (wrong == NULL)
					wrong = verdict(at, status, sigbus_allowed);
			} else if (wrong == NULL &&
			           (too_long(at) || now_ns() - begin > CASE_SECONDS * 1000000000ull)) {
				snprintf(text, sizeof text, "%s in %s",
				         too_long(at) ? "hangs" : "no end of calls", at->call);
				wrong = text;
				end_it(pids[i]);
				pids[i] = running[i] = 0;
			} else if (wrong != NULL) {
				kill(pids[i], SIGKILL);
				waitpid(pids[i], NULL, 0);
				pids[i] = running[i] = 0;
			}
		}
		if (left > 0)
			usleep(500);
	}
	return wrong;
}

/* What went wrong, and what the sanitizers said about it. */
static const char *with_output(const char *wrong)
{
	static char text[24000];
	size_t n;
	ssize_t got;

	if (wrong == NULL)
		return NULL;
	n = (size_t)snprintf(text, sizeof text, "%s\n", wrong);
	got = pread(output, text + n, sizeof text - n - 1, 0);
	text[n + (got > 0 ? (size_t)got : 0)] = '\0';
	return text;
}

const char *case_alone(void (*job)(void *context), void *context)
{
	pid_t pid;
	const char *wrong;

	output = memfd_create("output", MFD_CLOEXEC);
	pid = start(0);
	if (pid == 0) {
		job(context);
		_exit(0);
	}
	wrong = with_output(await(&pid, 1, false));
	close(output);
	return wrong;
}

/* ---- a case --------------------------------------------------------------------------- */

void plan_make(struct plan *p, uint64_t seed, unsigned number, const char *dir)
{
	struct rng r = rng_part(seed, number);

	*p = (struct plan){.seed = seed, .number = number};
	snprintf(p->dir, sizeof p->dir, "%s/c%u", dir, number);
	p->extents = 4 + rng_below(&r, 5);
	p->options = (struct shmq_topic_options){
	        .partitions = 1 + rng_below(&r, 3),
	        .slots = 8u << rng_below(&r, rng_one_in(&r, 8) ? 12 : 6),
	        .pool_bytes = (uint64_t)p->extents << 18,
	        .keep_bytes = (uint64_t)(1 + rng_below(&r, 3)) << 18,
	        .full = (enum shmq_full)rng_below(&r, 3),
	};
	p->holes = rng_one_in(&r, 6);
	p->racing = !p->holes && rng_one_in(&r, 6);
	p->truncate = !p->holes && !p->racing && rng_one_in(&r, 12);
	p->brokers = !p->holes && rng_one_in(&r, 3);
	p->before = rng_one_in(&r, 4) && !p->holes ? 0 : 1 + rng_below(&r, rng_one_in(&r, 3) ? 60 : 6);
	p->live = p->holes || rng_one_in(&r, 3) ? 0 : 1 + rng_below(&r, 100);
	if (p->racing) {
		p->before = 0;
		p->live = 40;
	}
	p->actors = 2 + rng_below(&r, 3);
}

void plan_say(const struct plan *p, char *text, size_t bytes)
{
	snprintf(text, bytes,
	         "%u partitions, %u slots, %u extents, full %u, %u actors, damage %u + %u%s%s%s%s",
	         p->options.partitions, p->options.slots, p->extents, p->options.full, p->actors, p->before,
	         p->live, p->holes ? ", holes" : "", p->racing ? ", racing" : "", p->truncate ? ", truncate" : "",
	         p->brokers ? ", broker" : "");
}

static const char *one(const struct plan *p, void (*job)(const struct plan *p))
{
	pid_t pid = start(0);

	if (pid == 0) {
		job(p);
		_exit(0);
	}
	return await(&pid, 1, false);
}

static void before(const struct plan *p)
{
	struct rng r = rng_part(p->seed, p->number * 100ull + 1);

	here->call = "the damager";
	damage_some(p, &r, p->before, false);
}

static void beside(const struct plan *p)
{
	struct rng r = rng_part(p->seed, p->number * 100ull + 2);

	here->call = "the damager";
	if (p->truncate) {
		usleep(1000 * rng_below(&r, 10));
		damage_truncate(p, &r);
	}
	damage_some(p, &r, p->live, true);
	board->damaging = false;
}

static const char *together(const struct plan *p)
{
	pid_t pids[ACTORS_MAX + 1];
	unsigned n;

	board->damaging = p->live > 0;
	for (n = 0; n < p->actors; n++) {
		pids[n] = start(n);
		if (pids[n] == 0) {
			actor_run(p, n);
			_exit(0);
		}
	}
	if (p->live > 0 || p->truncate) {
		pids[n] = start(n);
		if (pids[n] == 0) {
			beside(p);
			_exit(0);
		}
		n++;
	}
	return await(pids, n, p->truncate);
}

const char *case_run(const struct plan *p)
{
	uint64_t pages = 0;
	const char *wrong;

	output = memfd_create("output", MFD_CLOEXEC);
	wrong = one(p, actor_first);
	if (wrong == NULL && p->before > 0)
		wrong = one(p, before);
	if (p->holes)
		pages = damage_hole_pages(p);
	if (wrong == NULL)
		wrong = together(p);
	if (wrong == NULL && p->holes && damage_hole_pages(p) != pages)
		wrong = "reading has filled holes of a log's pool: on a full filesystem that is SIGBUS";
	if (wrong == NULL && !p->truncate && !p->holes)
		wrong = one(p, actor_last);
	wrong = with_output(wrong);
	close(output);
	remove_tree(p->dir);
	return wrong;
}

static void remove_in(int at, const char *name)
{
	struct dirent *e;
	DIR *d;
	int fd;

	if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
		return;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			remove_in(fd, e->d_name);
	closedir(d);
	unlinkat(at, name, AT_REMOVEDIR);
}

void remove_tree(const char *dir)
{
	remove_in(AT_FDCWD, dir);
}
