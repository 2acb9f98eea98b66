/* SPDX-License-Identifier: MIT */
/* clean.c - segments of which little is alive: what is, is copied forward. */
#include "clean.h"

#include "bulk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALIVE_MAX 4u /* less than one in so many bytes */

void clean_drop(struct cleaner *c)
{
	free(c->runs);
	c->runs = NULL;
	c->segment = 0;
	c->count = c->next = 0;
}

/* ---- choosing ----------------------------------------------------------------------- */

/* The runs of a sealed segment. 0, or -errno (also when its footer is not whole: then it is left alone). */
static int footer_read(struct io *io, const struct segment_info *s, struct run_entry **runs, size_t *count)
{
	struct segment_tail *t = aligned_alloc(JOURNAL_BLOCK, JOURNAL_BLOCK);
	int file = io->ops->open(io, s->name, IO_READ_ONLY);
	int64_t n = t == NULL ? -ENOMEM : file < 0 ? file : io->ops->read(io, file, t, JOURNAL_BLOCK, s->bytes - JOURNAL_BLOCK);
	uint64_t bytes = 0;

	*runs = NULL;
	if (n == (int64_t)JOURNAL_BLOCK && t->magic == TAIL_MAGIC && t->salt == s->salt &&
	    t->hash == bulk_hash(t, offsetof(struct segment_tail, hash)) &&
	    t->count <= s->bytes / sizeof(struct run_entry) && t->at <= s->bytes) {
		bytes = t->count * sizeof **runs;
		*count = t->count;
		*runs = aligned_alloc(JOURNAL_BLOCK, ALIGN_UP(bytes + 1, JOURNAL_BLOCK));
		n = *runs == NULL ? -ENOMEM : io->ops->read(io, file, *runs, bytes, t->at);
	} else if (n >= 0) {
		n = -EBADMSG;
	}
	if (n >= 0 && (n != (int64_t)bytes || t->entries_hash != bulk_hash(*runs, bytes)))
		n = -EBADMSG;
	if (n < 0) {
		free(*runs);
		*runs = NULL;
	}
	free(t);
	if (file >= 0)
		io->ops->close(io, file);
	return n < 0 ? (int)n : 0;
}

/* The entry of a log's table that a position belongs to. */
static const struct stored_entry *entry_of(const struct image_log *l, uint64_t position, const struct stored_entry **next)
{
	const struct stored_entry *t = image_table(l);
	size_t count = image_table_count(l), at = count;

	while (at > 0 && t[at - 1].first_position > position)
		at--;
	*next = at < count ? &t[at] : NULL;
	return at > 0 ? &t[at - 1] : NULL;
}

/* Whether something of a run is still looked for in this segment. */
static bool is_alive(struct image *i, const struct run_entry *r, uint64_t segment)
{
	const struct image_log *l = image_log(i, r->log);
	const struct stored_entry *next, *e;

	if (l == NULL || r->end_position <= l->low_position)
		return false;
	e = entry_of(l, r->end_position - 1, &next);
	return e != NULL && e->segment == segment;
}

static uint64_t bytes_alive(struct image *i, const struct run_entry *runs, size_t count, uint64_t segment)
{
	uint64_t bytes = 0;

	for (size_t k = 0; k < count; k++)
		if (is_alive(i, &runs[k], segment))
			bytes += runs[k].bytes;
	return bytes;
}

int clean_choose(struct error *e, struct cleaner *c, const struct recovered *all, uint64_t writing, uint64_t snapshot)
{
	for (size_t k = 0; k + 1 < all->segment_count && !clean_busy(c); k++) {
		const struct segment_info *s = &all->segments[k];
		uint64_t alive;
		int r;

		if (s->sequence == writing || s->headless || all->segments[k + 1].headless ||
		    all->segments[k + 1].first_commit > snapshot + 1 || s->bytes < 2 * JOURNAL_BLOCK)
			continue;
		r = footer_read(c->io, s, &c->runs, &c->count);
		if (r == -ENOMEM)
			return fail(e, SHMQ_ENOMEM, "no private memory for a segment's footer");
		if (r < 0)
			continue;
		alive = bytes_alive(c->image, c->runs, c->count, s->sequence);
		if (alive > 0 && alive < s->bytes / ALIVE_MAX) {
			memcpy(c->name, s->name, sizeof c->name);
			c->segment = s->sequence;
			c->salt = s->salt;
			c->next = 0;
		} else {
			clean_drop(c);
		}
	}
	return 0;
}

/* ---- copying ------------------------------------------------------------------------ */

static bool frame_right(const struct frame *f, uint64_t left)
{
	return left >= sizeof *f && f->header_hash == bulk_hash(f, offsetof(struct frame, header_hash)) &&
	       f->length >= sizeof *f && f->length <= left &&
	       f->payload_hash == bulk_hash(f + 1, f->length - sizeof *f);
}

/* Where the record ends: what follows the segment's last run of the log has the next entry. */
static uint64_t end_of(const struct cleaner *c, const struct image_log *l, const struct run_entry *r)
{
	const struct stored_entry *next;
	uint64_t end;

	entry_of(l, r->end_position - 1, &next);
	end = next != NULL ? next->first_position : l->end_position;
	/* Runs that were moved here before stand behind ones of higher positions. */
	for (size_t k = 0; k < c->count; k++) {
		const struct run_entry *other = &c->runs[k];

		if (memcmp(&other->log, &r->log, sizeof r->log) == 0 && other->first_position >= r->end_position &&
		    other->first_position < end && is_alive(c->image, other, c->segment))
			end = other->first_position;
	}
	return end;
}

static int run_copy(struct cleaner *c, const struct run_entry *r, const unsigned char *data, struct batch *b)
{
	const struct image_log *l = image_log(c->image, r->log);
	int e = 0;

	for (uint64_t at = 0; at < r->bytes && e == 0;) {
		const struct frame *f = (const struct frame *)(const void *)(data + at);

		if (!frame_right(f, r->bytes - at))
			return SHMQ_ECORRUPT;
		if (at == 0)
			e = batch_run_begin(b, RECORD_MOVED, r->log, f);
		if (e == 0)
			e = batch_run_frame(b, f);
		at += ALIGN_UP((uint64_t)f->length, RECORD_ALIGN);
	}
	if (b->run_at != 0)
		batch_run_end(b, end_of(c, l, r), r->end_offset);
	return e;
}

/* One run, wholly read before anything of it is in the batch. */
static int run_move(struct error *e, struct cleaner *c, const struct run_entry *r, struct batch *b)
{
	uint64_t at = (uint64_t)r->at * RECORD_ALIGN, from = at / JOURNAL_BLOCK * JOURNAL_BLOCK;
	size_t bytes = ALIGN_UP(at - from + r->bytes, JOURNAL_BLOCK), used = b->used;
	unsigned char *data = aligned_alloc(JOURNAL_BLOCK, bytes);
	int file = data == NULL ? -ENOMEM : c->io->ops->open(c->io, c->name, IO_READ_ONLY);
	int64_t n = file < 0 ? file : c->io->ops->read(c->io, file, data, bytes, from);
	uint64_t runs = b->runs;
	int result;

	if (file >= 0)
		c->io->ops->close(c->io, file);
	if (n < (int64_t)(at - from + r->bytes)) {
		errno = n < 0 ? (int)-n : EIO;
		result = fail_errno(e, "reading %s", c->name);
	} else {
		result = run_copy(c, r, data + (at - from), b);
		if (result == SHMQ_ECORRUPT)
			fail(e, result, "%s: frames at byte %llu are damaged; what is kept there stays there", c->name,
			     (unsigned long long)at);
	}
	free(data);
	if (result < 0) { /* nothing of it stays in the batch */
		b->used = used;
		b->runs = runs;
		b->run_at = 0;
	}
	return result;
}

int clean_some(struct error *e, struct cleaner *c, struct batch *b)
{
	while (clean_busy(c)) {
		const struct run_entry *r = c->next < c->count ? &c->runs[c->next] : NULL;
		int result;

		if (r == NULL) {
			clean_drop(c);
			return 0;
		}
		if (is_alive(c->image, r, c->segment)) {
			if (!batch_has_room(b, r->bytes))
				return 0;
			result = run_move(e, c, r, b);
			if (result < 0) {
				clean_drop(c);
				return result;
			}
		}
		c->next++;
	}
	return 0;
}
