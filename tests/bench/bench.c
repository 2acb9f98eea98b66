/* SPDX-License-Identifier: MIT */
/* bench.c - errors, time, statistics, shared memory, topics: what several parts need. */
#include "bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* In one write: both sides of a run may have something to say. */
static void fail_line(const char *format, va_list args, const char *reason)
{
	char line[1024];

	vsnprintf(line, sizeof(line), format, args);
	fprintf(stderr, "bench: %s%s%s\n", line, reason ? ": " : "", reason ? reason : "");
}

int complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fail_line(format, args, NULL);
	va_end(args);
	return -1;
}

int complain_errno(const char *format, ...)
{
	const char *reason = strerror(errno);
	va_list args;

	va_start(args, format);
	fail_line(format, args, reason);
	va_end(args);
	return -1;
}

int complain_result(const shmq *broker, int result)
{
	if (result < 0)
		return complain("subscribe: %s", shmq_error(broker));
	if (result == SHMQ_TIMEOUT)
		return complain("subscribe: nothing came for a long time");
	return complain("subscribe: result %d", result);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void nap(uint64_t ns)
{
	struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u),
			     .tv_nsec = (long)(ns % 1000000000u)};

	nanosleep(&t, NULL);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct summary summarise(double *values, unsigned n)
{
	struct summary s = {.n = n};

	if (n == 0)
		return s;
	qsort(values, n, sizeof(*values), by_value);
	s.min = values[0];
	s.max = values[n - 1];
	s.median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
	return s;
}

void *shared_alloc(size_t bytes)
{
	void *m = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED) {
		complain_errno("%zu bytes of shared memory", bytes);
		return NULL;
	}
	return m;
}

void shared_free(void *memory, size_t bytes)
{
	if (memory)
		munmap(memory, bytes);
}

int topic_fresh(struct bench *b, const char *name)
{
	return topic_fresh_with(b, name, &(struct shmq_topic_options){0});
}

int topic_fresh_with(struct bench *b, const char *name, const struct shmq_topic_options *options)
{
	int rc = shmq_topic_delete(b->broker, name);

	if (rc && rc != SHMQ_ENOENT)
		return complain("topic %s: %s", name, shmq_error(b->broker));
	if (shmq_topic_create(b->broker, name, options))
		return complain("topic %s: %s", name, shmq_error(b->broker));
	return 0;
}

int topic_drop(struct bench *b, const char *name)
{
	if (shmq_topic_delete(b->broker, name))
		return complain("topic %s: %s", name, shmq_error(b->broker));
	return 0;
}

int topic_count_check(struct bench *b, const char *name, uint64_t messages)
{
	struct shmq_log_info logs[SHMQ_PARTITIONS_MAX];
	struct shmq_topic_info info = {.logs = logs};

	if (shmq_topic_info(b->broker, name, &info))
		return complain("topic %s: %s", name, shmq_error(b->broker));
	if (logs[0].end_offset != messages)
		return complain("topic %s holds %llu messages, %llu were published", name,
				(unsigned long long)logs[0].end_offset,
				(unsigned long long)messages);
	return 0;
}
