/* SPDX-License-Identifier: MIT */
/* tee.c - -T: copies of records, held back until they are known to be published. */
#include "tee.h"

#include <string.h>

void tee_init(struct tee *t, int fd)
{
	*t = (struct tee){.copied = 0};
	out_init(&t->out, fd);
}

void tee_free(struct tee *t)
{
	out_free(&t->out);
	bytes_free(&t->held);
	bytes_free(&t->ends);
}

void tee_add(struct tee *t, const void *raw, size_t len)
{
	bytes_add(&t->held, raw, len);
	bytes_add(&t->ends, &t->held.len, sizeof(t->held.len));
}

/* Forgets the first n records, which end at `end`. */
static void forget(struct tee *t, size_t n, size_t end)
{
	size_t *ends = (size_t *)(void *)t->ends.data;
	size_t left = t->ends.len / sizeof(*ends) - n;

	if (left > 0) {
		memmove(t->held.data, t->held.data + end, t->held.len - end);
		for (size_t i = 0; i < left; i++)
			ends[i] = ends[n + i] - end;
	}
	t->held.len -= end;
	t->ends.len = left * sizeof(*ends);
}

int tee_copy(struct tee *t, uint64_t published)
{
	const size_t *ends = (const size_t *)(const void *)t->ends.data;
	size_t n = t->ends.len / sizeof(*ends);
	size_t end;
	int error;

	if (published - t->copied < n)
		n = (size_t)(published - t->copied);
	if (n == 0)
		return 0;
	end = ends[n - 1];
	t->copied += n;
	error = out_write(&t->out, t->held.data, end);
	forget(t, n, end);
	return error ? error : out_flush(&t->out);
}

void tee_drop(struct tee *t)
{
	t->held.len = 0;
	t->ends.len = 0;
}
