/* SPDX-License-Identifier: MIT */
/* in_hand.c - a message in a consumer's hands: whether it is still ours; begun, done, or given back. */
#include "in_hand.h"

#include <string.h>

/* Where a delivery is by now: it may have been moved. */
static void follow_moves(struct shmq_group *c, uint64_t *partition, uint64_t *incarnation, uint64_t *offset)
{
	const struct moved *m = (const struct moved *)(const void *)c->moved.data;

	for (size_t i = 0; i < c->moved.used / sizeof *m; i++)
		if (m[i].incarnation == *incarnation && m[i].from == *offset &&
		    (m[i].incarnation == 0 || m[i].partition == *partition)) {
			*partition = UINT64_MAX;
			*incarnation = 0;
			*offset = m[i].to;
		}
}

static void forget_move(struct shmq_group *c, const struct in_hand *h)
{
	struct moved *m = (struct moved *)(void *)c->moved.data;
	size_t n = c->moved.used / sizeof *m;

	for (size_t i = 0; i < n && h->lane->returns; i++)
		if (m[i].to == h->offset) { /* in order: they are followed one after the other */
			memmove(&m[i], &m[i + 1], (n - i - 1) * sizeof *m);
			c->moved.used -= sizeof *m;
			return;
		}
}

static int not_ours(struct shmq_group *c, uint64_t offset)
{
	fail(&c->g.q->error, SHMQ_LATE,
	     "group %s: message %llu is not this consumer's any more: its lease ran out, the group was moved, or the "
	     "message is gone",
	     c->g.name, (unsigned long long)offset);
	return SHMQ_LATE;
}

/* The word of a delivery, if it is still ours: 0 or SHMQ_LATE. */
int find_word(struct shmq_group *c, const struct shmq_delivery *d, struct in_hand *h)
{
	uint64_t partition = d->private_[0], offset = d->private_[1], incarnation = d->private_[2];
	uint64_t owner = d->private_[3] >> 8;
	unsigned attempt = (unsigned)(d->private_[3] & 0xff);
	enum word_says says = SAYS_DONE;

	if (c->g.q->forked)
		return broker_check(c->g.q, true);
	if (c->moved.used > 0)
		follow_moves(c, &partition, &incarnation, &offset);
	if (incarnation == 0)
		h->lane = lane_returns(c);
	else if (incarnation == c->g.incarnation && partition + 1 < c->lane_count &&
	         group_current(&c->g) == incarnation) /* current pairs seek */
		h->lane = &c->lanes[partition];
	else
		h->lane = NULL;
	h->offset = offset;
	if (h->lane != NULL)
		says = window_look(&h->lane->window, offset, &h->word);
	/* With a broken lease nothing counts, though nobody may have given this one back yet: of an ordered group a
	   later message would be acked before an earlier one. */
	if (says == SAYS_HELD && word_low(h->word) == owner && owner == c->self.owner && member_stands(&c->self) &&
	    ((word_state(h->word) == WORD_WORKING && word_deliveries(h->word) == attempt) ||
	     (word_state(h->word) == WORD_CLAIMED && word_deliveries(h->word) + 1 == attempt)))
		return 0;
	if (h->lane != NULL && h->lane->in_hand > 0)
		h->lane->in_hand--;
	return not_ours(c, d->message.offset);
}

/* It has left our hands. */
void put_down(struct shmq_group *c, const struct in_hand *h)
{
	struct lane *l = h->lane;

	if (l->in_hand > 0)
		l->in_hand--;
	lane_leave_when_done(c, l);
	if (c->moved.used > 0)
		forget_move(c, h);
	if (h->offset < l->cursor && word_state(h->word) != WORD_DONE)
		l->cursor = 0; /* ordered: it comes again before what follows */
	if (l->in_hand == 0)
		lane_raise(c, l, false);
}

int set_word(struct shmq_group *c, struct in_hand *h, uint64_t next)
{
	bool set = window_set(&h->lane->window, h->offset, h->word, next);

	h->word = next;
	put_down(c, h);
	return set ? 0 : not_ours(c, h->offset);
}

int shmq_group_start(shmq_group *c, struct shmq_delivery *d)
{
	struct in_hand h;
	int r = find_word(c, d, &h);
	unsigned deliveries;
	uint64_t next;

	if (r != 0 || word_state(h.word) == WORD_WORKING)
		return r;
	deliveries = word_deliveries(h.word);
	next = window_next(&h.lane->window, h.offset, word_tag(h.word),
	                   deliveries < 255 ? deliveries + 1 : 255, WORD_WORKING, c->self.owner);
	if (window_set(&h.lane->window, h.offset, h.word, next))
		return 0;
	put_down(c, &h);
	return find_word(c, d, &h);
}

int shmq_group_ack(shmq_group *c, const struct shmq_delivery *d)
{
	struct in_hand h;
	int r = find_word(c, d, &h);

	if (r != 0)
		return r;
	r = set_word(c, &h, window_done(&h.lane->window, h.offset, h.word));
	if (r == 0)
		counter_add(&c->self.entry->acked, 1);
	return r;
}

int shmq_group_release(shmq_group *c, const struct shmq_delivery *d)
{
	struct in_hand h;
	int r = find_word(c, d, &h);
	unsigned deliveries;

	if (r != 0)
		return r;
	deliveries = word_deliveries(h.word);
	if (word_state(h.word) == WORD_WORKING && deliveries > 0)
		deliveries--;
	r = set_word(c, &h, window_next(&h.lane->window, h.offset, word_tag(h.word), deliveries, WORD_WAITING,
	                                boot_ms()));
	group_tell(&c->g);
	return r;
}
