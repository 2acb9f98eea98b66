/* SPDX-License-Identifier: MIT */
/* map.h - making, opening and mapping the files of the runtime directory. */
#ifndef SHMQ_MAP_H
#define SHMQ_MAP_H

#include "error.h"
#include "layout.h"

struct map {
	int fd; /* kept open: reserving pages and st_nlink need it; -1: nothing mapped */
	bool writable;
	size_t bytes;
	void *at;
};
#define MAP_NONE ((struct map){.fd = -1})

/* Fills the hash of a head. */
void file_head_seal(struct file_head *h);

/* What root makes in another user's directory is that user's: otherwise root's visit would lock him out
 * of his own broker. fd was just made in dirfd. */
int map_give(struct error *e, int dirfd, int fd);

/* A new file of `bytes`, its first `reserve` bytes backed, mapped writable and not yet linked:
 * the caller fills it in and calls map_publish(). 0 bytes: only the file, to be written. EOPNOTSUPP
 * filesystems get a temporary name. */
struct aside {
	struct map map;
	int dirfd;
	char temp[40]; /* "" where the file has no name yet */
};
int map_aside(struct error *e, int dirfd, size_t bytes, size_t reserve, struct aside *out);

/* Links the file as `name`: 0, or SHMQ_EEXIST when the name is taken (somebody was first: the
 * aside file is dropped and unmapped), or an error. On 0 the mapping stays in a->map. */
int map_publish(struct error *e, struct aside *a, const char *name);
void map_discard(struct aside *a);

/* Opens and maps a file and checks its head: kind, format, hash, size, number (0: any).
 * SHMQ_ENOENT, SHMQ_EACCESS, SHMQ_EFORMAT, SHMQ_ECORRUPT, ... what: for the sentence. */
int map_open(struct error *e, int dirfd, const char *name, bool writable, enum file_kind kind,
             uint64_t number, struct map *out);

/* Backs pages of the file: SHMQ_ENOSPACE instead of SIGBUS later. Never shrinks, any number of
 * processes at once. */
int map_reserve(struct error *e, const struct map *m, size_t at, size_t bytes);

/* Whether the file still has a name: false when the topic or the directory was removed. */
bool map_linked(const struct map *m);

void map_close(struct map *m);

#endif
