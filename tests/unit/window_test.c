/* SPDX-License-Identifier: MIT */
/* window_test.c - words of messages: laps, floor, room, and what a word is believed to say. */
#include "groups.h"

#define W 64u

static shmq *q;
static struct group *g; /* whose window of one partition is used up here */

static enum word_says look(const struct window *w, uint64_t offset)
{
	uint64_t word;

	return window_look(w, offset, &word);
}

static bool set(const struct window *w, uint64_t offset, enum word_state state, uint64_t low)
{
	uint64_t word = 0;

	if (window_look(w, offset, &word) == SAYS_BELOW)
		return false;
	return window_set(w, offset, word,
			  state == WORD_DONE ? window_done(w, offset, word) :
					       window_next(w, offset, word_tag(word) + 1, 1, state, low));
}

static void words(void)
{
	uint64_t w = word_make(0x1ff, 0x1fff, 0x1ff, WORD_PARKED_SETTLING, UINT64_MAX);

	is_u64(word_lap(w), 0xff, "a lap of 8 bits");
	is_u64(word_tag(w), 0xfff, "a tag of 12");
	is_u64(word_deliveries(w), 0xff, "deliveries of 8");
	is_u64(word_state(w), WORD_PARKED_SETTLING, "a state of 3");
	is_u64(word_low(w), WORD_LOW_MASK, "33 bits below");
	w = word_done((1ULL << 40) + 77, 5, 6);
	is_u64(word_done_lap(w), (1ULL << 40) + 77, "DONE has the whole lap");
	ok(word_tag(w) == 5 && word_deliveries(w) == 6, "and keeps tag and deliveries");
	w = word_owner(8191, 0xfffff);
	is_u64(word_owner_slot(w), 8191, "an owner's slot");
	ok(w <= WORD_LOW_MASK, "fits");
	ok(word_owner(1, 2) != word_owner(1, 3) && word_owner(1, 2) != word_owner(2, 2), "owners differ by slot and lease");
	for (unsigned s = 0; s < 7; s++) {
		bool held = s == WORD_CLAIMED || s == WORD_WORKING || s == WORD_SETTLING || s == WORD_PARKED_SETTLING;

		w = word_make(1, 1, 1, (enum word_state)s, 0);
		ok(word_is_held(w) == held, "state %u is %sheld", s, held ? "" : "not ");
		ok(word_is_settling(w) == (s == WORD_SETTLING || s == WORD_PARKED_SETTLING), "state %u: settling", s);
	}
}

static void due_times(void)
{
	const uint64_t times[] = {0, 1, 12345, (1ULL << 33) - 1, 1ULL << 33, (1ULL << 33) + 5, (7ULL << 33) - 3};
	const int64_t delays[] = {0, 1, -1, 1000, 30 * 86400 * INT64_C(1000), -86400000};
	unsigned wrong = 0;

	for (unsigned i = 0; i < sizeof times / sizeof *times; i++)
		for (unsigned k = 0; k < sizeof delays / sizeof *delays; k++) {
			uint64_t w = word_make(1, 1, 1, WORD_WAITING, times[i] + (uint64_t)delays[k]);

			wrong += word_due_in_ms(w, times[i]) != delays[k];
		}
	is_u64(wrong, 0, "times are compared by distance, also where 33 bits wrap");
}

static void hints(void)
{
	const uint64_t positions[] = {0, 1, (1ULL << 36) - 1, 1ULL << 36, (1ULL << 36) + 1, (5ULL << 36) + 12345};
	unsigned wrong = 0;

	for (unsigned i = 0; i < sizeof positions / sizeof *positions; i++)
		for (int64_t off = -1000; off <= 1000; off += 250) {
			uint64_t near = positions[i] + (uint64_t)off;

			if (off < 0 && positions[i] < (uint64_t)-off)
				continue;
			wrong += claim_position(claim_make(positions[i], 77), near) != positions[i];
			wrong += claim_row(claim_make(positions[i], 77)) != 77;
		}
	is_u64(wrong, 0, "a position is widened to the nearest");
	is_u64(claim_position(claim_make((1ULL << 36) - 2, 0), 1), (1ULL << 36) - 2, "never below 0");
	is_u64(claim_row(claim_make(9, CLAIM_ROW_MASK)), CLAIM_ROW_MASK, "the largest row");
}

static void leases(void)
{
	uint64_t w = lease_make(0xfffff, (1ULL << 42) - 1, LEASE_BROKEN);

	ok(lease_seq(w) == 0xfffff && lease_until_ms(w) == (1ULL << 42) - 1 && lease_state(w) == LEASE_BROKEN, "a lease");
	w = owner_make(12345, word_owner(77, 88));
	ok(owner_generation(w) == 12345 && (w & OWNER_HELD) && owner_low(w) == word_owner(77, 88), "an owner");
	ok(!(owner_none(9) & OWNER_HELD) && owner_generation(owner_none(9)) == 9, "none");
	w = intent_control(12345, INTENT_WON);
	ok(intent_seq(w) == 12345 && intent_state(w) == INTENT_WON, "an intent");
}

static void laps(struct window *w)
{
	uint64_t word, base = w->base;
	unsigned wrong = 0;

	is_u64(w->count, W, "a window of %u words", W);
	is_u64(window_floor(w), base, "its floor is where it begins");
	is_u64(window_lap(w, base), 1, "in lap 1");
	is_u64(window_lap(w, base + W - 1), 1, "to the last word");
	is_u64(window_lap(w, base + W), 2, "then comes lap 2");
	is_i64(look(w, base), SAYS_FREE, "nobody has it");
	is_i64(look(w, base + W - 1), SAYS_FREE, "nor the last one");
	is_i64(look(w, base + W), SAYS_BEYOND, "there is no word for the next");
	need(window_reserve(&q->error, w, base + W - 1));
	ok(set(w, base + 1, WORD_WORKING, word_owner(1, 1)), "the second is taken");
	is_i64(look(w, base + 1), SAYS_HELD, "that can be seen");
	is_u64(window_advance(w, base + W), base, "the floor does not pass the first");
	ok(set(w, base, WORD_DONE, 0), "the first is done");
	is_i64(look(w, base), SAYS_DONE, "that can be seen");
	is_u64(window_advance(w, base + W), base + 1, "it does, to the second");
	is_i64(look(w, base), SAYS_BELOW, "what is behind it is over");
	is_i64(look(w, base + W), SAYS_FREE, "and its word is free for the next lap");
	is_i64(look(w, base + W + 1), SAYS_BEYOND, "but not that of the second");
	ok(set(w, base + W, WORD_WORKING, word_owner(2, 2)), "which can be taken");
	is_i64(look(w, base), SAYS_BELOW, "no word about the one before");
	ok(set(w, base + 1, WORD_DONE, 0) && window_advance(w, base + 1) == base + 1, "not beyond the limit");
	/* many laps: each message is free, then held, then done, then below */
	for (uint64_t o = base + 2; o < base + W; o++)
		set(w, o, WORD_DONE, 0);
	set(w, base + W, WORD_DONE, 0);
	for (uint64_t o = base + W + 1; o < base + W * 700; o++) {
		window_advance(w, o);
		wrong += look(w, o) != SAYS_FREE;
		wrong += !set(w, o, WORD_CLAIMED, word_owner(3, 3));
		wrong += look(w, o) != SAYS_HELD;
		wrong += look(w, o - 1) != SAYS_BELOW && look(w, o - 1) != SAYS_DONE;
		wrong += look(w, o + W) != SAYS_BEYOND;
		wrong += !set(w, o, WORD_DONE, 0);
		wrong += look(w, o) != SAYS_DONE;
	}
	is_u64(wrong, 0, "700 laps, where 8 bits wrap twice");
	is_u64(window_advance(w, base + W * 700), base + W * 700, "the floor is at the end");
	/* a lap that cannot be */
	word = word_make(3, 1, 1, WORD_WORKING, 0);
	store_release(window_word(w, base + W * 700), word);
	is_i64(look(w, base + W * 700), SAYS_FREE, "a word of another lap is damage: rather again than lost");
	store_release(window_word(w, base + W * 700), word_make(window_lap(w, base + W * 700), 1, 1, (enum word_state)7, 0));
	is_i64(look(w, base + W * 700), SAYS_FREE, "as is a state that cannot be");
	store_release(window_word(w, base + W * 700), word_done(window_lap(w, base + W * 700) + 5, 0, 0));
	is_i64(look(w, base + W * 700), SAYS_BELOW, "done in a later lap: over");
}

static void skipping(struct window *w)
{
	uint64_t at = window_floor(w);

	store_release(window_word(w, at), 0);
	set(w, at, WORD_WORKING, word_owner(1, 1));
	set(w, at + 1, WORD_DONE, 0);
	is_u64(window_skip_to(w, at), 0, "skipping nothing");
	is_u64(window_skip_to(w, at + 5), 4, "skipping five, of which one was done");
	is_u64(window_floor(w), at + 5, "moves the floor");
	is_u64(window_skip_to(w, at + 3), 0, "it does not go back");
	is_u64(window_floor(w), at + 5, "nor does the floor");
	set(w, at + 6, WORD_WAITING, 0);
	is_u64(window_skip_to(w, at + 5 + 10 * W), 10 * W, "skipping ten laps");
	is_u64(window_floor(w), at + 5 + 10 * W, "moves the floor");
	is_i64(look(w, at + 5 + 10 * W), SAYS_FREE, "the next one is free");
	is_i64(look(w, at + 4 + 11 * W), SAYS_FREE, "as the last that has a word");
}

/* A consumer's view of the same: 20 laps of messages through a window of 64. */
static void through_a_group(void)
{
	struct shmq_group_options o = {.window = W};
	struct shmq_delivery d[W + 8];
	unsigned n, wrong = 0;
	shmq_group *c;

	topic_make(q, "laps", 1);
	publish_numbers(q, "laps", 0, 20 * W, true);
	c = consumer(q, "laps", "g", &o, 0);
	for (n = 0; n < W + 8 && shmq_group_next(c, &d[n]) == 0; n++)
		;
	is_u64(n, W, "so many can be in hand");
	for (unsigned i = n; i-- > 1;)
		wrong += shmq_group_ack(c, &d[i]) != 0;
	is_i64(shmq_group_next(c, &d[1]), SHMQ_EMPTY, "all but the oldest are done: no room for more");
	wrong += shmq_group_ack(c, &d[0]) != 0;
	is_str(take_all(c, TAKE_ACK, NULL), numbers(W, 20 * W), "then all others come");
	is_u64(wrong, 0, "each ack counted");
	is_u64(lag_of(q, "laps", "g"), 0, "no lag");
	shmq_group_close(c);
}

/* What was done when memory was made anew: within the words of the window, and far beyond them. */
static void done_before(void)
{
	static const struct done_span done[] = {{3, 5}, {7, 8}, {W + 10, W + 20}, {15 * W, 16 * W}};
	struct window_place place = {.done = done, .done_count = sizeof done / sizeof *done};
	struct shmq_group_options o = {.window = W};
	struct shmq_group_log_info logs[1];
	struct shmq_group_info info = {.logs = logs};
	unsigned gone = 2 + 1 + 10 + W, held = 0;
	uint64_t incarnation, shown = 0;
	struct shmq_delivery d;
	struct shmq_group *c;
	struct window w;

	topic_make(q, "anew", 1);
	publish_numbers(q, "anew", 0, 20 * W, true);
	c = consumer(q, "anew", "g", &o, 0);
	need(group_move(&c->g, &place, &incarnation));
	shmq_group_close(c);
	c = consumer(q, "anew", "g", &o, 0);
	group_window(&c->g, 0, &w);
	is_i64(look(&w, 2), SAYS_FREE, "one before them is free");
	is_i64(look(&w, 3), SAYS_DONE, "the first is done");
	is_i64(look(&w, 4), SAYS_DONE, "the last of a span is done");
	is_i64(look(&w, 5), SAYS_FREE, "the next one is free");
	is_i64(look(&w, 15 * W), SAYS_BEYOND, "of others there is no word");
	ok(window_was_done(&w, 15 * W) && !window_was_done(&w, 16 * W) && !window_was_done(&w, 15 * W - 1), "but they are done");
	is_u64(window_done_between(&w, 4, W + 12), 1 + 1 + 2, "counted in parts of spans");
	is_u64(window_done_between(&w, 0, UINT64_MAX), gone, "and in all");
	is_u64(lag_of(q, "anew", "g"), 20 * W - gone, "they are no lag");
	while (shmq_group_next(c, &d) == 0) {
		uint64_t at = d.message.offset;

		shown++;
		held += (at >= 3 && at < 5) || at == 7 || (at >= W + 10 && at < W + 20) || (at >= 15 * W && at < 16 * W);
		need(shmq_group_ack(c, &d));
	}
	is_u64(held, 0, "none of them is delivered");
	is_u64(shown, 20 * W - gone, "all others are");
	need(shmq_group_info(q, "anew", "g", &info));
	is_u64(logs[0].offset, 20 * W, "the floor passes them");
	shmq_group_close(c);
}

int main(void)
{
	struct shmq_group_options o = {.window = W};
	struct shmq_group *c;
	struct window w;

	scratch_begin(60);
	q = broker();
	topic_make(q, "words", 1);
	c = consumer(q, "words", "g", &o, 0);
	g = &c->g;
	group_window(g, 0, &w);
	words();
	due_times();
	hints();
	leases();
	laps(&w);
	skipping(&w);
	shmq_group_close(c);
	through_a_group();
	done_before();
	shmq_close(q);
	return done();
}
