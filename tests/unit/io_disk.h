/* SPDX-License-Identifier: MIT */
/* io_disk.h - for io_test.c and io_open_test.c: a disk, and what is written to it. */
#ifndef IO_DISK_H
#define IO_DISK_H

#include "io_seams.h"
#include "small_fs.h"

#define BLOCKS 64u

static struct io *io;     /* the disk that is tested, */
static int dir;           /* its directory, */
TAP_UNUSED static const char *where; /* and both in words */
static _Alignas(IO_BLOCK) unsigned char blocks[BLOCKS][IO_BLOCK], back[BLOCKS][IO_BLOCK];

TAP_UNUSED static int open_file(const char *name, unsigned flags)
{
	int file = io->ops->open(io, name, flags);

	need(file < 0 ? file : 0);
	return file;
}

/* Each block says where it belongs, and in which round it was written. */
TAP_UNUSED static void fill(unsigned round)
{
	for (unsigned b = 0; b < BLOCKS; b++)
		for (unsigned i = 0; i < IO_BLOCK; i++)
			blocks[b][i] = (unsigned char)(b * 7 + i / 16 + round * 31 + 1);
}

TAP_UNUSED static int64_t submitted(int r)
{
	struct io_done done = {.tag = 0};

	if (r == 0)
		r = io->ops->reap(io, &done, 1, true);
	return r == 1 ? done.result : r < 0 ? r : -EPROTO;
}

TAP_UNUSED static int64_t write_now(int file, const void *from, size_t bytes, uint64_t at, bool durable)
{
	return submitted(io->ops->submit_write(io, file, from, bytes, at, durable, 1));
}

TAP_UNUSED static bool reads_back(int file, unsigned from, unsigned n)
{
	memset(back, 0, sizeof back);
	return io->ops->read(io, file, back, n * IO_BLOCK, from * IO_BLOCK) == n * IO_BLOCK &&
	       memcmp(back, blocks[from], n * IO_BLOCK) == 0;
}

struct names {
	unsigned n, stop_at;
	char all[256];
};

TAP_UNUSED static int add_name(void *context, const char *name)
{
	struct names *names = context;
	size_t used = strlen(names->all);

	snprintf(names->all + used, sizeof names->all - used, "%s ", name);
	return ++names->n == names->stop_at ? 7 : 0;
}

TAP_UNUSED static void open_dir(const char *name)
{
	char path[192];

	snprintf(path, sizeof path, "%s/%s", scratch, name);
	mkdir(path, 0700);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	need(dir < 0);
}

TAP_UNUSED static unsigned names_left(void)
{
	struct names names = {0};
	struct io *look;

	need(io_sync_open(dir, &look));
	look->ops->list(look, add_name, &names);
	look->ops->free(look);
	return names.n;
}

TAP_UNUSED static unsigned descriptors(void)
{
	struct names names = {0};
	struct io *look;
	int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	need(fd < 0);
	need(io_sync_open(fd, &look));
	look->ops->list(look, add_name, &names);
	look->ops->free(look);
	close(fd);
	return names.n;
}

/* Below a directory that is on a disk, mostly: /dev/shm has no O_DIRECT before Linux 6.6. */
TAP_UNUSED static void begin(void)
{
	const char *parent = getenv("TMPDIR");

	scratch_begin_below(parent != NULL && strlen(parent) <= 40 ? parent : "/var/tmp", 60);
}

/* After small_filesystem(): one that has neither O_DIRECT nor fallocate(), and no end. */
TAP_UNUSED static void open_ramfs(void)
{
	snprintf(mountpoint, sizeof mountpoint, "%s/ramfs", scratch);
	need(mkdir(mountpoint, 0700));
	need(mount("ramfs", mountpoint, "ramfs", 0, NULL));
	open_dir("ramfs");
}

#endif
