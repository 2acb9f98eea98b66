/* SPDX-License-Identifier: MIT */
/* intent.c - what a session is about to link into a log, and what it settles with that. */
#include "intent.h"

int intent_reserve(struct error *e, struct log *l, unsigned slot)
{
	unsigned page = slot / SLOT_PAGE_ENTRIES;
	int r;

	if (intent_backed(l, slot))
		return 0;
	r = map_reserve(e, &l->map, log_intents_at(l->extent_count, (unsigned)l->slot_count) + page * (size_t)PAGE,
	                PAGE);
	if (r == 0)
		fetch_or_seq(&l->file->intent_pages[page / 64], 1ULL << (page % 64)); /* arm:keep */
	return r;
}

bool intent_read(const struct intent *i, uint64_t c, struct intent_view *out)
{
	const struct intent_fields *f = &i->fields[intent_seq(c) & 1];
	uint64_t where;

	/* relaxed: they were written before control said c, and are not written again before it has moved on */
	out->position = load_relaxed(&f->position);
	out->frame_word = load_relaxed(&f->frame_word);
	out->null_word = load_relaxed(&f->null_word);
	out->topic = load_relaxed(&f->topic);
	out->group = load_relaxed(&f->group);
	out->incarnation = load_relaxed(&f->incarnation);
	where = load_relaxed(&f->partition_offset);
	out->partition = where >> 56;
	out->offset = where & ((1ULL << 56) - 1);
	fence_acquire();
	return load_seq(&i->control) == c; /* keep pairs arm */
}

void intent_write(struct intent *i, uint64_t seq, const struct intent_view *v)
{
	struct intent_fields *f = &i->fields[seq & 1];

	fence_seq(); /* behind the CAS that made these fields nobody's */
	store_relaxed(&f->position, v->position); /* relaxed: published by the CAS of control */
	store_relaxed(&f->frame_word, v->frame_word);
	store_relaxed(&f->null_word, v->null_word);
	store_relaxed(&f->topic, v->topic);
	store_relaxed(&f->group, v->group);
	store_relaxed(&f->incarnation, v->incarnation);
	store_relaxed(&f->partition_offset, v->partition << 56 | v->offset);
}

/* Fields that are not damaged: the position is the end, or before it, and both words fit there. Whether its empty
 * frame stands can be told only while nothing is linked there. */
static bool view_valid(const struct log *l, const struct intent_view *v)
{
	return ring_word_fits(l, v->position, v->frame_word) && ring_word_fits(l, v->position, v->null_word) &&
	       v->frame_word != v->null_word && v->position <= ring_end(l);
}

/* Links the empty frame where nothing stands yet. False: it is not there; then nothing is linked, or control has moved
 * on. */
static bool null_link(struct log *l, const struct intent_view *v)
{
	if (!ring_word_empty(l, v->position, v->null_word))
		return false;
	ring_link_at(l, v->position, v->null_word);
	return true;
}

/* ARMED: 1 linked, 0 not and never will be, -1 look again. */
static int resolve_armed(struct log *l, struct intent *i, uint64_t c, const struct intent_view *v)
{
	enum ring_at at;
	uint64_t was = c;

	if (!view_valid(l, v))
		return 0; /* damage: it is rather done again than lost */
	at = ring_at(l, v->position, v->frame_word);
	if (at == RING_AT_NOTHING) {
		if (!null_link(l, v) && load_seq(&i->control) == c && /* keep pairs arm */
		    ring_at(l, v->position, v->frame_word) == RING_AT_NOTHING)
			return 0;
		at = ring_at(l, v->position, v->frame_word);
	}
	if (at == RING_AT_THIS)
		return 1;
	if (at == RING_AT_NOTHING)
		return -1;
	/* Another frame stands there, or did; had it been ours, the reclaimer would have said WON by now. */
	return cas_seq(&i->control, &was, intent_control(intent_seq(c), INTENT_LOST)) ? 0 : -1; /* arm:keep */
}

bool intent_resolve(struct log *l, unsigned slot, const atomic_u64 *word, uint64_t seen)
{
	struct intent *i = intent_of(l, slot);

	if (!intent_backed(l, slot))
		return false;
	for (;;) {
		uint64_t c = load_seq(&i->control); /* keep pairs arm */
		struct intent_view v;
		int linked;

		if (!intent_read(i, c, &v))
			continue;
		if (load_seq(word) != seen) /* settle pairs intent: c may be about something else */
			return false;
		if (intent_state(c) != INTENT_ARMED)
			return intent_state(c) == INTENT_WON;
		linked = resolve_armed(l, i, c, &v);
		if (linked >= 0)
			return linked == 1;
	}
}

void intent_close(struct log *l, unsigned slot)
{
	struct intent *i = intent_of(l, slot);
	struct intent_view v;
	uint64_t c;

	if (!intent_backed(l, slot))
		return;
	do {
		c = load_seq(&i->control); /* keep pairs arm */
		if (intent_state(c) != INTENT_ARMED)
			return;
	} while (!intent_read(i, c, &v));
	if (view_valid(l, &v) && ring_at(l, v.position, v.frame_word) == RING_AT_NOTHING)
		null_link(l, &v);
}

static void intent_keep(const struct log *l, struct intent *i, uint64_t target)
{
	for (;;) {
		uint64_t c = load_seq(&i->control); /* keep pairs arm */
		struct intent_view v;

		if (intent_state(c) != INTENT_ARMED)
			return;
		if (!intent_read(i, c, &v))
			continue;
		if (v.position >= target || ring_at(l, v.position, v.frame_word) != RING_AT_THIS)
			return;
		cas_seq(&i->control, &c, intent_control(intent_seq(c), INTENT_WON)); /* arm:keep */
	}
}

void intents_keep(const struct log *l, uint64_t target)
{
	for (unsigned w = 0; w < SLOT_PAGE_WORDS; w++) {
		uint64_t pages = load_seq(&l->file->intent_pages[w]); /* keep pairs arm */

		while (pages != 0) {
			unsigned page = w * 64 + (unsigned)__builtin_ctzll(pages);

			for (unsigned n = 0; n < SLOT_PAGE_ENTRIES; n++)
				intent_keep(l, intent_of(l, page * SLOT_PAGE_ENTRIES + n), target);
			pages &= pages - 1;
		}
	}
}
