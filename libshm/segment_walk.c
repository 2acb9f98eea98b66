/* SPDX-License-Identifier: MIT */
/*
 * segment_walk.c - the commits of a segment, one after the other.
 *
 * A commit counts if and only if all of these hold: magic and salt are the segment's; its head hash is right; its
 * length is a multiple of a block and ends in the segment; its sequence follows that of the commit before it; its
 * payload hash is right, where that was asked for.
 */
#include "segment.h"

#include "bulk.h"

#include <stdlib.h>

bool commit_valid(const void *at, uint64_t bytes, uint64_t salt, bool payload)
{
	struct commit_head c;

	if (bytes < sizeof c)
		return false;
	memcpy(&c, at, sizeof c);
	if (c.magic != COMMIT_MAGIC || c.salt != salt ||
	    c.head_hash != bulk_hash(&c, offsetof(struct commit_head, head_hash)))
		return false;
	if (c.length < JOURNAL_BLOCK || c.length > COMMIT_MAX || c.length % JOURNAL_BLOCK != 0 ||
	    c.used > c.length - sizeof c)
		return false;
	return !payload ||
	       (c.length <= bytes && c.payload_hash == bulk_hash((const char *)at + sizeof c, c.used));
}

const struct record *commit_record(const struct commit_head *c, uint32_t *at, bool *damaged)
{
	const struct record *r = (const struct record *)(const void *)((const char *)(c + 1) + *at);

	*damaged = false;
	if (*at >= c->used)
		return NULL;
	*damaged = c->used - *at < sizeof *r || !record_next(c->used, *at, r->bytes, at);
	return *damaged ? NULL : r;
}

/* What is read of a segment while its commits are followed: a window that moves up. */
struct window {
	const struct segment *s;
	unsigned char *data;
	size_t capacity;
	uint64_t at;
	size_t bytes;
};
#define WINDOW_BYTES (64u << 10)

/* The bytes at a place; NULL when they are not all there. */
static const void *window_get(struct window *w, uint64_t at, size_t bytes)
{
	if (at < w->at || at - w->at > w->bytes || bytes > w->bytes - (at - w->at)) {
		w->at = at;
		w->bytes = segment_bytes(w->s, w->data, w->capacity, at);
	}
	return bytes <= w->bytes - (at - w->at) ? w->data + (at - w->at) : NULL;
}

static int walk_records(struct window *win, const struct commit_head *c, uint64_t at, record_visit *visit, void *arg,
                        struct walk *w)
{
	uint32_t place = 0;
	int r = 0;

	while (r == 0 && place < c->used) {
		uint64_t here = at + sizeof *c + place;
		const void *p = window_get(win, here, sizeof(struct record));
		struct record record;

		if (p == NULL || c->used - place < sizeof record) {
			w->whole = false;
			return 0;
		}
		memcpy(&record, p, sizeof record);
		if (!record_next(c->used, place, record.bytes, &place)) {
			w->whole = false;
			return 0;
		}
		here += sizeof record;
		r = visit(arg, c, &record, record.bytes < 64 ? NULL : window_get(win, here, 64), here);
	}
	return r;
}

/* Whether it was damage that stopped the walk: a commit of this segment stands there, or behind it. What is left of an
 * earlier life has another salt, and is right but for that. */
static bool damage_stopped(struct window *win, const struct walk *w, uint64_t end)
{
	for (uint64_t at = w->stopped; at < end && end - at >= JOURNAL_BLOCK; at += JOURNAL_BLOCK) {
		const void *p = window_get(win, at, sizeof(struct commit_head));
		struct commit_head c;

		if (p == NULL)
			return true; /* the disk cannot read */
		memcpy(&c, p, sizeof c);
		if (c.sequence >= w->next_commit && commit_valid(&c, sizeof c, win->s->salt, false))
			return true;
		if (at == w->stopped && (c.salt == win->s->salt ||
		                         (c.magic == COMMIT_MAGIC && !commit_valid(&c, sizeof c, c.salt, false))))
			return true;
	}
	return win->s->cut;
}

static int walk(struct window *win, uint64_t end, bool payload, record_visit *visit, void *arg, struct walk *w)
{
	int r = 0;

	while (r == 0 && w->stopped < end) {
		const void *p = window_get(win, w->stopped, sizeof(struct commit_head));
		struct commit_head c;

		if (p == NULL)
			break;
		memcpy(&c, p, sizeof c);
		if (!commit_valid(&c, sizeof c, win->s->salt, false) || c.length > end - w->stopped ||
		    (w->next_commit != 0 && c.sequence != w->next_commit))
			break;
		if (payload) {
			p = window_get(win, w->stopped, c.length);
			if (p == NULL || !commit_valid(p, c.length, win->s->salt, true))
				break;
		}
		r = walk_records(win, &c, w->stopped, visit, arg, w);
		w->stopped += c.length;
		w->next_commit = c.sequence + 1;
	}
	return r;
}

int segment_walk(struct error *e, const struct segment *s, uint64_t end, bool payload, record_visit *visit, void *arg,
                 struct walk *w)
{
	struct window win = {.s = s, .capacity = payload ? COMMIT_MAX : WINDOW_BYTES};
	uint64_t limit = end != 0 && end < s->bytes ? end : s->bytes;
	int r;

	*w = (struct walk){.stopped = JOURNAL_BLOCK, .next_commit = s->first_commit, .whole = true};

	win.data = malloc(win.capacity);
	if (win.data == NULL)
		return fail(e, SHMQ_ENOMEM, "no private memory to follow the commits of %s", s->name);
	r = walk(&win, limit, payload, visit, arg, w);
	if (r == 0 && payload && (end != 0 ? w->stopped < end : damage_stopped(&win, w, limit)))
		w->whole = false;
	free(win.data);
	return r == SHMQ_ENOMEM ? fail(e, r, "no private memory for what stands in %s", s->name) : r;
}
