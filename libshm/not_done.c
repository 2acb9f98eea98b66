/* SPDX-License-Identifier: MIT */
/*
 * not_done.c - what becomes of a message that was not done, or was done by publishing: retries, dead letters, and
 * settling.
 */
#include "in_hand.h"

#include "clock.h"
#include "publish.h"

#include <string.h>

#define REHOME_MS 1000 /* what waits longer than this does so in the return log: it must not hold up others */
#define MS_NS     1000000

/* ---- what becomes of what is not done ----------------------------------------------- */

const char *shmq_reason_text(enum shmq_reason reason)
{
	static const char *const text[] = {"max-deliver", "rejected", "timeout", "expired"};

	return (unsigned)reason < sizeof text / sizeof *text ? text[reason] : "unknown";
}

/* Reads a message of ours again, with what is known of it from before. 0; SHMQ_LATE: it is gone. */
static int read_again(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t *word, struct shmq_message *m,
                      struct meta_return *meta)
{
	int r = row_read(&c->g, lane_log(c, l), offset, &c->moving, m);

	*meta = (struct meta_return){.origin_offset = offset,
	                             .origin_ns = m->time_ns,
	                             .origin_partition = l->partition,
	                             .status = -1,
	                             .first_ns = clock_ns(CLOCK_REALTIME)};
	if (r == 0 && l->returns) {
		const unsigned char *text;

		if (!returns_meta(&c->moving, meta, &text))
			r = SHMQ_ECORRUPT;
		else if (meta->state == WORD_PARKED) /* it was requeued since */
			meta->requeues++;
	}
	if (r != SHMQ_OVERRUN && r != SHMQ_ECORRUPT)
		return r;
	/* Publishers did not keep it for us, or it is damaged: there is nothing to move. */
	window_set(&l->window, offset, *word, window_done(&l->window, offset, *word));
	counter_add(&c->g.q->counters->messages_missed, 1);
	return SHMQ_LATE;
}

static int put(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t *word, const struct shmq_message *m,
               const struct meta_return *meta, const void *text, uint64_t *new_offset)
{
	return returns_put(&c->g, &c->self, &c->rows, &l->window, l->returns ? 0 : l->partition,
	                   l->returns ? 0 : c->g.incarnation, offset, word, m, meta, text, new_offset);
}

int move_to_returns(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t *word, enum word_state state,
                    uint64_t low, unsigned deliveries, uint64_t *new_offset)
{
	struct shmq_message m;
	struct meta_return meta;
	int r = read_again(c, l, offset, word, &m, &meta);

	if (r != 0)
		return r;
	meta.state = (uint8_t)state;
	meta.low = low;
	meta.deliveries = (uint16_t)deliveries;
	meta.text_bytes = 0;
	return put(c, l, offset, word, &m, &meta, NULL, new_offset);
}

static uint64_t backoff_ms(struct shmq_group *c, unsigned deliveries)
{
	uint64_t most = (uint64_t)c->g.config.o.backoff_max_ns / MS_NS, ms = (uint64_t)c->g.config.o.backoff_ns / MS_NS;

	while (deliveries-- > 1 && ms < most)
		ms *= 2;
	if (ms > most)
		ms = most;
	/* Full jitter: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. */
	c->random = c->random * 6364136223846793005u + 1442695040888963407u;
	return ms == 0 ? 0 : (c->random >> 33) % (ms + 1);
}

/* It cannot be kept as a dead letter: it waits in its place, and is tried again. */
static void wait_instead(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t word)
{
	uint64_t due = boot_ms() + (uint64_t)c->g.config.o.backoff_max_ns / MS_NS;

	window_set(&l->window, offset, word,
	           window_next(&l->window, offset, word_tag(word), word_deliveries(word), WORD_WAITING, due));
	group_tell(&c->g);
}

int dead_letter(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t *word, const struct shmq_failure *why)
{
	struct shmq_message m;
	struct meta_return meta;
	const char *text = NULL;
	int r;

	if (c->g.config.o.dead == SHMQ_GROUP_DEAD_DROP) {
		if (!window_set(&l->window, offset, *word, window_done(&l->window, offset, *word)))
			return SHMQ_LATE;
		counter_add(&c->self.entry->dropped, 1);
		return 0;
	}
	r = read_again(c, l, offset, word, &m, &meta);
	if (r != 0)
		return r;
	meta.state = WORD_PARKED;
	meta.letter = 0;
	meta.low = 0;
	meta.deliveries = (uint16_t)word_deliveries(*word);
	meta.dead_ns = clock_ns(CLOCK_REALTIME);
	meta.reason = why != NULL ? (uint8_t)why->reason : SHMQ_REASON_MAX_DELIVER;
	meta.status = why != NULL ? why->status : -1;
	meta.text_bytes = 0;
	if (why != NULL && why->text_len > 0) {
		size_t keep = why->text_len < SHMQ_FAILURE_TEXT_MAX ? why->text_len : SHMQ_FAILURE_TEXT_MAX;

		text = (const char *)why->text + (why->text_len - keep);
		meta.text_bytes = (uint32_t)keep;
	}
	r = put(c, l, offset, word, &m, &meta, text, NULL);
	if (r == 0)
		counter_add(&c->self.entry->dead_lettered, 1);
	if (r == SHMQ_EDATA) /* it never will have room */
		r = SHMQ_FULL;
	if (r == SHMQ_FULL)
		wait_instead(c, l, offset, *word);
	return r;
}

/* What is settled counts as begun. */
static int make_working(struct shmq_group *c, struct in_hand *h)
{
	unsigned deliveries = word_deliveries(h->word);
	uint64_t next = window_next(&h->lane->window, h->offset, word_tag(h->word),
	                            deliveries < 255 ? deliveries + 1 : 255, WORD_WORKING, c->self.owner);

	if (word_state(h->word) == WORD_WORKING)
		return 0;
	if (!window_set(&h->lane->window, h->offset, h->word, next))
		return SHMQ_LATE;
	h->word = next;
	return 0;
}

int shmq_group_dead(shmq_group *c, const struct shmq_delivery *d, const struct shmq_failure *why)
{
	struct shmq_failure rejected = {.reason = SHMQ_REASON_REJECTED, .status = -1};
	struct in_hand h;
	int r = find_word(c, d, &h);

	if (r == 0)
		r = make_working(c, &h);
	if (r != 0)
		return r;
	r = dead_letter(c, h.lane, h.offset, &h.word, why != NULL ? why : &rejected);
	if (r >= 0)
		put_down(c, &h);
	return r;
}

int shmq_group_retry(shmq_group *c, const struct shmq_delivery *d, int64_t delay_ns, const struct shmq_failure *why,
                     bool *dead)
{
	struct in_hand h;
	uint64_t delay_ms, due;
	int r = find_word(c, d, &h);

	if (dead != NULL)
		*dead = false;
	if (r == 0)
		r = make_working(c, &h);
	if (r != 0)
		return r;
	if (delay_ns < SHMQ_BACKOFF || delay_ns > 30 * 86400 * INT64_C(1000000000))
		return fail(&c->g.q->error, SHMQ_EINVAL, "a retry waits 0 to 30 days");
	if (word_deliveries(h.word) >= c->g.config.o.retries) {
		r = dead_letter(c, h.lane, h.offset, &h.word, why);
		if (dead != NULL)
			*dead = r == 0;
		if (r >= 0)
			put_down(c, &h);
		return r == SHMQ_FULL ? 0 : r;
	}
	delay_ms = delay_ns == SHMQ_BACKOFF ? backoff_ms(c, word_deliveries(h.word)) : (uint64_t)delay_ns / MS_NS;
	due = boot_ms() + delay_ms;
	if (delay_ms > REHOME_MS && !h.lane->returns && c->g.config.o.mode == SHMQ_GROUP_SHARED) {
		r = move_to_returns(c, h.lane, h.offset, &h.word, WORD_WAITING, due, word_deliveries(h.word), NULL);
		if (r == 0 || r == SHMQ_LATE)
			put_down(c, &h);
		if (r != SHMQ_FULL && r != SHMQ_EDATA)
			return r;
	}
	r = set_word(c, &h, window_next(&h.lane->window, h.offset, word_tag(h.word), word_deliveries(h.word),
	                                WORD_WAITING, due));
	group_tell(&c->g);
	return r;
}

/* ---- exactly once ------------------------------------------------------------------- */

static int renew_while_waiting(void *context)
{
	struct shmq_group *c = context;

	/* The target may wait for us, who read it too, or in a circle. */
	for (unsigned i = 0; i < c->lane_count; i++)
		lane_raise(c, &c->lanes[i], true);
	return consumer_keep_up(c);
}

int shmq_group_settle(shmq_group *c, const struct shmq_delivery *d, shmq_pub *target,
                      const struct shmq_message *messages, size_t count, int64_t wait_ns)
{
	struct shmq_message input = {.partition = -1};
	struct in_hand h;
	struct settle s;
	int r = find_word(c, d, &h);

	if (r == 0 && target->q != c->g.q)
		return fail(&c->g.q->error, SHMQ_EINVAL, "the publisher must be on the consumer's broker handle");
	if (r == 0)
		r = make_working(c, &h);
	if (r != 0)
		return r;
	if (count == 0)
		return shmq_group_ack(c, d);
	if (messages[0].key == NULL && messages[0].partition < 0 && shmq_pub_partitions(target) > 1) {
		r = row_read(&c->g, lane_log(c, h.lane), h.offset, &c->moving, &input); /* d's may be void by now */
		if (r != 0)
			return r == SHMQ_OVERRUN ? SHMQ_LATE : r;
	}
	/* While it is settled it stays where it is: a renewal must not move it. */
	s = (struct settle){.g = &c->g,
	                    .self = &c->self,
	                    .window = &h.lane->window,
	                    .offset = h.offset,
	                    .word = h.word,
	                    .partition = h.lane->returns ? 0 : h.lane->partition,
	                    .incarnation = h.lane->returns ? 0 : c->g.incarnation};
	c->settling = true;
	r = settle_into(&s, target, &input, messages, count, wait_ns, renew_while_waiting, c);
	c->settling = false;
	if (r == 0) {
		h.word = window_done(&h.lane->window, h.offset, h.word);
		counter_add(&c->self.entry->acked, 1);
	}
	if (r == 0 || r == SHMQ_LATE)
		put_down(c, &h);
	return r;
}
