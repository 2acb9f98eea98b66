/* SPDX-License-Identifier: MIT */
/*
 * ring.c - one log in memory: slots that point to immutable frames.
 *
 *   position   ... i-2    i-1     i     i+1 ...
 *   slot word      lap,u  lap,u   old   old      i = first slot whose lap is not its position's
 *                         newest  here the next frame is linked
 *
 * A frame is valid if and only if all of these hold: the slot of its position has its lap; head is
 * not above its position; unit and length stay inside the pool; both hashes of a private copy
 * verify; the copy says its position. Everything else is an error value.
 *
 * Why the base is right: ring_link() loads slot i before it reads frame i-1, and its CAS succeeds
 * only if slot i is still what was loaded. Then nothing was linked at i meanwhile, so i-1 was the
 * newest frame all the time, and the newest frame is never reclaimed.
 */
#include "ring.h"

#include "bulk.h"

#include <stdlib.h>
#include <string.h>

#define TAIL_HINT_EVERY 64u /* positions between two updates of tail_hint: a shared line less */
#define READ_AHEAD       3u /* frames */
#define READ_AHEAD_LINES 3u /* of each: a header and 128 bytes */

void log_base_set(struct log_file *f, struct log_base base)
{
	base.hash = bulk_hash(&base, offsetof(struct log_base, hash));
	f->base = base;
	f->head.first_offset = base.offset;
	store_relaxed(&f->tail_hint, base.position); /* relaxed: not linked yet */
}

int log_attach(struct error *e, struct map *m, atomic_u64 *head, struct log *out)
{
	struct log_file *f = m->at;
	uint64_t slots = f->head.slots, extents = f->head.extents;

	if (slots < 8 || (slots & (slots - 1)) != 0 || slots > 1u << 20 || extents < 4 ||
	    extents > EXTENTS_MAX || m->bytes != log_bytes((unsigned)extents, (unsigned)slots))
		return fail(e, SHMQ_ECORRUPT, "log of partition %u: impossible dimensions",
		            f->head.partition);
	if (f->base.hash != bulk_hash(&f->base, offsetof(struct log_base, hash)))
		return fail(e, SHMQ_ECORRUPT, "log of partition %u: damaged head (where it begins)",
		            f->head.partition);
	*out = (struct log){.map = *m,
	                    .partition = f->head.partition,
	                    .extent_count = (unsigned)extents,
	                    .slot_shift = (unsigned)__builtin_ctzll(slots),
	                    .slot_count = slots,
	                    .pool_bytes = extents * EXTENT_BYTES,
	                    .file = f,
	                    .base = f->base,
	                    .head = head};
	out->extents = (atomic_u64 *)(void *)((char *)m->at + log_extents_at());
	out->slots = (atomic_u64 *)(void *)((char *)m->at + log_slots_at((unsigned)extents));
	out->pool = (unsigned char *)m->at + log_pool_at((unsigned)extents, (unsigned)slots);
	*m = MAP_NONE;
	return 0;
}

static inline uint64_t lap_of(const struct log *l, uint64_t position)
{
	return (position >> l->slot_shift) + 1; /* a division costs as much as the whole link */
}

static inline atomic_u64 *slot_of(const struct log *l, uint64_t position)
{
	return &l->slots[position & (l->slot_count - 1)];
}

/* False: the page of this slot was never backed, so nothing was ever linked there. */
static inline bool slot_backed(const struct log *l, uint64_t position)
{
	return (position & (l->slot_count - 1)) < load_seq(&l->file->slots_reserved); /* sleep:tell */
}

uint64_t ring_head(const struct log *l, uint64_t near)
{
	return widen_pos(load_acquire(l->head), near); /* head pairs advance */
}

int ring_look(const struct log *l, uint64_t position)
{
	uint64_t lap;

	if (position < l->base.position)
		return SHMQ_OVERRUN;
	if (!slot_backed(l, position))
		return SHMQ_EMPTY;
	lap = slot_word_lap(load_seq(slot_of(l, position))); /* sleep pairs tell, read pairs link */
	if (lap == lap_of(l, position))
		return 0;
	return lap < lap_of(l, position) ? SHMQ_EMPTY : SHMQ_OVERRUN;
}

/* ---- reading ------------------------------------------------------------------------ */

static inline bool header_ok(const struct frame *f)
{
	return f->offset <= OFFSET_MAX && f->header_hash == bulk_hash(f, offsetof(struct frame, header_hash));
}

/* Whether all these bytes of the pool are backed by pages: reading others would fill holes of the file,
 * or be SIGBUS on a full filesystem. */
static inline bool span_reserved(const struct log *l, uint64_t byte, uint64_t bytes)
{
	for (uint64_t i = byte / EXTENT_BYTES; i <= (byte + bytes - 1) / EXTENT_BYTES; i++)
		if (!(load_relaxed(&l->extents[i]) & EXTENT_RESERVED)) /* relaxed: never goes back */
			return false;
	return true;
}

/* A newer lap was linked behind a head that had passed this position: else it is damage. */
static int newer_lap(const struct log *l, uint64_t position)
{
	return ring_head(l, position) > position ? SHMQ_OVERRUN : SHMQ_ECORRUPT;
}

/* Where a slot word points: nothing of it verified but that a header fits there. */
static inline int frame_of(const struct log *l, uint64_t w, const struct frame **at)
{
	uint64_t byte = slot_word_unit(w) * FRAME_ALIGN;

	if (byte + sizeof(struct frame) > l->pool_bytes || !span_reserved(l, byte, sizeof(struct frame)))
		return SHMQ_ECORRUPT;
	*at = (const struct frame *)(const void *)(l->pool + byte);
	return 0;
}

/* What stands at a position. */
static int frame_at(const struct log *l, uint64_t position, const struct frame **at)
{
	uint64_t w, lap = lap_of(l, position);

	if (position < l->base.position) /* before memory was made anew */
		return SHMQ_OVERRUN;
	if (!slot_backed(l, position))
		return SHMQ_EMPTY;
	w = load_acquire(slot_of(l, position)); /* read pairs link */
	if (slot_word_lap(w) < lap)
		return SHMQ_EMPTY;
	return slot_word_lap(w) > lap ? newer_lap(l, position) : frame_of(l, w, at);
}

static int frame_damaged(struct error *e, const struct log *l, uint64_t position, const char *what)
{
	return fail(e, SHMQ_ECORRUPT, "partition %u: the frame at position %llu is damaged (%s)",
	            l->partition, (unsigned long long)position, what);
}

/* Whether the frame that a slot word points to says that it stands at this position. A newer lap is
 * believed only then: one damaged word must not send everybody 2^60 positions ahead. */
static bool frame_is_at(const struct log *l, uint64_t w, uint64_t position)
{
	uint64_t byte = slot_word_unit(w) * FRAME_ALIGN;
	struct frame f;

	if (byte + sizeof f > l->pool_bytes || !span_reserved(l, byte, sizeof f))
		return false;
	racy_copy(&f, l->pool + byte, sizeof f);
	return header_ok(&f) && f.position == position;
}

static __attribute__((noinline)) bool really_skipped(const struct log *l, uint64_t position, uint64_t w)
{
	return frame_is_at(l, w, position + 1) &&
	       slot_word_lap(load_acquire(slot_of(l, position))) < lap_of(l, position); /* read:link */
}

/* The slot looks empty, but the next one is linked: then it is damaged. Of two damaged neighbours the
 * first is taken for the end. */
static inline bool skipped(const struct log *l, uint64_t position)
{
	uint64_t w;

	if (!slot_backed(l, position + 1))
		return false;
	w = load_acquire(slot_of(l, position + 1)); /* read pairs link */
	return slot_word_lap(w) == lap_of(l, position + 1) && really_skipped(l, position, w);
}

uint64_t ring_walk(const struct log *l, uint64_t from)
{
	uint64_t i = from;

	/* Two rounds, and as many steps as busy publishers may make us chase them: beyond that the laps
	   contradict each other, and i is right as far as it goes. */
	for (uint64_t n = 0; n < 2 * l->slot_count + 1000; n++) {
		uint64_t w, lap, own = lap_of(l, i);

		if (!slot_backed(l, i))
			break;
		w = load_acquire(slot_of(l, i)); /* read pairs link */
		lap = slot_word_lap(w);
		if (lap < own && !skipped(l, i))
			break;
		/* a newer lap: everything up to its position is linked */
		if (lap > own && frame_is_at(l, w, i + (lap - own) * l->slot_count))
			i += (lap - own) * l->slot_count;
		i++;
	}
	return i;
}

uint64_t ring_end(const struct log *l)
{
	/* relaxed: a hint; the walk finds the truth. It is never ahead of it, unless damaged. */
	uint64_t i = load_relaxed(&l->file->tail_hint);

	if (i < l->base.position || (i > l->base.position && ring_look(l, i - 1) == SHMQ_EMPTY))
		i = l->base.position;
	return ring_walk(l, i);
}

/* Behind every copy: was it still ours to copy? */
static inline bool passed(const struct log *l, uint64_t position)
{
	fence_acquire(); /* recheck pairs reuse */
	return ring_head(l, position) > position;
}

int ring_peek(struct error *e, const struct log *l, uint64_t position, struct frame *out)
{
	const struct frame *at = NULL;
	int r = frame_at(l, position, &at);

	if (r == 0)
		racy_copy(out, at, sizeof *out);
	if ((r == 0 || r == SHMQ_ECORRUPT) && passed(l, position))
		return SHMQ_OVERRUN;
	if (r == SHMQ_ECORRUPT)
		return frame_damaged(e, l, position, "slot");
	if (r == 0 && (!header_ok(out) || out->position != position))
		return frame_damaged(e, l, position, "header");
	return r;
}

/* Room for `bytes`; the first `kept` of them stay. */
static int copy_grow(struct copy *c, size_t bytes, size_t kept)
{
	size_t capacity = c->capacity == 0 ? 4096 : c->capacity;
	unsigned char *grown;

	while (capacity < bytes)
		capacity *= 2;
	grown = aligned_alloc(FRAME_ALIGN, capacity);
	if (grown == NULL)
		return SHMQ_ENOMEM;
	if (kept > 0)
		memcpy(grown, c->data, kept);
	free(c->data);
	c->data = grown;
	c->capacity = capacity;
	return 0;
}

/* Looks at the slots from a position on, at most to the end of their cache line, once: a reader close
 * behind a publisher would take that line from it for every frame. 0, or as frame_at(). */
static int words_look(const struct log *l, uint64_t position, struct words *ws)
{
	unsigned most = SLOTS_PER_LINE - (unsigned)(position % SLOTS_PER_LINE), n = 0;
	uint64_t lap = lap_of(l, position);

	ws->from = ws->to = position;
	if (position < l->base.position)
		return SHMQ_OVERRUN;
	if (!slot_backed(l, position))
		return SHMQ_EMPTY;
	for (; n < most; n++) {
		ws->word[n] = load_acquire(slot_of(l, position + n)); /* read pairs link */
		if (slot_word_lap(ws->word[n]) != lap)
			break;
	}
	if (n == 0 && slot_word_lap(ws->word[0]) < lap)
		return skipped(l, position) ? SHMQ_ECORRUPT : SHMQ_EMPTY;
	if (n == 0)
		return newer_lap(l, position);
	ws->to = position + n;
	return 0;
}

/* Frames that another core has just written: their first lines are asked for before they are needed,
 * or each costs a wait of its own. */
static inline void read_ahead(const struct log *l, const struct words *ws, uint64_t position)
{
	uint64_t byte;

	if (position >= ws->to)
		return;
	byte = slot_word_unit(ws->word[position - ws->from]) * FRAME_ALIGN;
	if (byte + READ_AHEAD_LINES * CACHE_LINE > l->pool_bytes)
		return;
	for (unsigned i = 0; i < READ_AHEAD_LINES; i++)
		__builtin_prefetch(l->pool + byte + i * CACHE_LINE);
}

/* Header first: no length is believed before its hash has been verified. 0, or why not. */
static int read_header(struct error *e, const struct log *l, uint64_t position,
                       const struct frame *at, struct copy *c)
{
	const struct frame *f;

	__builtin_prefetch(at + 1); /* together with the header's line, not behind it */
	if (c->capacity == 0 && copy_grow(c, sizeof *f, 0) < 0)
		return fail(e, SHMQ_ENOMEM, "no private memory for a frame");
	f = (const struct frame *)(const void *)c->data;
	racy_copy_line(c->data, at);
	if (!header_ok(f) || f->position != position)
		return passed(l, position) ? SHMQ_OVERRUN : frame_damaged(e, l, position, "header");
	if (f->length < sizeof *f || /* publishers make no longer one */
	    f->length > l->pool_bytes / 4 + (f->flags & FRAME_META ? FRAME_META_ROOM : 0) ||
	    f->length > l->pool_bytes - (uint64_t)((const unsigned char *)at - l->pool) ||
	    !span_reserved(l, (uint64_t)((const unsigned char *)at - l->pool), f->length))
		return passed(l, position) ? SHMQ_OVERRUN : frame_damaged(e, l, position, "length");
	if (f->length > c->capacity && copy_grow(c, f->length, sizeof *f) < 0)
		return fail(e, SHMQ_ENOMEM, "no private memory for a frame of %u bytes", f->length);
	return 0;
}

int ring_read(struct error *e, const struct log *l, uint64_t position, struct words *ws, struct copy *c)
{
	const struct frame *at = NULL, *f;
	int r = 0;

	if (position < ws->from || position >= ws->to)
		r = words_look(l, position, ws);
	if (r == 0)
		r = frame_of(l, ws->word[position - ws->from], &at);
	if (r == SHMQ_ECORRUPT)
		return passed(l, position) ? SHMQ_OVERRUN : frame_damaged(e, l, position, "slot");
	if (r != 0)
		return r;
	read_ahead(l, ws, position + READ_AHEAD);
	r = read_header(e, l, position, at, c);
	if (r != 0)
		return r;
	f = (const struct frame *)(const void *)c->data;
	racy_copy(c->data + sizeof *f, at + 1, f->length - sizeof *f);
	if (passed(l, position))
		return SHMQ_OVERRUN;
	if (f->payload_hash != bulk_hash(f + 1, f->length - sizeof *f))
		return frame_damaged(e, l, position, "payload");
	return 0;
}

bool ring_contradicts(const struct log *l, uint64_t position)
{
	return slot_backed(l, position) &&
	       slot_word_lap(load_acquire(slot_of(l, position))) > lap_of(l, position) && /* read:link */
	       ring_head(l, position) <= position;
}

bool ring_span(const struct log *l, uint64_t position, uint64_t *at, uint64_t *bytes)
{
	const struct frame *f = NULL;
	struct frame copy;

	if (frame_at(l, position, &f) != 0)
		return false;
	racy_copy(&copy, f, sizeof copy);
	*at = (uint64_t)((const unsigned char *)f - l->pool);
	/* Frames without a valid header (or being overwritten just now) may be of any length. */
	*bytes = header_ok(&copy) && copy.position == position ? copy.length : l->pool_bytes / 4 + FRAME_META_ROOM;
	return true;
}

/* ---- linking ------------------------------------------------------------------------ */

/* Learns what follows frame t->position - 1. 0; SHMQ_EMPTY: the slot moved on, look again. */
static int tail_learn(struct error *e, const struct log *l, struct tail *t, uint64_t seen)
{
	const struct frame *at = NULL;
	struct frame f;

	if (t->position <= l->base.position) {
		t->position = l->base.position;
		t->offset = l->base.offset;
		t->bytes = l->base.bytes;
		t->time_ns = l->base.time_ns;
		t->known = true;
		return 0;
	}
	if (frame_at(l, t->position - 1, &at) == 0) {
		racy_copy(&f, at, sizeof f);
		fence_acquire(); /* recheck pairs reuse: the slot below is loaded behind the copy */
		if (header_ok(&f) && f.position == t->position - 1) {
			t->offset = f.offset + f.count;
			t->bytes = f.bytes + f.value_bytes;
			t->time_ns = f.time_ns;
			t->known = true;
			return 0;
		}
	}
	if (load_acquire(slot_of(l, t->position)) != seen) /* read pairs link */
		return SHMQ_EMPTY;
	return fail(e, SHMQ_ECORRUPT,
	            "partition %u: the newest frame (position %llu) is damaged; read what is left, "
	            "then start anew with: mqd topic repair",
	            l->partition, (unsigned long long)t->position - 1);
}

/* Backs the page of the slot that is about to be used. */
static int slot_reserve(struct error *e, struct log *l, uint64_t position)
{
	uint64_t index = position & (l->slot_count - 1), until;
	int r;

	until = ALIGN_UP(index + 1, SLOT_CHUNK);
	if (until > l->slot_count)
		until = l->slot_count;
	r = map_reserve(e, &l->map, log_slots_at(l->extent_count), until * 8);
	if (r == 0)
		cas_max(&l->file->slots_reserved, until); /* before the link: sleep:tell */
	return r;
}

static inline void frame_seal(struct frame *f, const struct tail *t, uint64_t now_ns)
{
	f->position = t->position;
	f->offset = t->offset;
	f->bytes = t->bytes;
	f->time_ns = now_ns > t->time_ns ? now_ns : t->time_ns;
	f->header_hash = bulk_hash(f, offsetof(struct frame, header_hash));
}

/* Head, laps and frames contradict each other: there is no end to link at. */
static int link_nowhere(struct error *e, const struct log *l, struct tail *t, uint64_t from)
{
	t->position = from;
	t->known = false;
	return fail(e, SHMQ_ECORRUPT,
	            "partition %u: its head or its slots are ahead of its newest frame; start anew with: "
	            "mqd topic repair",
	            l->partition);
}

/* Behind a slot that is taken, `newer` positions further round when its frame says so, too. False when
 * more slots than there are had a lap that their frame did not confirm. */
static bool link_past(const struct log *l, struct tail *t, uint64_t w, uint64_t newer, uint64_t *damaged)
{
	if (newer > 0 && frame_is_at(l, w, t->position + newer))
		t->position += newer;
	else if (newer > 0 && ++*damaged > l->slot_count)
		return false;
	t->position++;
	t->known = false;
	return true;
}

/* The end of the log: *w is what stands in its slot, *t what a frame there must say. 0; SHMQ_FULL; or an
 * error. */
static inline __attribute__((always_inline)) int link_place(struct error *e, struct log *l, struct tail *t,
                                                           uint64_t *word)
{
	const uint64_t from = t->position;
	uint64_t damaged = 0;

	for (;;) {
		uint64_t w, lap, own, head;
		int r;

		if (!slot_backed(l, t->position)) {
			r = slot_reserve(e, l, t->position);
			if (r < 0)
				return r;
		}
		w = load_acquire(slot_of(l, t->position)); /* read pairs link; before reading the base */
		lap = slot_word_lap(w);
		own = lap_of(l, t->position);
		if (lap >= own) { /* taken, perhaps laps ago: everything up to there is linked */
			if (!link_past(l, t, w, (lap - own) << l->slot_shift, &damaged))
				return link_nowhere(e, l, t, from);
			continue;
		}
		if (skipped(l, t->position)) { /* damaged: readers are behind it */
			t->position++;
			t->known = false;
			continue;
		}
		head = ring_head(l, t->position);
		if (head > t->position) { /* w is old: others linked here, and all of it is gone */
			t->known = false;
			if (load_acquire(slot_of(l, t->position)) != w) /* read pairs link */
				continue;
			return link_nowhere(e, l, t, from);
		}
		if (!t->known) { /* before anything is reclaimed on the word of a damaged slot */
			r = tail_learn(e, l, t, w);
			if (r == SHMQ_EMPTY)
				continue;
			if (r < 0) {
				t->position = from;
				return r;
			}
		}
		*word = w;
		return t->position - head >= l->slot_count ? SHMQ_FULL : 0;
	}
}

/* t goes on behind a frame that was linked at its position. */
static inline void link_behind(struct log *l, struct tail *t, const struct frame *f)
{
	t->position++;
	t->offset += f->count;
	t->bytes += f->value_bytes;
	t->time_ns = f->time_ns;
	if (t->position % TAIL_HINT_EVERY == 0)
		cas_max(&l->file->tail_hint, t->position);
	/* Readers had these lines a lap ago: they are asked back before they are needed. */
	prefetch_write((const void *)slot_of(l, t->position + SLOTS_PER_LINE));
}

int ring_link(struct error *e, struct log *l, struct tail *t, struct frame *f, uint64_t unit,
              uint64_t now_ns)
{
	for (;;) {
		uint64_t w;
		int r = link_place(e, l, t, &w);

		if (r != 0)
			return r;
		frame_seal(f, t, now_ns);
		if (cas_seq(slot_of(l, t->position), &w, /* link:read, tell:sleep */
		            slot_word(lap_of(l, t->position), unit)))
			break;
		t->known = false;
	}
	link_behind(l, t, f);
	return 0;
}

/* ---- linking at one position, or not at all ------------------------------------------ */

int ring_place(struct error *e, struct log *l, struct tail *t, struct frame *f, struct frame *null,
               uint64_t now_ns)
{
	uint64_t w;
	int r = link_place(e, l, t, &w);

	if (r != 0)
		return r;
	frame_seal(f, t, now_ns);
	frame_seal(null, t, now_ns);
	return 0;
}

uint64_t ring_word_at(const struct log *l, uint64_t position, uint64_t unit)
{
	return slot_word(lap_of(l, position), unit);
}

bool ring_word_fits(const struct log *l, uint64_t position, uint64_t word)
{
	return slot_word_lap(word) == lap_of(l, position) &&
	       slot_word_unit(word) * FRAME_ALIGN + sizeof(struct frame) <= l->pool_bytes;
}

bool ring_word_empty(const struct log *l, uint64_t position, uint64_t word)
{
	const struct frame *at;
	struct frame f;

	if (frame_of(l, word, &at) != 0)
		return false;
	racy_copy_line(&f, at);
	return header_ok(&f) && f.position == position && f.count == 0 && f.length == sizeof f;
}

enum ring_at ring_at(const struct log *l, uint64_t position, uint64_t word)
{
	uint64_t w = load_seq(slot_of(l, position)), lap = lap_of(l, position); /* read pairs link */

	if (w == word)
		return RING_AT_THIS;
	if (slot_word_lap(w) == lap)
		return RING_AT_OTHER;
	return slot_word_lap(w) < lap ? RING_AT_NOTHING : RING_AT_LATER;
}

bool ring_link_at(struct log *l, uint64_t position, uint64_t word)
{
	uint64_t w = load_acquire(slot_of(l, position)); /* read pairs link */

	/* Whoever prepared the word saw that head has passed what stood here a lap ago. */
	return slot_word_lap(w) < lap_of(l, position) &&
	       cas_seq(slot_of(l, position), &w, word); /* link:read, tell:sleep */
}

void ring_linked(struct log *l, struct tail *t, const struct frame *f)
{
	link_behind(l, t, f);
}
