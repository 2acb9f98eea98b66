/* SPDX-License-Identifier: MIT */
/* small_fs.h - a filesystem of 8 MB, so that it can be full, in a namespace of this process. */
#ifndef SMALL_FS_H
#define SMALL_FS_H

#include <sched.h>
#include <sys/mount.h>

#include "scratch.h"

static char mountpoint[128];

/* False, and errno, when this process may not. */
TAP_UNUSED static bool small_filesystem(void)
{
	snprintf(mountpoint, sizeof mountpoint, "%s/tmpfs", scratch);
	need(mkdir(mountpoint, 0700));
	if (unshare(CLONE_NEWNS) < 0)
		return false;
	mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL); /* fails where it is not a mount */
	return mount("tmpfs", mountpoint, "tmpfs", 0, "size=8m,mode=700") == 0;
}

/* A broker of its own on the small filesystem. */
TAP_UNUSED static shmq *small_broker(void)
{
	static unsigned number;

	snprintf(scratch, sizeof scratch, "%.40s/%u", mountpoint, number++);
	return broker();
}

static inline void filler_path(char path[160])
{
	snprintf(path, 160, "%s/filler", mountpoint);
}

/* Until not one page is left. */
TAP_UNUSED static void fill_up(void)
{
	char path[160];
	off_t at = 0;
	int fd;

	filler_path(path);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	need(fd < 0);
	for (off_t step = 1 << 20; step >= 4096; step /= 2)
		while (posix_fallocate(fd, at, step) == 0)
			at += step;
	close(fd);
}

TAP_UNUSED static void free_up(void)
{
	char path[160];

	filler_path(path);
	unlink(path);
}

#endif
