/* SPDX-License-Identifier: MIT */
/* release.c - giving back what somebody holds who is gone, or stood still for longer than its lease. */
#include "release.h"

#include "clock.h"
#include "intent.h"

int group_open_numbers(shmq *q, uint64_t topic, uint64_t number, uint64_t incarnation, struct group *out)
{
	int r;

	*out = GROUP_NONE;
	out->q = q;
	out->number = number;
	r = topic_open_number(q, topic, &out->topic);
	if (r == 0)
		r = group_file_open(out, true);
	if (r == 0)
		r = group_rest_open(out);
	if (r == 0 && incarnation != 0 && incarnation != out->incarnation)
		r = group_windows_open(out, incarnation);
	return r;
}

/* The log that a member settles into: in *topic and *log unless it is the group's own. 0; SHMQ_ENOENT: its topic is
 * over, so nothing that was linked there counts; an error: it cannot be told now. */
static int target_open(struct group *g, unsigned slot, struct topic *topic, struct log *log, struct log **target)
{
	const struct member *m = member_at(g, slot);
	uint64_t number = load_acquire(&m->target_topic), which = load_acquire(&m->target_log); /* lease pairs claim */
	int r;

	*target = &g->returns;
	if (which == TARGET_RETURNS)
		return 0;
	*target = log;
	if (which == 0 || which > SHMQ_PARTITIONS_MAX)
		return SHMQ_ENOENT; /* damage */
	r = topic_open_number(g->q, number, topic);
	if (r == 0 && which > topic->options.partitions)
		return SHMQ_ENOENT;
	if (r == 0)
		r = topic_log_open(topic, (unsigned)which - 1, true, log);
	return r == SHMQ_GONE ? SHMQ_ENOENT : r;
}

/* What a settling word says once it is decided. */
static uint64_t word_decided(const struct window *w, uint64_t offset, uint64_t word, bool linked)
{
	if (linked)
		return window_done(w, offset, word);
	if (word_state(word) == WORD_PARKED_SETTLING)
		return window_next(w, offset, word_tag(word), word_deliveries(word), WORD_PARKED, 0);
	return window_next(w, offset, word_tag(word), word_deliveries(word), WORD_WAITING,
	                   clock_ns(CLOCK_BOOTTIME) / 1000000);
}

int word_resolve(struct group *g, const struct window *w, uint64_t offset, uint64_t word, struct log *target)
{
	unsigned slot = word_owner_slot(word_low(word));
	struct topic topic = TOPIC_NONE;
	struct log log = LOG_NONE;
	bool linked = false;
	int r = target == NULL ? target_open(g, slot, &topic, &log, &target) : 0;

	if (r == 0)
		linked = intent_resolve(target, slot, window_word(w, offset), word) &&
		         (target != &log || topic_live(&topic));
	if (linked && target == &log)
		bell_ring(&topic.bell->arrived); /* its owner may have died before it did */
	if (linked) /* likewise; and before the input is done (settle.c) */
		topic_mark_linked(target == &log ? &topic : &g->topic);
	log_close(&log);
	topic_close(&topic);
	if (r != 0 && r != SHMQ_ENOENT)
		return r;
	return window_set(w, offset, word, word_decided(w, offset, word, linked));
}

static int word_return(struct group *g, const struct window *w, uint64_t offset, uint64_t word, bool charge)
{
	unsigned deliveries = word_deliveries(word);

	if (word_is_settling(word))
		return word_resolve(g, w, offset, word, NULL);
	if (!charge && word_state(word) == WORD_WORKING && deliveries > 0)
		deliveries--;
	return window_set(w, offset, word,
	                  window_next(w, offset, word_tag(word), deliveries, WORD_WAITING,
	                              clock_ns(CLOCK_BOOTTIME) / 1000000));
}

int word_give_back(struct group *g, const struct window *w, uint64_t offset, uint64_t word)
{
	return word_return(g, w, offset, word, true);
}

static bool is_of(uint64_t word, unsigned slot, uint64_t seq)
{
	return word_is_held(word) && word_owner_slot(word_low(word)) == slot &&
	       (seq == UINT64_MAX || word_low(word) == word_owner(slot, seq));
}

/* How many words, or an error. */
static int window_give_back(struct group *g, const struct window *w, unsigned slot, uint64_t seq, bool charge)
{
	uint64_t backed = load_acquire(&w->line->words_reserved), floor = window_floor(w);
	int given = 0, r = 0;

	if (backed > w->count)
		backed = w->count;
	for (uint64_t i = 0; i < backed; i++) {
		uint64_t offset = floor + ((i - (floor - w->base)) & (w->count - 1)), word;

		if (!is_of(load_relaxed(&w->words[i]), slot, seq)) /* relaxed: our own, or of who is dead */
			continue;
		while (r >= 0 && window_look(w, offset, &word) == SAYS_HELD && is_of(word, slot, seq)) {
			r = word_return(g, w, offset, word, charge);
			given += r > 0;
		}
		if (r < 0)
			return r;
	}
	return given;
}

int window_settle_all(struct group *g, const struct window *w)
{
	uint64_t backed = load_acquire(&w->line->words_reserved), floor = window_floor(w);
	int r = 0;

	for (uint64_t i = 0; i < backed && i < w->count && r >= 0; i++) {
		uint64_t offset = floor + ((i - (floor - w->base)) & (w->count - 1)), word;

		while (r >= 0 && window_look(w, offset, &word) == SAYS_HELD && word_is_settling(word))
			r = word_resolve(g, w, offset, word, NULL);
	}
	return r < 0 ? r : 0;
}

int slot_give_back(struct group *g, unsigned slot, uint64_t seq, bool charge)
{
	int given = 0, r;

	given = r = window_give_back(g, &g->returns_window, slot, seq, charge);
	for (unsigned p = 0; p < g->topic.options.partitions && r >= 0; p++) {
		struct window w;

		group_window(g, p, &w);
		r = window_give_back(g, &w, slot, seq, charge);
		given += r > 0 ? r : 0;
	}
	if (given > 0)
		group_tell(g);
	return r < 0 ? r : 0;
}
