/* SPDX-License-Identifier: MIT */
/*
 * hooks.h - for unit tests in which somebody is killed, or stands still, between two system calls.
 *
 * The calls below are the test's: a hook runs before the next call of its kind, once.
 */
#ifndef HOOKS_H
#define HOOKS_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shmq.h"
#include "tap.h"

/* ---- hooks -------------------------------------------------------------------------- */

struct hook {
	void (*run)(void);
	const char *name; /* the last part of the path; NULL: any */
	int flag;         /* AT_REMOVEDIR; O_RDWR */
};
TAP_UNUSED static struct hook on_unlink, on_mkdir, on_link, on_open;

static void hook_run(struct hook *h, const char *path, int flag)
{
	const char *slash = strrchr(path, '/');
	void (*run)(void) = h->run;

	if (run == NULL || flag != h->flag ||
	    (h->name != NULL && strcmp(slash != NULL ? slash + 1 : path, h->name) != 0))
		return;
	h->run = NULL;
	run();
}

static unsigned opens; /* calls so far */

int unlinkat(int dir, const char *path, int flags)
{
	hook_run(&on_unlink, path, flags);
	return (int)syscall(SYS_unlinkat, dir, path, flags);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
	hook_run(&on_mkdir, path, 0);
	return (int)syscall(SYS_mkdirat, dir, path, mode);
}

int linkat(int from, const char *path, int to, const char *name, int flags)
{
	hook_run(&on_link, name, 0);
	return (int)syscall(SYS_linkat, from, path, to, name, flags);
}

int openat(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	opens++;
	va_start(ap, flags);
	if (flags & (O_CREAT | O_TMPFILE))
		mode = va_arg(ap, mode_t);
	va_end(ap);
	hook_run(&on_open, path, flags & O_ACCMODE);
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

TAP_UNUSED static void die(void)
{
	fflush(stdout);
	kill(getpid(), SIGKILL);
}

/* ---- a broker ----------------------------------------------------------------------- */

static char dir[64];

TAP_UNUSED static shmq *broker(void)
{
	struct shmq_open_options o = {.dir = dir, .flags = SHMQ_CREATE};
	shmq *q;
	int r = shmq_open(&q, &o);

	if (r != 0) {
		printf("Bail out! shmq_open: %d %s\n", r, shmq_error(q));
		exit(1);
	}
	return q;
}

static void shell(const char *format, ...)
{
	char command[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof command, format, ap);
	va_end(ap);
	if (system(command) != 0)
		printf("# failed: %s\n", command);
}

/* How many files and folders are in a folder of the runtime directory, at any depth. */
TAP_UNUSED static unsigned count_files(const char *folder)
{
	char command[128];
	unsigned n = 999;
	FILE *f;

	snprintf(command, sizeof command, "find %s/%s -mindepth 1 | wc -l", dir, folder);
	f = popen(command, "r");
	if (f == NULL || fscanf(f, "%u", &n) != 1)
		n = 999;
	if (f != NULL)
		pclose(f);
	return n;
}

static void begin(const char *name)
{
	printf("# %s\n", name);
	fflush(stdout); /* a child must not say it again */
	snprintf(dir, sizeof dir, "/dev/shm/shmq-test-%d", (int)getpid());
	shell("rm -rf %s", dir);
}

#endif
