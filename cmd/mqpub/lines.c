/* SPDX-License-Identifier: MIT */
/*
 * lines.c - records that end with one byte and need nothing added, without a copy: they are read
 * straight into shared memory.
 */
#include <string.h>

#include "run.h"
#include "tool.h"

/* Looks at what a call that may have linked records said. */
static bool linked(struct run *run, int rc, uint64_t records)
{
	run->taken += records;
	if (rc == SHMQ_EDATA) {
		run_too_large(run, run->taken + 1);
		return false;
	}
	return run_done(run, rc);
}

static bool add(struct run *run, size_t bytes)
{
	uint64_t records = 0;
	int rc = shmq_pub_lines_add(run->pub, bytes, &records);

	while (rc == SHMQ_INTERRUPTED && stop_signal == 0) {
		run->taken += records;
		rc = shmq_pub_lines_add(run->pub, 0, &records);
	}
	return linked(run, rc, records);
}

static bool room(struct run *run, void **buffer, size_t *bytes)
{
	const unsigned char *delim = run->set->record.delim;
	int rc;

	do
		rc = shmq_pub_lines_room(run->pub, run->set->partition, *delim, buffer, bytes);
	while (rc == SHMQ_INTERRUPTED && stop_signal == 0);
	return linked(run, rc, 0);
}

/* Where the record begins that is not complete yet: behind the last delimiter that was read. */
static void find_begin(struct run *run, const void *data, size_t bytes)
{
	const char *from = data;
	const char *last = memrchr(from, *(const char *)run->set->record.delim, bytes);

	if (last)
		run->begin = run->in.bytes - bytes + (size_t)(last - from) + 1;
}

static void one_input(struct run *run)
{
	while (run_wait_input(run)) {
		void *buffer;
		size_t bytes;
		ssize_t n;

		if (!room(run, &buffer, &bytes))
			return;
		n = input_read(&run->in, buffer, bytes);
		if (n == INPUT_END || n == INPUT_FAILED)
			return;
		if (n > 0) {
			find_begin(run, buffer, (size_t)n);
			if (!add(run, (size_t)n))
				return;
		}
	}
}

void publish_lines(struct run *run)
{
	uint64_t records = 0;
	int rc;

	while (!run->over && input_next(&run->in))
		one_input(run);
	if (run->over)
		return;
	do
		rc = shmq_pub_lines_end(run->pub, &records);
	while (rc == SHMQ_INTERRUPTED && stop_signal == 0);
	linked(run, rc, records);
}
