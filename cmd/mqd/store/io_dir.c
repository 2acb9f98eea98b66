/* SPDX-License-Identifier: MIT */
/* io_dir.c - the directory of a disk. */
#include "io_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int dir_of(const struct io *io)
{
	return ((const struct io_files *)io)->dir;
}

int files_rename(struct io *io, const char *from, const char *to)
{
	return renameat(dir_of(io), from, dir_of(io), to) < 0 ? -errno : 0;
}

int files_remove(struct io *io, const char *name)
{
	return unlinkat(dir_of(io), name, 0) < 0 ? -errno : 0;
}

int files_sync_dir(struct io *io)
{
	int r;

	UNINTERRUPTED(r, fsync(dir_of(io)));
	return r < 0 ? -errno : 0;
}

/* Opened anew, not duplicated: a duplicate shares its place in the directory with everybody else's. */
static DIR *open_list(const struct io *io)
{
	int fd = openat(dir_of(io), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (d == NULL && fd >= 0)
		close(fd);
	return d;
}

int files_list(struct io *io, int (*each)(void *context, const char *name), void *context)
{
	DIR *d = open_list(io);
	const struct dirent *e;
	int r = 0;

	if (d == NULL)
		return -errno;
	while (r == 0) {
		errno = 0;
		e = readdir(d);
		if (e == NULL) {
			r = -errno; /* 0: that was all */
			break;
		}
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = each(context, e->d_name);
	}
	closedir(d);
	return r;
}

/* What is kept for root counts as not being there. */
int files_space(struct io *io, uint64_t *free_bytes, uint64_t *all_bytes)
{
	struct statvfs fs;

	if (fstatvfs(dir_of(io), &fs) < 0)
		return -errno;
	*free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	*all_bytes = (uint64_t)(fs.f_blocks - (fs.f_bfree - fs.f_bavail)) * fs.f_frsize;
	return 0;
}
