/* SPDX-License-Identifier: MIT */
/* workspace.c - temporary places that are gone afterwards, whatever ended the work. */
#include "bench.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

int tree_remove(const char *path)
{
	return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) ? complain_errno("%s: cannot be removed", path) : 0;
}

static void workspace_remove(struct bench *b)
{
	const char *dirs[] = {b->broker_dir, b->store_dir, b->work_dir, b->disk_dir};

	for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
		if (dirs[i][0])
			tree_remove(dirs[i]);
}

/* path: an empty one on error, so that it is not removed. */
static int dir_make(const char *below, char path[BENCH_PATH])
{
	if (snprintf(path, BENCH_PATH, "%.480s/shmq-bench.XXXXXX", below) > 0 && mkdtemp(path))
		return 0;
	complain_errno("%s", path);
	path[0] = '\0';
	return -1;
}

static int workspace_make(struct bench *b)
{
	const char *tmp = getenv("TMPDIR");
	char disk[BENCH_PATH];

	memcpy(disk, b->disk_dir, sizeof disk);
	b->disk_dir[0] = '\0';
	return dir_make("/dev/shm", b->broker_dir) || dir_make("/dev/shm", b->store_dir) ||
	       dir_make(tmp && *tmp ? tmp : "/tmp", b->work_dir) || dir_make(disk, b->disk_dir);
}

/* The parent only waits, so that it is there to clean up when a child is killed; being the
 * subreaper it also sees the last of the grandchildren go. */
static pid_t worker_start(struct bench *b, int (*work)(struct bench *, void *), void *context,
			  const sigset_t *mask)
{
	pid_t pid;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fflush(NULL);
	pid = fork();
	if (pid) {
		if (pid > 0)
			setpgid(pid, pid);
		else
			complain_errno("fork");
		return pid;
	}
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	exit(work(b, context));
}

/* The worker's wait status, or -1 and the signal that ended the wait. */
static int worker_wait(pid_t pid, const sigset_t *signals, int *signal_number)
{
	int status;

	for (;;) {
		int sig = sigwaitinfo(signals, NULL);

		if (sig < 0 && errno != EINTR)
			return complain_errno("sigwaitinfo");
		if (sig > 0 && sig != SIGCHLD) {
			*signal_number = sig;
			return -1;
		}
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
	}
}

int workspace_run(struct bench *b, int (*work)(struct bench *b, void *context), void *context)
{
	sigset_t signals, old;
	int status = -1, sig = 0;
	pid_t pid = -1;

	sigemptyset(&signals);
	for (size_t i = 0; i < 5; i++)
		sigaddset(&signals, (int[]){SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}[i]);
	sigprocmask(SIG_BLOCK, &signals, &old);
	if (workspace_make(b) == 0)
		pid = worker_start(b, work, context, &old);
	if (pid > 0) {
		status = worker_wait(pid, &signals, &sig);
		kill(-pid, SIGKILL);
		while (wait(NULL) > 0 || errno == EINTR)
			;
	}
	workspace_remove(b);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (sig)
		raise(sig);
	if (status >= 0 && WIFSIGNALED(status)) {
		complain(WTERMSIG(status) == SIGALRM
			     ? "a run took longer than five minutes; given up"
			     : "ended by a signal");
		return 1;
	}
	return status >= 0 ? WEXITSTATUS(status) : 1;
}
