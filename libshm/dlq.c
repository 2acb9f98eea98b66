/* SPDX-License-Identifier: MIT */
/*
 * dlq.c - the dead letters of a group: rows of its return log that are PARKED.
 *
 * Requeueing and dropping are one CAS of the row's word; replacing and moving one settle of it. No other group ever
 * sees any of it.
 */
#include "clock.h"
#include "group.h"
#include "publish.h"

#include <stdlib.h>
#include <string.h>

struct shmq_dlq {
	struct group g;
	struct self self; /* entry NULL: not a member yet; replacing and moving need it */
	struct frame_read read;  /* what the caller was told last */
	struct frame_read inner; /* what it need not know */
	struct rows rows;
	uint64_t next; /* offset in the return log */
};

int shmq_dlq_open(shmq *q, const char *topic, const char *name, shmq_dlq **out)
{
	struct shmq_dlq *d;
	int r = broker_check(q, false);

	*out = NULL;
	if (r == 0)
		r = group_name_check(&q->error, name);
	if (r < 0)
		return r;
	d = calloc(1, sizeof *d);
	if (d == NULL)
		return fail(&q->error, SHMQ_ENOMEM, "no private memory");
	d->g = GROUP_NONE;
	d->g.q = q;
	r = topic_open(q, topic, false, !q->observe, NULL, &d->g.topic);
	if (r == 0)
		r = group_find(&d->g, name, !q->observe);
	if (r != 0) {
		shmq_dlq_close(d);
		return r;
	}
	*out = d;
	return 0;
}

void shmq_dlq_close(shmq_dlq *d)
{
	if (d == NULL)
		return;
	if (!d->g.q->forked && d->self.entry != NULL)
		member_leave(&d->g, &d->self);
	frame_read_free(&d->read);
	frame_read_free(&d->inner);
	rows_free(&d->rows);
	group_close_files(&d->g);
	free(d);
}

/* ---- looking ------------------------------------------------------------------------ */

/* Whether a row is a dead letter, as its word stands or would. */
static bool is_parked(struct shmq_dlq *d, uint64_t offset, struct frame_read *read)
{
	struct meta_return meta;
	uint64_t word;
	enum word_says says = window_look(&d->g.returns_window, offset, &word);
	struct shmq_message m;

	if (says == SAYS_HELD)
		return word_state(word) == WORD_PARKED;
	return says == SAYS_FREE && row_read(&d->g, &d->g.returns, offset, read, &m) == 0 &&
	       returns_meta(read, &meta, NULL) && meta.state == WORD_PARKED;
}

/* 0, SHMQ_EMPTY (no dead letter), or an error. */
static int letter_read(struct shmq_dlq *d, uint64_t offset, struct frame_read *read, struct shmq_dead_letter *letter)
{
	struct meta_return meta;
	const unsigned char *text;
	int r;

	if (!is_parked(d, offset, read))
		return SHMQ_EMPTY;
	*letter = (struct shmq_dead_letter){.id = offset, .private_ = {offset}};
	r = row_read(&d->g, &d->g.returns, offset, read, &letter->message);
	if (r == 0 && !returns_meta(read, &meta, &text))
		r = fail(&d->g.q->error, SHMQ_ECORRUPT, "group %s: row %llu of its return log is damaged", d->g.name,
		         (unsigned long long)offset);
	if (r != 0)
		return r == SHMQ_OVERRUN ? SHMQ_EMPTY : r;
	letter->message.partition = (int)meta.origin_partition;
	letter->message.offset = meta.origin_offset;
	letter->message.time_ns = meta.origin_ns;
	if (meta.letter != 0 && meta.letter <= offset)
		letter->id = meta.letter - 1;
	letter->attempts = meta.deliveries;
	letter->requeues = meta.requeues;
	letter->reason = (enum shmq_reason)meta.reason;
	letter->status = meta.status;
	letter->text = text;
	letter->text_len = meta.text_bytes;
	letter->first_ns = meta.first_ns;
	letter->dead_ns = meta.dead_ns;
	return 0;
}

int shmq_dlq_next(shmq_dlq *d, struct shmq_dead_letter *letter)
{
	uint64_t end, until;

	if (d->g.q->forked)
		return broker_check(d->g.q, true);
	if (!group_live(&d->g))
		return group_gone(&d->g);
	until = log_known_end(&d->g.returns, &end).offset;
	if (d->next < window_from(&d->g.returns_window, until))
		d->next = window_from(&d->g.returns_window, until);
	while (d->next < until) {
		int r = letter_read(d, d->next++, &d->read, letter);

		if (r != SHMQ_EMPTY)
			return r;
	}
	return SHMQ_END;
}

int shmq_dlq_get(shmq_dlq *d, uint64_t id, struct shmq_dead_letter *letter)
{
	int r = d->g.q->forked ? broker_check(d->g.q, true) : SHMQ_EMPTY;
	uint64_t end, until, from;

	if (r != SHMQ_EMPTY)
		return r;
	if (!group_live(&d->g))
		return group_gone(&d->g);
	/* Where it was at first, or where it was moved to since. */
	until = log_known_end(&d->g.returns, &end).offset;
	from = window_from(&d->g.returns_window, until);
	for (uint64_t o = id > from ? id : from; r == SHMQ_EMPTY && o < until; o++) {
		r = letter_read(d, o, &d->read, letter);
		if (r == 0 && letter->id != id)
			r = SHMQ_EMPTY;
	}
	if (r == SHMQ_EMPTY)
		return fail(&d->g.q->error, SHMQ_ENOENT, "group %s has no dead letter %llu (any more)", d->g.name,
		            (unsigned long long)id);
	return r;
}

/* ---- changing ----------------------------------------------------------------------- */

static int late(struct shmq_dlq *d, uint64_t id)
{
	fail(&d->g.q->error, SHMQ_LATE, "dead letter %llu of group %s was taken by somebody else",
	     (unsigned long long)id, d->g.name);
	return SHMQ_LATE;
}

/* Where a letter is by now, and its word, said by itself. 0, SHMQ_LATE, or an error. */
static int parked_find(struct shmq_dlq *d, const struct shmq_dead_letter *letter, uint64_t *offset, uint64_t *word)
{
	const struct window *w = &d->g.returns_window;
	struct shmq_dead_letter other;
	uint64_t end, until;
	int r = broker_check(d->g.q, true);

	if (r != 0)
		return r;
	if (!group_live(&d->g))
		return group_gone(&d->g);
	*offset = letter->private_[0];
	until = log_known_end(&d->g.returns, &end).offset;
	/* It may have been moved since it was read. */
	if (*offset < window_from(w, until))
		*offset = window_from(w, until);
	while (*offset < until && (letter_read(d, *offset, &d->inner, &other) != 0 || other.id != letter->id))
		++*offset;
	if (*offset >= until)
		return late(d, letter->id);
	if (window_look(w, *offset, word) == SAYS_FREE) {
		r = returns_wake_word(&d->g, *offset, *word, &d->inner);
		if (r < 0)
			return r;
	}
	if (window_look(w, *offset, word) != SAYS_HELD || word_state(*word) != WORD_PARKED)
		return late(d, letter->id);
	return 0;
}

static int change(struct shmq_dlq *d, const struct shmq_dead_letter *letter, enum word_state to, uint64_t due_ms)
{
	const struct window *w = &d->g.returns_window;
	uint64_t word, next, id;
	int r = parked_find(d, letter, &id, &word);

	if (r != 0)
		return r;
	if (to == WORD_DONE)
		next = window_done(w, id, word);
	else
		next = window_next(w, id, word_tag(word) + 1, 0, WORD_WAITING, due_ms);
	if (!window_set(w, id, word, next))
		return late(d, letter->id);
	window_advance(w, UINT64_MAX);
	if (to == WORD_WAITING)
		group_tell(&d->g);
	return 0;
}

int shmq_dlq_requeue(shmq_dlq *d, const struct shmq_dead_letter *letter, int64_t delay_ns)
{
	if (delay_ns < 0 || delay_ns > 30 * 86400 * INT64_C(1000000000))
		return fail(&d->g.q->error, SHMQ_EINVAL, "a delay is 0 to 30 days");
	return change(d, letter, WORD_WAITING,
	              clock_ns(CLOCK_BOOTTIME) / 1000000 + (uint64_t)delay_ns / 1000000);
}

int shmq_dlq_drop(shmq_dlq *d, const struct shmq_dead_letter *letter)
{
	return change(d, letter, WORD_DONE, 0);
}

/* What is settled is held under a lease of ours. */
static int member_be(struct shmq_dlq *d)
{
	if (d->self.entry == NULL)
		return member_join(&d->g, &d->self, false);
	return member_renew(&d->g, &d->self) ? 0 : member_rejoin(&d->g, &d->self);
}

int shmq_dlq_replace(shmq_dlq *d, const struct shmq_dead_letter *letter, const struct shmq_message *message)
{
	struct shmq_message old;
	struct meta_return meta;
	const unsigned char *text;
	uint64_t word, offset;
	int r = parked_find(d, letter, &offset, &word);

	if (r == 0)
		r = member_be(d);
	if (r == 0) /* apart from what the caller has: the message may be made of that */
		r = row_read(&d->g, &d->g.returns, offset, &d->inner, &old);
	if (r == 0 && !returns_meta(&d->inner, &meta, &text))
		r = SHMQ_ECORRUPT;
	if (r != 0)
		return r == SHMQ_OVERRUN ? late(d, letter->id) : r;
	meta.state = WORD_PARKED;
	meta.letter = 0;
	r = returns_put(&d->g, &d->self, &d->rows, &d->g.returns_window, 0, 0, offset, &word, message, &meta, text,
	                NULL);
	return r == SHMQ_LATE ? late(d, letter->id) : r;
}

static int renew(void *context)
{
	struct shmq_dlq *d = context;

	return member_be(d);
}

int shmq_dlq_move(shmq_dlq *d, const struct shmq_dead_letter *letter, shmq_pub *target, int64_t wait_ns)
{
	struct settle s = {.g = &d->g, .self = &d->self, .window = &d->g.returns_window};
	struct shmq_message m;
	int r = parked_find(d, letter, &s.offset, &s.word);

	if (r == 0 && target->q != d->g.q)
		r = fail(&d->g.q->error, SHMQ_EINVAL, "the publisher must be on the same broker handle");
	if (r == 0)
		r = member_be(d);
	if (r == 0)
		r = row_read(&d->g, &d->g.returns, s.offset, &d->inner, &m);
	if (r == 0) {
		m.partition = -1;
		r = settle_into(&s, target, &m, &m, 1, wait_ns, renew, d);
	} else if (r == SHMQ_OVERRUN) {
		r = SHMQ_LATE;
	}
	return r == SHMQ_LATE ? late(d, letter->id) : r;
}
