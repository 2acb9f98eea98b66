/* SPDX-License-Identifier: MIT */
/* settle.c - one publish that acks the message it was made from. */
#include "settle.h"

#include "clock.h"
#include "frame.h"
#include "release.h"

/* ---- what a dead session left in our intent ----------------------------------------- */

/* Its input, if that is still SETTLING, is decided before the intent is used again: a word only names the slot.
 * 0, or an error: not now. */
static int leftover_settle(shmq *q, struct log *l, unsigned slot, const struct intent_view *v)
{
	struct group g = GROUP_NONE;
	struct window w;
	uint64_t word;
	int r = group_open_numbers(q, v->topic, v->group, v->incarnation, &g);

	if (r == 0 && v->incarnation == 0)
		w = g.returns_window;
	else if (r == 0 && v->partition < g.topic.options.partitions)
		group_window(&g, (unsigned)v->partition, &w);
	else if (r == 0)
		r = SHMQ_ENOENT; /* damage */
	while (r >= 0 && window_look(&w, v->offset, &word) == SAYS_HELD && word_is_settling(word) &&
	       word_owner_slot(word_low(word)) == slot)
		r = word_resolve(&g, &w, v->offset, word, l);
	group_close_files(&g);
	return r < 0 && r != SHMQ_ENOENT ? r : 0; /* that: the group is over, or was moved since */
}

/* Our intent in this log, IDLE. 0 or an error. */
static int intent_take(struct settle *s, struct intent **out, uint64_t *seq)
{
	struct intent *i = intent_of(s->log, s->self->slot);
	int r = intent_reserve(&s->g->q->error, s->log, s->self->slot);

	*out = i;
	while (r == 0) {
		uint64_t c = load_seq(&i->control); /* keep pairs arm */
		struct intent_view v;

		*seq = intent_seq(c);
		if (intent_state(c) == INTENT_IDLE)
			return 0;
		intent_close(s->log, s->self->slot);
		if (intent_read(i, c, &v))
			r = leftover_settle(s->g->q, s->log, s->self->slot, &v);
		if (r == 0)
			cas_seq(&i->control, &c, intent_control(intent_seq(c), INTENT_IDLE)); /* arm:keep */
	}
	return r;
}

/* ---- linking ------------------------------------------------------------------------ */

struct attempt {
	struct settle *s;
	struct intent *intent;
	struct frame *frame, *null;
	uint64_t frame_bytes; /* in the hold */
	uint64_t nulls;       /* empty frames that others have linked, or may have */
	uint64_t seq;         /* of the intent, when armed */
	bool armed, linked;
	uint64_t held;        /* the input's word as SETTLING */
	struct intent_view v;
};

static struct frame *null_at(const struct attempt *a)
{
	unsigned char *at = (unsigned char *)a->frame + a->frame_bytes + a->nulls * FRAME_ALIGN;

	return frame_seal_empty(at, 0);
}

static uint64_t unit_of(const struct log *l, const struct frame *f)
{
	return (uint64_t)((const unsigned char *)f - l->pool) / FRAME_ALIGN;
}

static uint64_t settling_word(const struct settle *s)
{
	enum word_state to = word_state(s->word) == WORD_PARKED ? WORD_PARKED_SETTLING : WORD_SETTLING;

	/* A tag of its own: a resolver that saw an earlier attempt must not decide this one. */
	return window_next(s->window, s->offset, word_tag(s->word) + 1, word_deliveries(s->word), to,
	                   s->self->owner);
}

/* Finds the end and announces to link there. 0, SHMQ_LATE (decided against us), SHMQ_FULL, or an error. */
static int announce(struct attempt *a)
{
	struct settle *s = a->s;
	uint64_t from = intent_control(a->seq, a->armed ? INTENT_ARMED : INTENT_IDLE);
	int r;

	a->null = null_at(a);
	r = ring_place(&s->g->q->error, s->log, s->tail, a->frame, a->null, clock_ns(CLOCK_REALTIME));
	if (r != 0)
		return r;
	a->v.position = s->tail->position;
	a->v.frame_word = ring_word_at(s->log, a->v.position, unit_of(s->log, a->frame));
	a->v.null_word = ring_word_at(s->log, a->v.position, unit_of(s->log, a->null));
	intent_write(a->intent, a->seq + 1, &a->v);
	if (!cas_seq(&a->intent->control, &from, intent_control(a->seq + 1, INTENT_ARMED))) /* arm:keep */
		return SHMQ_LATE;
	a->seq++;
	a->armed = true;
	return 0;
}

/* The intent is over: its input has left SETTLING. */
static void intent_rest(struct attempt *a)
{
	uint64_t c = load_seq(&a->intent->control); /* keep pairs arm */

	while (intent_seq(c) == a->seq && intent_state(c) != INTENT_IDLE &&
	       !cas_seq(&a->intent->control, &c, intent_control(a->seq, INTENT_IDLE))) /* arm:keep */
		;
}

/* The position is taken. By our empty frame, or it cannot be known: then that one's memory is given up. */
static void note_taken(struct attempt *a)
{
	if (ring_at(a->s->log, a->v.position, a->v.null_word) != RING_AT_OTHER)
		a->nulls++;
	a->s->tail->known = false;
}

/* Memory that is not ours any more: with the frame, or up to the empty ones that stand behind it. */
static void hold_use(struct attempt *a)
{
	struct hold *h = a->s->hold;

	if (!a->linked && a->nulls == 0)
		return;
	h->used += a->frame_bytes + a->nulls * FRAME_ALIGN;
	if (h->own_end < a->v.position + 1)
		h->own_end = a->v.position + 1;
}

/* Nothing was linked. The input as it was, if it is still ours: r; else SHMQ_LATE; 0 when somebody saw it linked. */
static int withdraw(struct attempt *a, int r)
{
	struct settle *s = a->s;
	uint64_t back = window_next(s->window, s->offset, word_tag(a->held), word_deliveries(s->word),
	                            word_state(s->word), word_low(s->word));
	uint64_t c = intent_control(a->seq, INTENT_ARMED), now;

	/* IDLE says: not linked. LOST says so already. */
	cas_seq(&a->intent->control, &c, intent_control(a->seq, INTENT_IDLE)); /* arm:keep */
	if (window_set(s->window, s->offset, a->held, back)) {
		s->word = back;
	} else {
		/* DONE by who resolved ours; not by another consumer, who was given it, and has another tag. */
		now = load_seq(window_word(s->window, s->offset)); /* settle pairs intent */
		r = r == SHMQ_GONE && now == window_done(s->window, s->offset, a->held) ? 0 : SHMQ_LATE;
	}
	intent_rest(a);
	return r;
}

/* Whether the group was moved to another incarnation since: then the message is not ours to settle. Behind the CAS to
 * SETTLING: whoever moves the group decides about what is SETTLING there, behind the CAS of `current`. */
static bool moved_away(const struct settle *s)
{
	return s->incarnation != 0 && group_current(s->g) != s->incarnation; /* settle:move */
}

/* Nobody links anything at the announced position any more: its empty frame's memory is used, or free. */
static void close_position(struct attempt *a)
{
	ring_link_at(a->s->log, a->v.position, a->v.null_word);
	note_taken(a);
}

static int link_armed(struct attempt *a)
{
	struct settle *s = a->s;
	int r = 0;

	while (!ring_link_at(s->log, a->v.position, a->v.frame_word)) { /* link:read, tell:sleep */
		note_taken(a);
		if (a->nulls + 2 > SETTLE_ROOM / FRAME_ALIGN)
			r = SHMQ_FULL; /* the room is used up: another time */
		if (r == 0)
			r = announce(a);
		if (r != 0)
			return withdraw(a, r);
	}
	ring_linked(s->log, s->tail, a->frame);
	a->linked = true;
	if (s->topic != NULL && !topic_live(s->topic)) /* linked into what is over: it does not count */
		return withdraw(a, topic_gone(s->topic));
	/* Before the input is done: mqd, which reads what is done first, then looks for what that was made into. */
	topic_mark_linked(s->topic != NULL ? s->topic : &s->g->topic);
	window_set(s->window, s->offset, a->held, window_done(s->window, s->offset, a->held)); /* or a resolver did */
	intent_rest(a);
	return 0;
}

int settle_link(struct settle *s, struct frame *f)
{
	struct attempt a = {.s = s, .frame = f, .frame_bytes = ALIGN_UP((uint64_t)f->length, FRAME_ALIGN)};
	int r;

	if (s->topic != NULL && !topic_live(s->topic))
		return topic_gone(s->topic);
	r = intent_take(s, &a.intent, &a.seq);
	if (r != 0)
		return r;
	a.v = (struct intent_view){.topic = s->g->topic.number,
	                           .group = s->g->number,
	                           .incarnation = s->incarnation,
	                           .partition = s->partition,
	                           .offset = s->offset};
	/* Nothing of ours is SETTLING: now the target may be another one (claim:lease). */
	store_release(&s->self->entry->target_topic, s->topic != NULL ? s->topic->number : s->g->topic.number);
	store_release(&s->self->entry->target_log, s->topic != NULL ? s->log->partition + 1 : TARGET_RETURNS);
	r = announce(&a);
	if (r != 0)
		return r;
	a.held = settling_word(s);
	if (!window_set(s->window, s->offset, s->word, a.held)) {
		/* Who buries a session that was in our slot before may be about to close the position: it is closed
		   before the memory of the empty frame can be used for anything else. */
		close_position(&a);
		intent_rest(&a);
		hold_use(&a);
		return SHMQ_LATE;
	}
	if (moved_away(s)) {
		close_position(&a);
		r = withdraw(&a, SHMQ_LATE);
	} else {
		r = link_armed(&a);
	}
	hold_use(&a);
	return r;
}

int settle_describe(const struct settle *s, struct rows *rows)
{
	struct meta_settles m = {.topic = s->g->topic.number,
	                         .group = s->g->number,
	                         .incarnation = s->incarnation,
	                         .partition = s->partition,
	                         .offset = s->offset};

	return rows_add_meta(rows, META_SETTLES, &m, sizeof m, NULL, 0);
}
