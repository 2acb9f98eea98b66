/* SPDX-License-Identifier: MIT */
/* world.c - shared memory, verdict, deadlines and runtime directory of one case. */
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

#include "trace.h" /* trace_symbol() */

#define DEADLINE_SECONDS 10

struct world world = { .child = -1 };

void broken(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (world.child >= 0) {
		vsnprintf(world.shared->complaint, sizeof(world.shared->complaint), format, args);
	} else if (world.outcome) {
		vsnprintf(world.outcome->text, sizeof(world.outcome->text), format, args);
		world.outcome->verdict = VERDICT_FAIL;
	} else {
		printf("Bail out! ");
		vprintf(format, args);
		printf("\n");
		exit(99); /* the program itself: it has to clean up */
	}
	va_end(args);
	_exit(99);
}

static void on_alarm(int signal)
{
	(void)signal;
	broken("blocked for %d s: %s", DEADLINE_SECONDS, world.doing);
}

static void on_crash(int signal, siginfo_t *info, void *context)
{
	const ucontext_t *u = context;

	(void)info;
	broken("the others crashed by signal %d at %s: %s", signal,
	       trace_symbol((uint64_t)u->uc_mcontext.gregs[REG_RIP]), world.doing);
}

static void catch_crashes(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL };
	struct sigaction crash = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO };

	for (unsigned i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &crash, NULL);
}

void deadline(const char *format, ...)
{
	va_list args;

	if (world.child >= 0)
		return;
	va_start(args, format);
	vsnprintf(world.doing, sizeof(world.doing), format, args);
	va_end(args);
	alarm(DEADLINE_SECONDS);
}

void calm(void)
{
	alarm(0);
}

void world_begin(struct outcome *outcome, const char *dir, enum variant variant)
{
	memset(&world, 0, sizeof(world));
	world.outcome = outcome;
	world.child = -1;
	world.variant = variant;
	snprintf(world.dir, sizeof(world.dir), "%s", dir);
	world.shared = mmap(NULL, sizeof(*world.shared), PROT_READ | PROT_WRITE,
	                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (world.shared == MAP_FAILED)
		broken("harness: mmap: %s", strerror(errno));
	signal(SIGALRM, on_alarm);
	catch_crashes();
}

static void remove_in(int at, const char *name)
{
	if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
		return;
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			remove_in(fd, e->d_name);
	closedir(d);
	unlinkat(at, name, AT_REMOVEDIR);
}

void remove_tree(const char *dir)
{
	remove_in(AT_FDCWD, dir);
}

unsigned world_count_files(const char *subdirectory)
{
	char path[128];
	struct dirent *e;
	unsigned n = 0;

	snprintf(path, sizeof(path), "%s/%s", world.dir, subdirectory);
	DIR *d = opendir(path);

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}
