/* SPDX-License-Identifier: MIT */
/* readers.c - who still needs which part of a topic: reader words and their gates. */
#include "readers.h"

#include "bulk.h"

static bool gate_is_of(uint64_t gate, uint64_t word)
{
	return word_high(gate) == reader_word_incarnation(word);
}

/* Makes every reclaimer that looked at the readers before us fail: its CAS names the old gen. */
void readers_bump(const struct readers *rs)
{
	for (unsigned p = 0; p < rs->partitions; p++) {
		uint64_t h = load_acquire(&rs->heads[p].head); /* head pairs advance */

		while (!cas_seq(&rs->heads[p].head, &h, word_of(word_high(h) + 1, h))) /* attach:head */
			;
	}
}

/* Backs the pages of a reader's row of gates. */
static int gates_reserve(struct error *e, const struct readers *rs, unsigned reader)
{
	size_t row = (size_t)rs->partitions * 8;
	size_t from = bell_gates_at(rs->partitions) + reader * row, to = from + row;

	from = from / PAGE * PAGE;
	return map_reserve(e, rs->map, from, ALIGN_UP(to, PAGE) - from);
}

/* what: the word but for its incarnation. */
static int claim_as(struct error *e, const struct readers *rs, uint64_t what, struct reader *out)
{
	int burials = 4; /* liveness tests before every free word was tried: bounds the time */

	for (unsigned n = 1; n < 2 * READERS; n++) {
		unsigned i = n % READERS;
		uint64_t w = load_acquire(&rs->bell->readers[i]), next;
		struct holder h = {.index = i, .word = w};
		int r;

		if (i == 0)
			burials = READERS; /* second round */
		if (i != 0 && reader_word_state(w) != READER_FREE && burials-- > 0 &&
		    (reader_bury(rs, &h) || (n > READERS && reader_word_state(w) == READER_TENTATIVE &&
		                             reader_push_aside(rs, &h, 0)))) /* its maker starts again, or is dead */
			w = load_acquire(&rs->bell->readers[i]);
		if (i == 0 || reader_word_state(w) != READER_FREE)
			continue;
		r = gates_reserve(e, rs, i);
		if (r < 0)
			return r;
		next = what | ((reader_word_incarnation(w) + 1) & 0xffff) << 45;
		cas_max(&rs->bell->readers_used, i + 1); /* before the claim: nobody scans too few */
		if (!cas_seq(&rs->bell->readers[i], &w, next))
			continue;
		*out = (struct reader){.index = i, .word = next};
		readers_bump(rs);
		return 0;
	}
	return fail(e, SHMQ_ELIMIT, "this topic has %u readers already", READERS - 1);
}

int reader_claim(struct error *e, const struct readers *rs, uint64_t id, struct reader *out)
{
	return claim_as(e, rs, reader_word(READER_CREATING, 0, id), out);
}

int reader_claim_group(struct error *e, const struct readers *rs, uint64_t hash, uint64_t number,
                       struct reader *out)
{
	return claim_as(e, rs, reader_group_word(READER_TENTATIVE, 0, hash, number), out);
}

bool reader_gate_set(const struct readers *rs, const struct reader *r, unsigned partition,
                     uint64_t pos)
{
	atomic_u64 *gate = reader_gate(rs, r->index, partition);
	uint64_t g = load_acquire(gate); /* gates pairs raise */

	do {
		/* A publisher that took us for LIVE would have had to see the word say so. */
		if (load_acquire(&rs->bell->readers[r->index]) != r->word)
			return false;
	} while (!cas_acq_rel(gate, &g, word_of(reader_word_incarnation(r->word), pos)));
	return true;
}

void readers_end_virgin(const struct readers *rs)
{
	uint64_t virgin = load_acquire(&rs->bell->readers[0]);

	if (reader_word_state(virgin) == READER_VIRGIN)
		cas_seq(&rs->bell->readers[0], &virgin, 0);
}

bool reader_go_live(const struct readers *rs, struct reader *r, enum reader_state state)
{
	uint64_t w = r->word;
	uint64_t live = (w & ((1ULL << 61) - 1)) | (uint64_t)state << 61;

	if (!cas_seq(&rs->bell->readers[r->index], &w, live))
		return false;
	r->word = live;
	readers_end_virgin(rs); /* only now, when our gates hold in its place */
	return true;
}

bool reader_gate_raise(const struct readers *rs, const struct reader *r, unsigned partition,
                       uint64_t from, uint64_t to)
{
	uint64_t inc = reader_word_incarnation(r->word), old = word_of(inc, from);

	while (!cas_seq(reader_gate(rs, r->index, partition), &old, word_of(inc, to))) { /* raise:gates */
		if (word_high(old) != inc || word_low_pos(old) == GATE_NONE)
			return false;
		if (to != GATE_NONE && widen_pos(old, to) >= to)
			return true;
	}
	return true;
}

void reader_release(const struct readers *rs, struct reader *r)
{
	uint64_t w = r->word;

	if (r->index != 0)
		cas_seq(&rs->bell->readers[r->index], &w,
		        reader_word(READER_FREE, reader_word_incarnation(w), 0));
	r->index = 0;
}

/* States whose gates say what they need. */
static bool state_has_gates(enum reader_state s)
{
	return s == READER_LIVE || s == READER_HOLD || s == READER_GROUP;
}

uint64_t readers_floor(const struct readers *rs, unsigned partition, uint64_t head, uint64_t newest,
                       struct holder *holder)
{
	uint64_t used = load_seq(&rs->bell->readers_used), floor = newest;
	struct holder lowest = {0};

	if (used > READERS)
		used = READERS;
	for (unsigned i = 0; i < used; i++) {
		uint64_t w = load_acquire(&rs->bell->readers[i]), gate = 0, pos = head;

		if (reader_word_state(w) == READER_FREE || reader_word_state(w) > READER_GROUP ||
		    (reader_word_state(w) == READER_VIRGIN && i != 0))
			continue; /* the last two: damage holds nothing */
		if (state_has_gates(reader_word_state(w))) {
			gate = load_acquire(reader_gate(rs, i, partition)); /* gates pairs raise */
			if (gate_is_of(gate, w) && word_low_pos(gate) == GATE_NONE)
				continue;
			if (gate_is_of(gate, w))
				pos = widen_pos(gate, newest);
		}
		if (pos < floor) {
			floor = pos;
			lowest = (struct holder){.index = i, .word = w, .gate = gate, .pos = pos};
		}
	}
	if (holder != NULL)
		*holder = lowest;
	return floor;
}

uint64_t reader_session(const struct readers *rs, uint64_t word)
{
	uint64_t id = 0;

	if (reader_word_state(word) < READER_CREATING || reader_state_is_group(reader_word_state(word)) ||
	    !session_alive_short(rs->place, reader_word_slot(word), reader_word_epoch(word), &id))
		return 0;
	return id;
}

bool reader_bury(const struct readers *rs, const struct holder *h)
{
	uint64_t w = h->word;

	if (reader_word_state(w) < READER_CREATING || reader_state_is_group(reader_word_state(w)) ||
	    reader_session(rs, w) != 0)
		return false;
	cas_seq(&rs->bell->readers[h->index], &w,
	        reader_word(READER_FREE, reader_word_incarnation(w), 0));
	return true;
}

bool reader_stands(const struct readers *rs, const struct holder *h, unsigned partition,
                   uint64_t boot_ns, uint64_t for_ns)
{
	atomic_u64 *at = &rs->heads[partition].watch;
	uint64_t parts[3] = {h->index, h->word, h->gate}, now = boot_ns / 1000000;
	uint64_t checksum = bulk_hash(parts, sizeof parts) >> 44, still = 0;
	uint64_t w = load_relaxed(at); /* relaxed: it guards nothing; see layout.h */

	if (watch_checksum(w) == checksum) {
		uint64_t since = watch_since_ms(w, now);

		still = watch_still(w);
		if (still * WATCH_UNIT_MS >= for_ns / 1000000)
			return true;
		if (since < WATCH_UNIT_MS)
			return false;
		still += (since < WATCH_STEP_MS ? since : WATCH_STEP_MS) / WATCH_UNIT_MS;
	}
	cas_acq_rel(at, &w, watch_word(checksum, still, now));
	return false;
}

/* The gate of a reader that was LIVE or HOLD as `w` when the gate was loaded: its gates stand since
 * before it went live, so one of another incarnation means that the word is old, or damage. */
static bool gate_still_of(const struct readers *rs, unsigned reader, uint64_t w, uint64_t gate)
{
	return gate_is_of(gate, w) || load_acquire(&rs->bell->readers[reader]) == w;
}

bool reader_push_aside(const struct readers *rs, const struct holder *h, unsigned partition)
{
	uint64_t w = h->word, gate = h->gate;

	switch (reader_word_state(w)) {
	case READER_CREATING:
	case READER_TENTATIVE:
		return cas_seq(&rs->bell->readers[h->index], &w,
		               reader_word(READER_FREE, reader_word_incarnation(w), 0));
	case READER_LIVE:
		return gate_still_of(rs, h->index, w, gate) &&
		       cas_seq(reader_gate(rs, h->index, partition), &gate,
		               word_of(reader_word_incarnation(w), GATE_NONE));
	case READER_VIRGIN:
	case READER_HOLD:
	case READER_GROUP:
	case READER_FREE:
		break;
	}
	return false;
}

static uint64_t readers_scan_end(const struct readers *rs)
{
	uint64_t used = load_seq(&rs->bell->readers_used);

	return used < READERS ? used : READERS;
}

void readers_note(const struct readers *rs, unsigned partition, struct reader_seen *seen)
{
	uint64_t used = readers_scan_end(rs);

	for (unsigned i = 0; i < READERS; i++) {
		seen[i].word = i < used ? load_acquire(&rs->bell->readers[i]) : 0;
		seen[i].gate = reader_word_state(seen[i].word) < READER_LIVE
		                       ? 0 /* its row of gates may not be backed yet */
		                       : load_acquire(reader_gate(rs, i, partition)); /* gates:raise */
	}
}

unsigned readers_push_still(const struct readers *rs, unsigned partition, uint64_t newest,
                            const struct reader_seen *seen)
{
	uint64_t used = readers_scan_end(rs);
	unsigned pushed = 0;

	for (unsigned i = 1; i < used; i++) {
		struct holder h = {.index = i, .word = seen[i].word, .gate = seen[i].gate};

		/* A word or gate that is another one by now makes the CAS fail. */
		if (reader_word_state(h.word) == READER_CREATING ||
		    reader_word_state(h.word) == READER_TENTATIVE ||
		    (reader_word_state(h.word) == READER_LIVE && gate_is_of(h.gate, h.word) &&
		     word_low_pos(h.gate) != GATE_NONE && widen_pos(h.gate, newest) < newest))
			pushed += reader_push_aside(rs, &h, partition);
	}
	return pushed;
}

bool reader_retag(const struct readers *rs, unsigned index, uint64_t *word, uint64_t incarnation)
{
	uint64_t next = (*word & ~(0xffffULL << 45)) | (incarnation & 0xffff) << 45;

	if (!cas_seq(&rs->bell->readers[index], word, next))
		return false;
	*word = next;
	return true;
}

bool reader_gate_lift(const struct readers *rs, unsigned index, uint64_t word, unsigned partition, uint64_t pos)
{
	atomic_u64 *gate = reader_gate(rs, index, partition);
	uint64_t g = load_acquire(gate), inc = reader_word_incarnation(word); /* gates pairs raise */

	do {
		/* Of another incarnation it is void, and this one's consumers are not to set it. */
		if (load_acquire(&rs->bell->readers[index]) != word)
			return false;
		if (word_high(g) == inc && widen_pos(g, pos) >= pos)
			return true;
	} while (!cas_seq(gate, &g, word_of(inc, pos))); /* raise:gates */
	return true;
}

void reader_free(const struct readers *rs, unsigned index, uint64_t word)
{
	cas_seq(&rs->bell->readers[index], &word, reader_word(READER_FREE, reader_word_incarnation(word), 0));
}

static void gate_move_up(const struct readers *rs, unsigned reader, unsigned partition,
                         uint64_t target)
{
	for (;;) {
		uint64_t w = load_acquire(&rs->bell->readers[reader]), gate;

		if (!state_has_gates(reader_word_state(w)))
			return;
		gate = load_acquire(reader_gate(rs, reader, partition)); /* gates pairs raise */
		if (gate_is_of(gate, w) &&
		    (word_low_pos(gate) == GATE_NONE || widen_pos(gate, target) >= target))
			return;
		if (gate_still_of(rs, reader, w, gate) &&
		    cas_seq(reader_gate(rs, reader, partition), &gate,
		            word_of(reader_word_incarnation(w), target)))
			return;
	}
}

void readers_move_up(const struct readers *rs, unsigned partition, uint64_t target)
{
	uint64_t used = load_seq(&rs->bell->readers_used);

	for (unsigned i = 1; i < READERS && i < used; i++)
		gate_move_up(rs, i, partition, target);
}
