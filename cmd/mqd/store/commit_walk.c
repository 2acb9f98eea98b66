/* SPDX-License-Identifier: MIT */
/* commit_walk.c - the commits of one segment, as the disk has them. */
#include "commit_walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW (4u << 20)

int commits_begin(struct commit_walk *w, struct io *io, int file, uint64_t salt)
{
	int64_t bytes = io->ops->size(io, file);

	*w = (struct commit_walk){.io = io, .file = file, .salt = salt};
	if (bytes < 0)
		return (int)bytes;
	w->bytes = (uint64_t)bytes;
	return 0;
}

void commits_end(struct commit_walk *w)
{
	free(w->data);
	w->data = NULL;
}

/* Makes [at, at + bytes) stand in memory, as far as the file goes. Bytes there are, or -errno. */
static int64_t window(struct commit_walk *w, uint64_t at, size_t bytes)
{
	size_t want = bytes < WINDOW ? WINDOW : ALIGN_UP(bytes, JOURNAL_BLOCK);
	int64_t n;

	if (at >= w->bytes)
		return 0;
	if (at >= w->from && at + bytes <= w->from + w->have)
		return (int64_t)bytes;
	if (want > w->capacity) {
		free(w->data);
		w->have = 0;
		w->data = aligned_alloc(JOURNAL_BLOCK, want);
		w->capacity = w->data != NULL ? want : 0;
		if (w->data == NULL)
			return -ENOMEM;
	}
	w->have = 0;
	n = w->io->ops->read(w->io, w->file, w->data, want, at);
	if (n < 0)
		return n;
	w->from = at;
	w->have = (size_t)n;
	return n < (int64_t)bytes ? n : (int64_t)bytes;
}

const struct commit_head *commits_at(struct commit_walk *w, uint64_t at, int *error)
{
	const struct commit_head *c;
	int64_t n = window(w, at, JOURNAL_BLOCK);
	uint32_t length;

	*error = n < 0 ? (int)n : 0;
	if (n < (int64_t)JOURNAL_BLOCK)
		return NULL;
	c = (const struct commit_head *)(const void *)(w->data + (at - w->from));
	if (!commit_valid(c, JOURNAL_BLOCK, w->salt, false))
		return NULL;
	length = c->length;
	n = window(w, at, length);
	*error = n < 0 ? (int)n : 0;
	if (n < (int64_t)length)
		return NULL;
	c = (const struct commit_head *)(const void *)(w->data + (at - w->from));
	return commit_valid(c, length, w->salt, true) ? c : NULL;
}

uint64_t commits_search(struct commit_walk *w, uint64_t at, uint64_t above, int *error)
{
	for (at += JOURNAL_BLOCK; at + JOURNAL_BLOCK <= w->bytes; at += JOURNAL_BLOCK) {
		const struct commit_head *c = commits_at(w, at, error);

		if (*error < 0)
			return 0;
		if (c != NULL && c->sequence > above)
			return at;
	}
	return 0;
}
