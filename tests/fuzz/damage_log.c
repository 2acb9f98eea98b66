/* SPDX-License-Identifier: MIT */
/* damage_log.c - changes the words of a log, and its frames: with checksums that fit again, too. */
#include "damage_in.h"

#include <string.h>
#include <time.h>

/* ---- a log ---------------------------------------------------------------------------- */

static size_t slot_at(const struct victim *v, uint64_t position)
{
	return log_slots_at(v->plan->extents) + position % v->plan->options.slots * 8;
}

/* The slot with the newest lap: its index; *position is what it stands for. */
static unsigned newest(const struct victim *v, uint64_t *position)
{
	unsigned slots = v->plan->options.slots, found = 0;
	uint64_t best = 0;

	for (unsigned i = 0; i < slots; i++) {
		uint64_t lap = slot_word_lap(get(word_at(v, slot_at(v, i))));

		if (lap >= best && lap != 0) {
			best = lap;
			found = i;
		}
	}
	*position = best == 0 ? 0 : (best - 1) * slots + found;
	return found;
}

static unsigned some_slot(const struct victim *v)
{
	unsigned slots = v->plan->options.slots;
	uint64_t position;
	unsigned last = newest(v, &position);

	return rng_one_in(v->r, 3) ? rng_below(v->r, slots)
	                           : (last + slots + 2 - rng_below(v->r, 6)) % slots;
}

static uint64_t some_unit(const struct victim *v)
{
	uint64_t units = v->plan->options.pool_bytes / FRAME_ALIGN;

	switch (rng_below(v->r, 5)) {
	case 0:
		return units - 2 + rng_below(v->r, 4);
	case 1:
		return rng_u64(v->r) & 0xffffff;
	case 2:
		return slot_word_unit(get(word_at(v, slot_at(v, rng_u64(v->r)))));
	case 3:
		return (rng_u64(v->r) % v->plan->extents + 1) * (EXTENT_BYTES / FRAME_ALIGN) - 1;
	}
	return rng_u64(v->r) % units;
}

static void slot(const struct victim *v)
{
	atomic_u64 *w = word_at(v, slot_at(v, some_slot(v)));
	uint64_t lap = slot_word_lap(get(w)), unit = slot_word_unit(get(w));

	switch (v->plan->holes ? 3 : rng_below(v->r, 8)) {
	case 0:
		lap++;
		break;
	case 1:
		lap--;
		break;
	case 2:
		lap = damage_edge(v->r);
		break;
	case 3:
	case 4:
		unit = some_unit(v);
		break;
	case 5:
		put(w, get(word_at(v, slot_at(v, some_slot(v)))));
		return;
	case 6:
		put(w, get(w) ^ 1ull << rng_below(v->r, 64));
		return;
	default:
		put(w, 0);
		return;
	}
	put(w, slot_word(lap, unit & 0xffffff));
}

/* The whole ring, some laps later or earlier than head says. */
static void all_slots(const struct victim *v)
{
	uint64_t laps = rng_one_in(v->r, 2) ? 1 + rng_below(v->r, 3) : 1ull << rng_below(v->r, 40);
	bool empty_too = rng_one_in(v->r, 2);

	for (unsigned i = 0; i < v->plan->options.slots; i++) {
		atomic_u64 *w = word_at(v, slot_at(v, i));

		if (get(w) != 0 || empty_too)
			put(w, get(w) + (laps << 24));
	}
}

static void extent(const struct victim *v)
{
	struct rng *r = v->r;
	atomic_u64 *w = word_at(v, log_extents_at() + rng_below(r, v->plan->extents) * 8);
	uint64_t x = get(w);

	switch (rng_below(r, 7)) {
	case 0:
		x ^= EXTENT_OWNED;
		break;
	case 1:
		x ^= EXTENT_RESERVED;
		break;
	case 2:
		x = extent_left(damage_number(r, extent_end(x)), extent_fill(x));
		break;
	case 3:
		x = extent_left(extent_end(x), rng_one_in(r, 2) ? 1020 + rng_below(r, 4) : rng_below(r, 1024));
		break;
	case 4:
		x = extent_owned(session_id(1 + rng_below(r, 3), rng_below(r, 6)));
		break;
	case 5:
		x = get(word_at(v, log_extents_at() + rng_below(r, v->plan->extents) * 8));
		break;
	default:
		x = extent_left(0, 0);
	}
	put(w, x);
}

static void log_words(const struct victim *v)
{
	struct log_file *f = (struct log_file *)(void *)v->at;

	switch (rng_below(v->r, 4)) {
	case 0:
	case 1:
		put(&f->tail_hint, damage_number(v->r, get(&f->tail_hint)));
		break;
	case 2:
		put(&f->slots_reserved, damage_number(v->r, get(&f->slots_reserved)));
		break;
	default:
		put(&f->run_wanted_ms, rng_one_in(v->r, 2) ? UINT64_MAX : now_ns() / 1000000 + 100);
	}
}

/* ---- frames --------------------------------------------------------------------------- */

/* Where the frame of a slot stands in the file; 0: not in it, or in memory that is not there. */
static size_t frame_place(const struct victim *v, unsigned index)
{
	size_t at = pool_at(v) + slot_word_unit(get(word_at(v, slot_at(v, index)))) * FRAME_ALIGN;

	return at + sizeof(struct frame) <= v->bytes && damage_backed(v, at) ? at : 0;
}

static void seal(const struct victim *v, size_t at, struct frame *f)
{
	if (f->length >= sizeof *f && at + f->length <= v->bytes && !v->plan->holes)
		f->payload_hash = bulk_hash(v->at + at + sizeof *f, f->length - sizeof *f);
	f->header_hash = bulk_hash(f, offsetof(struct frame, header_hash));
}

static void field(const struct victim *v, struct frame *f)
{
	struct rng *r = v->r;
	uint32_t room = (uint32_t)v->plan->options.pool_bytes;

	switch (v->plan->holes ? 3 : rng_below(r, 10)) {
	case 0:
		f->position = damage_number(r, f->position);
		break;
	case 1:
		f->offset = damage_number(r, f->offset);
		break;
	case 2:
		f->bytes = damage_number(r, f->bytes);
		break;
	case 3:
		f->length = rng_one_in(r, 2) ? rng_below(r, room) : (uint32_t)damage_number(r, f->length);
		break;
	case 4:
	case 5:
		f->count = rng_one_in(r, 3) ? rng_below(r, 100) : (uint32_t)damage_number(r, f->count);
		break;
	case 6:
		f->value_bytes = (uint32_t)damage_number(r, f->value_bytes);
		break;
	case 7:
	case 8:
		f->flags = (uint8_t)rng_below(r, 17);
		f->delimiter = rng_one_in(r, 2) ? '\n' : (uint8_t)rng_u64(r);
		break;
	default:
		f->time_ns = damage_number(r, f->time_ns);
	}
}

/* Where the first header of a frame says its lengths; 0: there is none. */
static size_t first_header(const struct victim *v, size_t at, const struct frame *f)
{
	size_t to = at + sizeof *f + ALIGN_UP(f->value_bytes, 4u) + (f->count > 1 ? 4 * (size_t)f->count : 0);
	uint32_t bytes;

	if (!(f->flags & FRAME_HEADERS) || f->value_bytes > 65536 || f->count > 65536)
		return 0;
	if (f->flags & FRAME_KEYS) {
		if (to + 4 > v->bytes)
			return 0;
		memcpy(&bytes, v->at + to, 4);
		to += ALIGN_UP(4 + 4 * (size_t)f->count + bytes, 4);
	}
	to += 4 + 4 * (size_t)f->count;
	return to + 8 <= at + f->length && to + 8 <= v->bytes ? to : 0;
}

/* Columns: what is read as ends, lengths and counts. */
static void columns(const struct victim *v, size_t at, const struct frame *f)
{
	struct rng *r = v->r;
	size_t from = sizeof *f + (f->value_bytes + 3) / 4 * 4, left;

	if (f->length <= from || f->length > 65536 || at + f->length > v->bytes)
		return;
	left = f->length - from;
	for (unsigned n = 1 + rng_below(r, 4); n > 0; n--) {
		unsigned char *to = v->at + at + from + rng_below(r, (left + 3) / 4) * 4;
		size_t header = rng_one_in(r, 2) ? first_header(v, at, f) : 0;
		uint32_t x, old;

		if (header != 0)
			to = v->at + header + 4 * rng_below(r, 2);
		if (to + 4 > v->at + v->bytes)
			continue;
		memcpy(&old, to, 4);
		x = rng_one_in(r, 3) ? (uint32_t)rng_any(r) : (uint32_t)damage_number(r, old);
		if (rng_one_in(r, 4))
			x |= 0x80000000u;
		memcpy(to, &x, 4);
	}
}

/* A frame that contradicts itself: often with hashes that verify. */
static void frame(const struct victim *v)
{
	size_t at = frame_place(v, some_slot(v));
	struct frame f;

	if (at == 0)
		return;
	memcpy(&f, v->at + at, sizeof f);
	for (unsigned n = 1 + rng_below(v->r, 3); n > 0; n--)
		field(v, &f);
	if (!v->plan->holes && rng_one_in(v->r, 2)) {
		memcpy(&f, v->at + at, sizeof f);
		columns(v, at, &f);
		if (rng_one_in(v->r, 3))
			field(v, &f);
	}
	if (v->plan->holes || !rng_one_in(v->r, 5))
		seal(v, at, &f);
	memcpy(v->at + at, &f, sizeof f);
}

/* All frames with columns, each in another place; every hash verifies. */
static void all_frames(const struct victim *v)
{
	for (unsigned i = 0; i < v->plan->options.slots; i++) {
		size_t at = frame_place(v, i);
		struct frame f;

		if (at == 0)
			continue;
		memcpy(&f, v->at + at, sizeof f);
		columns(v, at, &f);
		seal(v, at, &f);
		memcpy(v->at + at, &f, sizeof f);
	}
}

/* The newest frame far ahead, and everything that says so agrees: a log of 2^59 frames. */
static void far_ahead(const struct victim *v, atomic_u64 *head_word)
{
	uint64_t position;
	unsigned index = newest(v, &position);
	size_t at = frame_place(v, index);
	uint64_t lap = (1ull << (rng_below(v->r, 38) + 2)) - rng_below(v->r, 3);
	struct frame f;

	if (at == 0)
		return;
	position = (lap - 1) * v->plan->options.slots + index;
	memcpy(&f, v->at + at, sizeof f);
	f.position = position;
	seal(v, at, &f);
	memcpy(v->at + at, &f, sizeof f);
	put(word_at(v, slot_at(v, index)), slot_word(lap, slot_word_unit(get(word_at(v, slot_at(v, index))))));
	put(&((struct log_file *)(void *)v->at)->tail_hint, position + 1);
	if (head_word != NULL)
		put(head_word, word_of(word_high(get(head_word)), position - rng_below(v->r, 3)));
}

/* While a publisher builds its next frame, right behind the newest one of its extent: lengths that it
 * must not read back. */
static void unlinked(const struct victim *v)
{
	uint64_t end = now_ns() + 2000000, position;
	static const size_t places[] = {offsetof(struct frame, length), offsetof(struct frame, count),
	                                offsetof(struct frame, value_bytes)};
	size_t field_at = places[v->plan->racing ? 0 : rng_below(v->r, 3)];
	uint32_t value = rng_one_in(v->r, 3) ? (uint32_t)damage_edge(v->r) : 0xffffff00u >> rng_below(v->r, 16);

	while (now_ns() < end) {
		size_t at = frame_place(v, newest(v, &position));
		struct frame f;

		if (at == 0)
			return;
		for (int i = 0; i < 50; i++) {
			memcpy(&f, v->at + at, sizeof f);
			if (f.length < 65536)
				at += ALIGN_UP(f.length, FRAME_ALIGN);
			if (at + sizeof f > v->bytes || !damage_backed(v, at))
				break;
			for (int k = 0; k < 40; k++)
				memcpy(v->at + at + field_at, &value, 4);
			at = frame_place(v, newest(v, &position));
			if (at == 0)
				return;
		}
	}
}

void damage_in_log(const struct victim *v, bool live)
{
	if (v->bytes != log_bytes(v->plan->extents, v->plan->options.slots))
		return;
	if (v->plan->holes) {
		if (rng_one_in(v->r, 2))
			slot(v);
		else
			frame(v);
		return;
	}
	if (v->plan->racing) {
		unlinked(v);
		return;
	}
	switch (rng_below(v->r, 16)) {
	case 0:
	case 1:
	case 2:
		slot(v);
		break;
	case 3:
		if (rng_one_in(v->r, 3))
			all_slots(v);
		else
			slot(v);
		break;
	case 4:
	case 5:
	case 6:
		extent(v);
		break;
	case 7:
		log_words(v);
		break;
	case 8:
		far_ahead(v, NULL);
		break;
	case 9:
		if (live)
			unlinked(v);
		break;
	case 10:
		if (rng_one_in(v->r, 2))
			damage_head(v);
		break;
	case 11:
		all_frames(v);
		break;
	default:
		frame(v);
	}
}
