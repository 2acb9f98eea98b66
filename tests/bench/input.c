/* SPDX-License-Identifier: MIT */
/* input.c - the file of 100-byte lines that the tool rows read, held by the page cache. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_LINES 10000u
#define DIGITS      20

/* The next line's number, in place: every line differs, so that a lost, repeated or swapped one
 * shows when the output is compared. */
static void number_next(char digits[DIGITS])
{
	int i = DIGITS - 1;

	while (i >= 0 && digits[i] == '9')
		digits[i--] = '0';
	if (i >= 0)
		digits[i]++;
}

static int write_all(int fd, const char *data, size_t bytes)
{
	while (bytes) {
		ssize_t n = write(fd, data, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		bytes -= (size_t)n;
	}
	return 0;
}

static int lines_write(int fd, uint64_t lines)
{
	size_t room = (size_t)BLOCK_LINES * LINE_BYTES;
	char *block = malloc(room), digits[DIGITS];
	int rc = 0;

	if (!block)
		return -1;
	memset(block, '.', room);
	for (size_t i = 0; i < BLOCK_LINES; i++)
		block[(i + 1) * LINE_BYTES - 1] = '\n';
	memset(digits, '0', DIGITS);
	while (lines && rc == 0) {
		size_t n = lines < BLOCK_LINES ? (size_t)lines : BLOCK_LINES;

		for (size_t i = 0; i < n; i++, number_next(digits))
			memcpy(block + i * LINE_BYTES, digits, DIGITS);
		rc = write_all(fd, block, n * LINE_BYTES);
		lines -= n;
	}
	free(block);
	return rc;
}

static int read_through(int fd)
{
	static char block[1 << 18];
	ssize_t n;

	if (lseek(fd, 0, SEEK_SET))
		return -1;
	while ((n = read(fd, block, sizeof(block))) > 0)
		;
	return n < 0 ? -1 : 0;
}

int input_prepare(struct bench *b)
{
	uint64_t memory = machine_memory_available();
	char path[BENCH_PATH];
	int fd, rc;

	if (b->input[0])
		return 0;
	if (memory && b->input_bytes > memory / 2)
		return complain(
		    "an input of %llu bytes would not stay in the page cache (%llu bytes of "
		    "memory are available): choose a smaller one with -s",
		    (unsigned long long)b->input_bytes, (unsigned long long)memory);
	if (snprintf(path, sizeof(path), "%s/lines", b->work_dir) >= (int)sizeof(path))
		return complain("%s: the path is too long", b->work_dir);
	b->input_lines = b->input_bytes / LINE_BYTES;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return complain_errno("%s", path);
	/* written out now, or the disk would be busy with it while the rows run */
	rc = lines_write(fd, b->input_lines) || fdatasync(fd) || read_through(fd);
	if (rc)
		complain_errno("%s", path);
	close(fd);
	if (rc == 0)
		memcpy(b->input, path, sizeof(path));
	return rc ? -1 : 0;
}
