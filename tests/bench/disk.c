/* SPDX-License-Identifier: MIT */
/* disk.c - what the disk itself does: writes with a sync each, large writes, large reads; and fio. */
#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"

#define BLOCK      4096u
#define SYNC_SPAN  (64u << 20) /* the small writes go round in it */
#define LARGE      (1u << 20)
#define LARGE_SPAN (1u << 30)  /* at most */
#define TAKEN      250u        /* small writes of one sync_times_take() */

static char *buffer; /* of LARGE bytes, aligned as O_DIRECT wants it */
static bool direct;  /* what the files were opened with */

static int buffer_make(void)
{
	if (buffer)
		return 0;
	buffer = aligned_alloc(BLOCK, LARGE);
	if (!buffer)
		return complain("no memory");
	memset(buffer, 'd', LARGE); /* not zeroes: some disks do not write those */
	return 0;
}

/* O_DIRECT where the filesystem takes it. */
static int open_direct(const char *path, int flags)
{
	int fd = open(path, flags | O_DIRECT | O_CLOEXEC, 0600);

	direct = fd >= 0;
	if (fd < 0 && errno == EINVAL)
		fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		complain_errno("%s", path);
	return fd;
}

static int fill(int fd, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += LARGE)
		if (pwrite(fd, buffer, LARGE, (off_t)at) != LARGE)
			return complain_errno("writing to the disk");
	return fdatasync(fd) ? complain_errno("fdatasync") : 0;
}

/* A file of which every block was written before; it stays for the next run. */
static int written_file(const struct bench *b, const char *name, uint64_t bytes)
{
	char path[BENCH_PATH + 16];
	struct stat st;
	int fd;

	snprintf(path, sizeof path, "%s/%s", b->disk_dir, name);
	fd = buffer_make() ? -1 : open_direct(path, O_RDWR | O_CREAT);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) || ((uint64_t)st.st_size < bytes && fill(fd, bytes))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int write_and_sync(int fd, uint64_t n)
{
	if (pwrite(fd, buffer, BLOCK, (off_t)(n * BLOCK % SYNC_SPAN)) != BLOCK || fdatasync(fd))
		return complain_errno("write + fdatasync");
	return 0;
}

/* ---- beside a row ---- */

static double taken[TAKEN * BENCH_RUNS_MAX];
static unsigned taken_count;

void sync_times_begin(void)
{
	taken_count = 0;
}

int sync_times_take(struct bench *b)
{
	int fd = written_file(b, "sync", SYNC_SPAN), rc = fd < 0 ? -1 : 0;

	for (unsigned i = 0; i < TAKEN && taken_count < sizeof taken / sizeof taken[0] && rc == 0; i++) {
		uint64_t start = now_ns();

		rc = write_and_sync(fd, taken_count);
		taken[taken_count++] = (double)(now_ns() - start) / 1e9;
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

struct sync_times sync_times(void)
{
	struct sync_times t = {.n = taken_count, .direct = direct};

	summarise(taken, taken_count); /* sorts */
	if (taken_count) {
		t.p50 = taken[taken_count / 2];
		t.p99 = taken[taken_count * 99 / 100];
	}
	return t;
}

/* ---- rates ---- */

int disk_sync_rate(struct bench *b, double *rate)
{
	int fd = written_file(b, "sync", SYNC_SPAN), rc = fd < 0 ? -1 : 0;
	uint64_t start = now_ns(), n = 0;

	while (rc == 0 && now_ns() - start < b->run_ns)
		rc = write_and_sync(fd, n++);
	*rate = (double)n * 1e9 / (double)(now_ns() - start);
	if (fd >= 0)
		close(fd);
	return rc;
}

int disk_write_rate(struct bench *b, double *rate)
{
	uint64_t bytes = b->input_bytes < LARGE_SPAN ? b->input_bytes / LARGE * LARGE : LARGE_SPAN, start;
	int fd, rc;

	bytes = bytes ? bytes : LARGE;
	fd = written_file(b, "large", bytes);
	if (fd < 0)
		return -1;
	start = now_ns();
	rc = fill(fd, bytes);
	*rate = (double)bytes * 1e9 / (double)(now_ns() - start);
	close(fd);
	return rc;
}

/* ---- fio ---- */

const char *disk_fio_missing(const struct bench *b)
{
	return program_path(b, "fio") ? NULL : "fio is not installed";
}

/* The 49th field of its terse output: writes a second. */
int disk_fio_rate(struct bench *b, double *rate)
{
	char file[BENCH_PATH + 32], report[BENCH_PATH + 16], output[BENCH_PATH + 32], seconds[32], line[4096] = "";
	struct command fio = {
	    .words = {"fio", "--name=sync", file, output, seconds, "--minimal", "--rw=write", "--bs=4k", "--direct=1",
		      "--fdatasync=1", "--size=64M", "--overwrite=1", "--ioengine=psync", "--time_based"}};
	struct commands running = COMMANDS_NONE;
	char *at = line;
	FILE *f;
	int fd = written_file(b, "sync", SYNC_SPAN);

	if (fd < 0)
		return -1;
	close(fd);
	snprintf(file, sizeof file, "--filename=%s/sync", b->disk_dir);
	snprintf(report, sizeof report, "%s/fio", b->work_dir);
	snprintf(output, sizeof output, "--output=%s", report);
	snprintf(seconds, sizeof seconds, "--runtime=%llums", (unsigned long long)b->run_ns / 1000000u);
	command_start(b, &running, &fio);
	if (commands_wait(&running, NULL))
		return -1;
	f = fopen(report, "re");
	if (f) {
		if (!fgets(line, sizeof line, f))
			line[0] = '\0';
		fclose(f);
	}
	unlink(report);
	for (int field = 1; at && field < 49; field++) {
		at = strchr(at, ';');
		at += at != NULL;
	}
	*rate = at ? strtod(at, NULL) : 0;
	return *rate > 0 ? 0 : complain("fio said \"%.60s\"", line);
}

/* ---- reading ---- */

/* Calls each() with every one of the files, opened for reading. */
static int files_each(const char *dir, const char *prefix, int (*each)(int fd, void *context), void *context)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int rc = d ? 0 : complain_errno("%s", dir);

	while (rc == 0 && (entry = readdir(d)) != NULL) {
		int fd;

		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		fd = openat(dirfd(d), entry->d_name, O_RDONLY | O_CLOEXEC);
		rc = fd < 0 ? complain_errno("%s/%s", dir, entry->d_name) : each(fd, context);
		if (fd >= 0)
			close(fd);
	}
	if (d)
		closedir(d);
	return rc;
}

static int forget(int fd, void *context)
{
	(void)context;
	if (fdatasync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		return complain_errno("forgetting what the page cache has");
	return 0;
}

int disk_forget(const char *dir, const char *prefix)
{
	return files_each(dir, prefix, forget, NULL);
}

static int read_through(int fd, void *context)
{
	uint64_t *bytes = context;
	ssize_t n;

	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	while ((n = read(fd, buffer, LARGE)) > 0)
		*bytes += (uint64_t)n;
	return n < 0 ? complain_errno("reading from the disk") : 0;
}

int disk_read_rate(const char *dir, const char *prefix, double *rate)
{
	uint64_t bytes = 0, start;
	int rc = buffer_make() || disk_forget(dir, prefix) ? -1 : 0;

	start = now_ns();
	if (rc == 0)
		rc = files_each(dir, prefix, read_through, &bytes);
	*rate = (double)bytes * 1e9 / (double)(now_ns() - start);
	return rc;
}
