/* SPDX-License-Identifier: MIT */
/* disk.h - what the disk itself does, beside topics that are kept on it. */
#ifndef DISK_H
#define DISK_H

#include "bench.h"

/* How long a write of 4 KiB with its fdatasync took, while a row was measured. */
struct sync_times {
	unsigned n;
	double p50, p99; /* seconds */
	bool direct;     /* past the page cache; false: the filesystem refuses that */
};

void sync_times_begin(void);
int sync_times_take(struct bench *b); /* some more of them */
struct sync_times sync_times(void);

/* One run of each; -1: said why. Over blocks that were written before. */
int disk_sync_rate(struct bench *b, double *rate);  /* writes of 4 KiB with their fdatasync, a second */
int disk_fio_rate(struct bench *b, double *rate);   /* the same by fio */
int disk_write_rate(struct bench *b, double *rate); /* bytes a second: 1 MiB at a time, one fdatasync at the end */
const char *disk_fio_missing(const struct bench *b);

/* Reads the files of a directory whose names begin with prefix, one after the other and none of it from the page
 * cache: bytes a second. */
int disk_read_rate(const char *dir, const char *prefix, double *rate);

/* What the page cache has of these files is forgotten. Unlike /proc/sys/vm/drop_caches it needs no root, and leaves
 * the input file where it is. */
int disk_forget(const char *dir, const char *prefix);

#endif
