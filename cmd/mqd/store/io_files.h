/* SPDX-License-Identifier: MIT */
/*
 * io_files.h - what every disk that is a directory of the kernel's has: a table of open files, and the calls that
 * block. Each kind puts a struct io_files in front of its own fields, and FILES_OPS into its table.
 */
#ifndef MQD_IO_FILES_H
#define MQD_IO_FILES_H

#include <errno.h>

#include "io.h"

struct open_file {
	int fd;      /* -1: this number is free */
	bool direct; /* past the page cache */
	bool drop;   /* that was asked for, and is refused */
};

struct io_files {
	struct io io; /* first: it is what callers hold */
	int dir;
	bool no_direct; /* IO_DIRECT is not heeded any more: see files_refuse_direct() */
	bool no_dsync;  /* the kernel, the filesystem or a filter refuses RWF_DSYNC */
	struct open_file *open; /* by number; the lowest free one is given, as the kernel does */
	int room;
};

/* A call until no signal handler interrupts it. */
#define UNINTERRUPTED(result, call)   \
	do {                          \
		(result) = (call);    \
	} while ((result) < 0 && errno == EINTR)

/* dirfd is duplicated. 0 or -errno; then there is nothing to end. */
int files_begin(struct io_files *f, int dirfd, const struct io_ops *ops);

/* Closes all that is open. */
void files_end(struct io_files *f);

/* Of an open file. */
int files_fd(const struct io *io, int file);
bool files_direct(const struct io *io, int file);

/* A filesystem may take O_DIRECT and then no write of IO_BLOCK bytes (its blocks are larger): files opened from now
 * on go through the page cache. */
void files_refuse_direct(struct io *io);

/* As in struct io_ops. These retry what a signal handler interrupted; a write goes on after a short count, until an
 * error: then it returns what was written before it, or the error if that is nothing. */
int files_open(struct io *io, const char *name, unsigned flags);
void files_close(struct io *io, int file);
int64_t files_size(struct io *io, int file);
int files_resize(struct io *io, int file, uint64_t bytes);
int files_allocate(struct io *io, int file, uint64_t bytes); /* io_allocate.c */
int64_t files_read(struct io *io, int file, void *to, size_t bytes, uint64_t at);
int64_t files_write(struct io *io, int file, const void *from, size_t bytes, uint64_t at);
int files_sync(struct io *io, int file);

/* One call: what is written of it, or -errno. A durable one would survive a power loss when it returns. */
int64_t files_write_once(struct io *io, int file, const void *from, size_t bytes, uint64_t at);
int64_t files_write_durable(struct io *io, int file, const void *from, size_t bytes, uint64_t at);

int files_rename(struct io *io, const char *from, const char *to); /* io_dir.c, and so are these */
int files_remove(struct io *io, const char *name);
int files_sync_dir(struct io *io);
int files_list(struct io *io, int (*each)(void *context, const char *name), void *context);
int files_space(struct io *io, uint64_t *free_bytes, uint64_t *all_bytes);

#define FILES_OPS                                                                                                     \
	.open = files_open, .close = files_close, .size = files_size, .resize = files_resize,                         \
	.allocate = files_allocate, .read = files_read, .write = files_write, .sync = files_sync,                     \
	.rename = files_rename, .remove = files_remove, .sync_dir = files_sync_dir, .list = files_list,               \
	.space = files_space

#endif
