/* SPDX-License-Identifier: MIT */
/*
 * damage.c - changes the files of a broker, knowing what stands where: mostly into what could be true
 * and is not. Checksums of heads and frames are often made to fit again, as a hostile publisher would.
 */
#include "damage.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bulk.h"
#include "layout.h"

/* One file, mapped. */
struct victim {
	const struct plan *plan;
	struct rng *r;
	unsigned char *at;
	size_t bytes;
};

static atomic_u64 *word_at(const struct victim *v, size_t at)
{
	return at + 8 <= v->bytes ? (atomic_u64 *)(void *)(v->at + at / 8 * 8) : NULL;
}

static void put(atomic_u64 *w, uint64_t value)
{
	if (w != NULL)
		store_relaxed(w, value);
}

static uint64_t get(const atomic_u64 *w)
{
	return w != NULL ? load_relaxed(w) : 0;
}

/* Numbers that stand just before and behind where something ends. */
static uint64_t edge(struct rng *r)
{
	static const uint64_t ends[] = {0,         1,          2,         7,         8,
	                                63,        64,         255,       256,       4095,
	                                4096,      1u << 18,   1u << 20,  1u << 24,  0x7fffffff,
	                                1ull << 31, UINT32_MAX, 1ull << 40, 1ull << 47, 1ull << 48,
	                                1ull << 52, 1ull << 59, 1ull << 60, 1ull << 63, UINT64_MAX};

	return ends[rng_below(r, sizeof ends / sizeof *ends)] + rng_below(r, 3) - 1;
}

static uint64_t number(struct rng *r, uint64_t old)
{
	switch (rng_below(r, 6)) {
	case 0:
		return old + 1;
	case 1:
		return old - 1;
	case 2:
		return edge(r);
	case 3:
		return old ^ 1ull << rng_below(r, 64);
	case 4:
		return rng_any(r);
	}
	return old + (uint64_t)((int64_t)rng_below(r, 2001) - 1000);
}

/* ---- anywhere ------------------------------------------------------------------------- */

static bool backed(const struct victim *v, size_t at)
{
	unsigned char page;

	return at < v->bytes && mincore(v->at + at / PAGE * PAGE, 1, &page) == 0 && (page & 1);
}

/* Bytes, bits and words at random, in pages that have been used. */
static void anywhere(const struct victim *v)
{
	struct rng *r = v->r;
	size_t at = 0;

	for (int tries = 0; tries < 20; tries++) {
		at = rng_u64(r) % (rng_one_in(r, 3) ? v->bytes : v->bytes < 8192 ? v->bytes : 8192);
		if (backed(v, at))
			break;
	}
	if (!backed(v, at))
		return;
	switch (rng_below(r, 5)) {
	case 0:
		v->at[at] = (unsigned char)rng_u64(r);
		break;
	case 1:
		v->at[at] ^= (unsigned char)(1u << rng_below(r, 8));
		break;
	case 2:
		put(word_at(v, at), number(r, get(word_at(v, at))));
		break;
	case 3:
		put(word_at(v, at), get(word_at(v, at + 8)));
		break;
	default:
		for (unsigned n = 1 + rng_below(r, 64); n > 0 && at < v->bytes && backed(v, at); n--)
			v->at[at++] = (unsigned char)rng_u64(r);
	}
}

/* A page as it was some damages ago, or another page. */
static void old_page(const struct victim *v)
{
	static unsigned char kept[PAGE];
	static bool any;
	size_t page = rng_u64(v->r) % ((v->bytes + PAGE - 1) / PAGE) * PAGE;
	size_t n = v->bytes - page < PAGE ? v->bytes - page : PAGE;

	if (!backed(v, page))
		return;
	if (any && rng_one_in(v->r, 2))
		memcpy(v->at + page, kept, n);
	else
		memcpy(kept, v->at + page, n);
	any = true;
}

/* A field of the head, with a checksum that fits. */
static void head(const struct victim *v)
{
	struct file_head h;
	struct rng *r = v->r;

	memcpy(&h, v->at, sizeof h);
	switch (rng_below(r, 8)) {
	case 0:
		h.slots = !rng_one_in(r, 4) ? h.slots << 1 << rng_below(r, 10) : (uint32_t)number(r, h.slots);
		break;
	case 1:
		h.extents = !rng_one_in(r, 4) ? h.extents + rng_below(r, 4000) : (uint32_t)number(r, h.extents);
		break;
	case 2:
		h.partitions = (uint32_t)number(r, h.partitions);
		break;
	case 3:
		h.partition = (uint32_t)number(r, h.partition);
		break;
	case 4:
		h.first_offset = number(r, h.first_offset);
		break;
	case 5:
		h.bytes = number(r, h.bytes);
		break;
	case 6:
		h.number = number(r, h.number);
		break;
	default:
		h.kind = 1 + rng_below(r, 5);
	}
	if (!rng_one_in(r, 10))
		h.hash = bulk_hash(&h, offsetof(struct file_head, hash));
	memcpy(v->at, &h, sizeof h);
}

/* ---- a log ---------------------------------------------------------------------------- */

static size_t slot_at(const struct victim *v, uint64_t position)
{
	return log_slots_at(v->plan->extents) + position % v->plan->options.slots * 8;
}

static size_t pool_at(const struct victim *v)
{
	return log_pool_at(v->plan->extents, v->plan->options.slots);
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
		lap = edge(v->r);
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
		x = extent_left(number(r, extent_end(x)), extent_fill(x));
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
		put(&f->tail_hint, number(v->r, get(&f->tail_hint)));
		break;
	case 2:
		put(&f->slots_reserved, number(v->r, get(&f->slots_reserved)));
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

	return at + sizeof(struct frame) <= v->bytes && backed(v, at) ? at : 0;
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
		f->position = number(r, f->position);
		break;
	case 1:
		f->offset = number(r, f->offset);
		break;
	case 2:
		f->bytes = number(r, f->bytes);
		break;
	case 3:
		f->length = rng_one_in(r, 2) ? rng_below(r, room) : (uint32_t)number(r, f->length);
		break;
	case 4:
	case 5:
		f->count = rng_one_in(r, 3) ? rng_below(r, 100) : (uint32_t)number(r, f->count);
		break;
	case 6:
		f->value_bytes = (uint32_t)number(r, f->value_bytes);
		break;
	case 7:
	case 8:
		f->flags = (uint8_t)rng_below(r, 17);
		f->delimiter = rng_one_in(r, 2) ? '\n' : (uint8_t)rng_u64(r);
		break;
	default:
		f->time_ns = number(r, f->time_ns);
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
		x = rng_one_in(r, 3) ? (uint32_t)rng_any(r) : (uint32_t)number(r, old);
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
	uint32_t value = rng_one_in(v->r, 3) ? (uint32_t)edge(v->r) : 0xffffff00u >> rng_below(v->r, 16);

	while (now_ns() < end) {
		size_t at = frame_place(v, newest(v, &position));
		struct frame f;

		if (at == 0)
			return;
		for (int i = 0; i < 50; i++) {
			memcpy(&f, v->at + at, sizeof f);
			if (f.length < 65536)
				at += ALIGN_UP(f.length, FRAME_ALIGN);
			if (at + sizeof f > v->bytes || !backed(v, at))
				break;
			for (int k = 0; k < 40; k++)
				memcpy(v->at + at + field_at, &value, 4);
			at = frame_place(v, newest(v, &position));
			if (at == 0)
				return;
		}
	}
}

static void in_log(const struct victim *v, bool live)
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
			head(v);
		break;
	case 11:
		all_frames(v);
		break;
	default:
		frame(v);
	}
}

/* ---- bell, topic, broker, session ----------------------------------------------------- */

static void reader(const struct victim *v, struct bell_file *b)
{
	struct rng *r = v->r;
	atomic_u64 *w = &b->readers[rng_one_in(r, 3) ? rng_below(r, READERS) : rng_below(r, 6)];
	uint64_t x = get(w);

	switch (rng_below(r, 4)) {
	case 0:
		x = (x & ((1ull << 61) - 1)) | (uint64_t)rng_below(r, 8) << 61;
		break;
	case 1:
		x += 1ull << 45;
		break;
	case 2:
		x = reader_word((enum reader_state)rng_below(r, 6), rng_below(r, 4),
		                session_id(rng_below(r, 4), rng_below(r, 6)));
		break;
	default:
		x = number(r, x);
	}
	put(w, x);
}

static void gate(const struct victim *v)
{
	struct rng *r = v->r;
	unsigned partitions = v->plan->options.partitions, row = rng_below(r, 6);
	atomic_u64 *w = word_at(v, bell_gates_at(partitions) + (row * partitions + rng_below(r, partitions)) * 8);
	uint64_t x = get(w);

	if (rng_one_in(r, 3))
		x = word_of(word_high(x), GATE_NONE);
	else if (rng_one_in(r, 3))
		x = word_of(word_high(x) + 1, x);
	else
		x = word_of(word_high(x), number(r, word_low_pos(x)));
	put(w, x);
}

static void in_bell(const struct victim *v)
{
	struct bell_file *b = (struct bell_file *)(void *)v->at;
	struct head_line *heads = (struct head_line *)(void *)(b + 1);
	struct head_line *h = &heads[rng_below(v->r, v->plan->options.partitions)];
	struct rng *r = v->r;

	if (v->bytes < bell_gates_at(v->plan->options.partitions) + PAGE)
		return;
	switch (rng_below(r, 12)) {
	case 0:
	case 1:
	case 2:
		reader(v, b);
		break;
	case 3:
	case 4:
		gate(v);
		break;
	case 5:
	case 6:
	case 7:
		put(&h->head, rng_one_in(r, 4) ? number(r, get(&h->head))
		                               : word_of(word_high(get(&h->head)),
		                                         number(r, word_low_pos(get(&h->head)))));
		break;
	case 8:
		put(&h->watch, rng_u64(r));
		break;
	case 9:
		put(&b->readers_used, edge(r));
		break;
	case 10:
		put(&b->logs_made[0], rng_one_in(r, 2) ? 0 : UINT64_MAX);
		break;
	default:
		atomic_store(rng_one_in(r, 2) ? &b->arrived : &b->room, (uint32_t)rng_any(r));
	}
}

static void in_topic(const struct victim *v)
{
	struct topic_file *t = (struct topic_file *)(void *)v->at;
	struct shmq_topic_options o;
	struct rng *r = v->r;
	uint64_t parts[2];

	if (v->bytes != sizeof *t)
		return;
	memcpy(&o, &t->options, sizeof o);
	switch (rng_below(r, 8)) {
	case 0:
		o.partitions = (uint32_t)number(r, o.partitions);
		break;
	case 1:
		o.slots = (uint32_t)number(r, o.slots);
		break;
	case 2:
		o.pool_bytes = number(r, o.pool_bytes);
		break;
	case 3:
		o.keep_bytes = number(r, o.keep_bytes);
		break;
	case 4:
		o.full = (enum shmq_full)rng_any(r);
		break;
	case 5:
		memset(t->name, rng_one_in(r, 2) ? '/' : 'x', rng_below(r, sizeof t->name + 1));
		break;
	case 6:
		put(&t->state, rng_below(r, 4));
		return;
	default:
		t->creator = number(r, t->creator);
	}
	memcpy(&t->options, &o, sizeof o);
	parts[0] = bulk_hash(&t->options,
	                     offsetof(struct topic_file, hash) - offsetof(struct topic_file, options));
	parts[1] = bulk_hash(t->name, sizeof t->name);
	t->hash = bulk_hash(parts, sizeof parts);
}

static void in_broker(const struct victim *v)
{
	struct broker_file *b = (struct broker_file *)(void *)v->at;
	struct rng *r = v->r;
	atomic_u64 *w;

	if (v->bytes != sizeof *b)
		return;
	switch (rng_below(r, 6)) {
	case 0:
	case 1:
		w = &b->sessions[rng_one_in(r, 3) ? rng_below(r, SESSIONS) : rng_below(r, 8)];
		put(w, rng_one_in(r, 2) ? get(w) ^ 1 : number(r, get(w)));
		break;
	case 2:
		put(&b->next_number, rng_one_in(r, 2) ? NUMBER_MAX - rng_below(r, 4)
		                                      : number(r, get(&b->next_number)));
		break;
	case 3:
	case 4: {
		uint64_t hash = bulk_hash(TOPIC, strlen(TOPIC));

		w = &b->names[(hash + rng_below(r, NAME_WINDOW)) % NAMES];
		if (get(w) != 0 && rng_one_in(r, 2))
			put(w, number(r, get(w)));
		else
			put(w, name_word(rng_below(r, 4), hash, 1 + rng_below(r, 4)));
		break;
	}
	default:
		put((atomic_u64 *)(void *)&b->counters[rng_below(r, 8)], rng_u64(r));
	}
}

static void in_session(const struct victim *v)
{
	if (v->bytes >= sizeof(struct session_file))
		rng_fill(v->r, v->at + rng_below(v->r, 16), 40);
}

/* ---- which file ----------------------------------------------------------------------- */

struct found {
	char path[40][128];
	unsigned count;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void collect(struct found *f, const char *dir, bool deeper)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		char path[512];

		if (e->d_name[0] == '.' || f->count == 40)
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		if (deeper)
			collect(f, path, false);
		else if (strlen(path) < sizeof f->path[0])
			strcpy(f->path[f->count++], path);
	}
	if (d != NULL)
		closedir(d);
}

/* One of the files; false when there is none of this kind. */
static bool choose(const struct plan *p, struct rng *r, const char *kind, char path[160])
{
	struct found f = {.count = 0}, fit = {.count = 0};
	char dir[100];

	if (strcmp(kind, "broker") == 0) {
		snprintf(path, 160, "%s/broker", p->dir);
		return true;
	}
	snprintf(dir, sizeof dir, "%s/%s", p->dir, strcmp(kind, "session") == 0 ? "sessions" : "t");
	collect(&f, dir, strcmp(kind, "session") != 0);
	qsort(f.path, f.count, sizeof *f.path, by_name);
	for (unsigned i = 0; i < f.count; i++)
		if (strcmp(kind, "session") == 0 || strstr(strrchr(f.path[i], '/'), kind) != NULL)
			memcpy(fit.path[fit.count++], f.path[i], sizeof *f.path);
	if (fit.count == 0)
		return false;
	strcpy(path, fit.path[rng_below(r, fit.count)]);
	return true;
}

static bool victim_open(struct victim *v, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;

	v->at = MAP_FAILED;
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof(struct file_head)) {
		v->bytes = (size_t)st.st_size;
		v->at = mmap(NULL, v->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	}
	if (fd >= 0)
		close(fd);
	return v->at != MAP_FAILED;
}

static const char *kind_of(const struct plan *p, struct rng *r)
{
	unsigned n = rng_below(r, 20);

	if (p->holes || p->racing)
		return "log";
	if (n < 4)
		return "bell";
	if (n == 4)
		return "topic";
	if (n < 8 && p->brokers)
		return n == 7 ? "session" : "broker";
	return "log";
}

static void damage_one(const struct plan *p, struct rng *r, bool live)
{
	struct victim v = {.plan = p, .r = r};
	const char *kind = kind_of(p, r);
	unsigned how = p->racing ? 99 : rng_below(r, 12);
	char path[160];

	if (!choose(p, r, kind, path) || !victim_open(&v, path))
		return;
	if (how == 0 && !p->holes)
		anywhere(&v);
	else if (how == 1 && !p->holes)
		old_page(&v);
	else if (how == 2 && !p->holes && rng_one_in(r, 2))
		head(&v);
	else if (kind[0] == 'l')
		in_log(&v, live);
	else if (kind[0] == 'b' && kind[1] == 'e')
		in_bell(&v);
	else if (kind[0] == 't')
		in_topic(&v);
	else if (kind[0] == 'b')
		in_broker(&v);
	else
		in_session(&v);
	munmap(v.at, v.bytes);
}

void damage_some(const struct plan *p, struct rng *r, unsigned count, bool live)
{
	for (unsigned i = 0; i < count; i++) {
		struct timespec pause = {.tv_nsec = rng_below(r, 1000000)};

		damage_one(p, r, live);
		if (live)
			nanosleep(&pause, NULL);
	}
}

void damage_truncate(const struct plan *p, struct rng *r)
{
	struct stat st;
	char path[160];

	if (choose(p, r, rng_one_in(r, 2) ? "log" : "bell", path) && stat(path, &st) == 0 &&
	    truncate(path, (off_t)(rng_u64(r) % ((uint64_t)st.st_size + 1))) < 0)
		perror(path);
}

uint64_t damage_log_bytes(const struct plan *p)
{
	struct found f = {.count = 0};
	uint64_t bytes = 0;
	struct stat st;
	char dir[100];

	snprintf(dir, sizeof dir, "%s/t", p->dir);
	collect(&f, dir, true);
	for (unsigned i = 0; i < f.count; i++)
		if (strstr(strrchr(f.path[i], '/'), "log") != NULL && stat(f.path[i], &st) == 0)
			bytes += (uint64_t)st.st_size;
	return bytes;
}

uint64_t damage_hole_pages(const struct plan *p)
{
	struct found f = {.count = 0};
	uint64_t pages = 0;
	char dir[100];

	snprintf(dir, sizeof dir, "%s/t", p->dir);
	collect(&f, dir, true);
	for (unsigned i = 0; i < f.count; i++) {
		struct victim v = {.plan = p};
		int fd = open(f.path[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0 || strstr(strrchr(f.path[i], '/'), "log") == NULL || !victim_open(&v, f.path[i])) {
			close(fd);
			continue;
		}
		for (unsigned x = 0; x < p->extents && v.bytes == log_bytes(p->extents, p->options.slots); x++) {
			off_t from = (off_t)(pool_at(&v) + (size_t)x * EXTENT_BYTES), to = from;

			if (get(word_at(&v, log_extents_at() + x * 8)) & EXTENT_RESERVED)
				continue;
			while ((to = lseek(fd, to, SEEK_DATA)) >= 0 && to < from + (off_t)EXTENT_BYTES) {
				pages++;
				to = (to / (off_t)PAGE + 1) * (off_t)PAGE;
			}
		}
		munmap(v.at, v.bytes);
		close(fd);
	}
	return pages;
}
