/* SPDX-License-Identifier: MIT */
/*
 * stored_frames.c - frame by frame through a run, and over damage.
 *
 * A frame is valid if and only if all of these hold: its header hash is right; its position is in the run, and behind
 * that of the frame before it; its length ends in the run; its payload hash is right. The next one begins at the next
 * multiple of 64 bytes. Where a header is not valid nothing says where the next frame is: it is looked for.
 */
#include "stored.h"

#include "bulk.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t run_end(const struct run_entry *r)
{
	return (uint64_t)r->at * FRAME_ALIGN + r->bytes;
}

/* A header at a place of the run, for a position of at least `least`. */
static bool header_valid(const struct frame *f, const struct run_entry *r, uint64_t place, uint64_t least)
{
	return f->position >= least && f->position < r->end_position && f->offset <= OFFSET_MAX &&
	       f->length >= sizeof *f && f->length <= run_end(r) - place &&
	       f->header_hash == bulk_hash(f, offsetof(struct frame, header_hash));
}

/* The header that the cursor stands before. 0; SHMQ_END; SHMQ_ECORRUPT; SHMQ_ENOENT; SHMQ_ENOMEM. */
static int look(struct stored *s, const struct store_place *p, const struct run_entry *r, struct frame *f)
{
	const unsigned char *at = NULL;
	int result;

	if (s->cursor.place >= run_end(r))
		return SHMQ_END;
	if (run_end(r) - s->cursor.place < sizeof *f)
		return SHMQ_ECORRUPT;
	result = stored_bytes(s, p, r, s->cursor.place, sizeof *f, &at);
	if (result < 0)
		return result;
	memcpy(f, at, sizeof *f);
	errno = 0;
	return header_valid(f, r, s->cursor.place, s->cursor.position) ? 0 : SHMQ_ECORRUPT;
}

static void step(struct stored *s, const struct frame *f)
{
	s->cursor.place += ALIGN_UP((uint64_t)f->length, (uint64_t)FRAME_ALIGN);
	s->cursor.position = f->position + 1;
}

/* Moves the cursor to the next frame behind damage, or to the end of the run. A value may hold what looks like a frame:
 * that is believed when its offsets fit, which only a publisher of this topic can have arranged, and then only in place
 * of its own. 0, SHMQ_ENOENT, SHMQ_ENOMEM. */
static int pass_damage(struct stored *s, const struct store_place *p, const struct run_entry *r)
{
	uint64_t place = s->cursor.place + FRAME_ALIGN, end = run_end(r);

	while (place < end && end - place >= sizeof(struct frame)) {
		const unsigned char *at = NULL;
		int result = stored_bytes(s, p, r, place, sizeof(struct frame), &at);
		struct frame f;

		if (result == SHMQ_ECORRUPT) { /* the disk cannot read here */
			place = ALIGN_UP(place + 1, (uint64_t)PAGE);
			continue;
		}
		if (result < 0)
			return result;
		memcpy(&f, at, sizeof f);
		if (header_valid(&f, r, place, s->cursor.position) && f.offset >= r->first_offset &&
		    f.offset <= r->end_offset && f.count <= r->end_offset - f.offset) {
			s->cursor.place = place;
			s->cursor.position = f.position;
			return 0;
		}
		place += FRAME_ALIGN;
	}
	s->cursor.place = end;
	s->cursor.position = r->end_position;
	return 0;
}

/* The cursor stays when it stands before the position: reading on is then one step. */
static void cursor_to(struct stored *s, const struct run_entry *r, uint64_t position)
{
	if (s->cursor.run_at != r->at || s->cursor.position > position)
		s->cursor = (struct stored_cursor){.run_at = r->at, .place = (uint64_t)r->at * FRAME_ALIGN,
		                                   .position = r->first_position};
}

static int damaged(struct error *e, const struct stored *s, uint64_t place, uint64_t from, uint64_t to, int err)
{
	return fail(e, SHMQ_ECORRUPT, "segment %llu of the store is damaged at byte %llu: positions %llu to %llu (%s)",
	            (unsigned long long)s->segment.sequence, (unsigned long long)place, (unsigned long long)from,
	            (unsigned long long)(to - 1), err != 0 ? strerror(err) : "checksum");
}

int stored_seek(struct error *e, struct stored *s, const struct store_place *p, const struct run_entry *r,
                uint64_t position, struct frame *f, uint64_t *behind)
{
	cursor_to(s, r, position);
	for (;;) {
		int result = look(s, p, r, f), err = errno;
		uint64_t place = s->cursor.place, from = s->cursor.position;

		if (result == 0 && f->position < position) {
			step(s, f);
			continue;
		}
		if (result != SHMQ_ECORRUPT)
			return result;
		result = pass_damage(s, p, r);
		if (result < 0)
			return result;
		if (s->cursor.position <= position)
			continue; /* it is behind the damage, or the run is over */
		*behind = s->cursor.position;
		damaged(e, s, place, from, *behind, err);
		/* So that whoever looks again finds the damage again. */
		s->cursor.place = place;
		s->cursor.position = from;
		return SHMQ_ECORRUPT;
	}
}

int stored_last(struct stored *s, const struct store_place *p, const struct run_entry *r, uint64_t from, uint64_t to,
                bool by_time, uint64_t key, uint64_t *position)
{
	bool found = false;

	cursor_to(s, r, from);
	for (;;) {
		struct frame f;
		int result = look(s, p, r, &f);

		if (result == SHMQ_ECORRUPT) {
			result = pass_damage(s, p, r);
			if (result < 0)
				return result;
			continue;
		}
		if (result < 0)
			return result;
		if (result == SHMQ_END || f.position >= to || (by_time ? f.time_ns : f.offset) > key)
			return found ? 0 : SHMQ_END;
		if (f.position >= from) {
			*position = f.position;
			found = true;
		}
		step(s, &f);
	}
}

static int copy_room(struct copy *c, size_t bytes)
{
	size_t capacity = c->capacity == 0 ? PAGE : c->capacity;
	unsigned char *data;

	if (bytes <= c->capacity)
		return 0;
	while (capacity < bytes)
		capacity *= 2;
	data = aligned_alloc(FRAME_ALIGN, capacity);
	if (data == NULL)
		return SHMQ_ENOMEM;
	free(c->data);
	c->data = data;
	c->capacity = capacity;
	return 0;
}

int stored_take(struct error *e, struct stored *s, const struct store_place *p, const struct run_entry *r,
                const struct frame *f, struct copy *c)
{
	const unsigned char *at = NULL;
	int result = stored_bytes(s, p, r, s->cursor.place, f->length, &at), err = errno;

	if (result == 0 && copy_room(c, f->length) < 0)
		result = SHMQ_ENOMEM;
	if (result == SHMQ_ECORRUPT)
		return damaged(e, s, s->cursor.place, f->position, f->position + 1, err);
	if (result < 0)
		return result;
	/* The header that was verified, not its bytes again. */
	memcpy(c->data, f, sizeof *f);
	memcpy(c->data + sizeof *f, at + sizeof *f, f->length - sizeof *f);
	if (f->payload_hash != bulk_hash(c->data + sizeof *f, f->length - sizeof *f))
		return damaged(e, s, s->cursor.place, f->position, f->position + 1, 0);
	return 0;
}
