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
	struct frame_read read;
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
	rows_free(&d->rows);
	group_close_files(&d->g);
	free(d);
}

/* ---- looking ------------------------------------------------------------------------ */

/* The word of a row, as it stands or would: false when it is no dead letter. */
static bool is_parked(struct shmq_dlq *d, uint64_t offset, uint64_t *word, struct meta_return *meta)
{
	enum word_says says = window_look(&d->g.returns_window, offset, word);
	struct shmq_message m;

	if (says == SAYS_HELD)
		return word_state(*word) == WORD_PARKED;
	return says == SAYS_FREE && row_read(&d->g, &d->g.returns, offset, &d->read, &m) == 0 &&
	       returns_meta(&d->read, meta, NULL) && meta->state == WORD_PARKED;
}

/* 0, SHMQ_EMPTY (no dead letter), or an error. */
static int letter_read(struct shmq_dlq *d, uint64_t offset, struct shmq_dead_letter *letter)
{
	struct meta_return meta;
	const unsigned char *text;
	uint64_t word;
	int r;

	if (!is_parked(d, offset, &word, &meta))
		return SHMQ_EMPTY;
	*letter = (struct shmq_dead_letter){.id = offset};
	r = row_read(&d->g, &d->g.returns, offset, &d->read, &letter->message);
	if (r == 0 && !returns_meta(&d->read, &meta, &text))
		r = fail(&d->g.q->error, SHMQ_ECORRUPT, "group %s: row %llu of its return log is damaged", d->g.name,
		         (unsigned long long)offset);
	if (r != 0)
		return r == SHMQ_OVERRUN ? SHMQ_EMPTY : r;
	letter->message.partition = (int)meta.origin_partition;
	letter->message.offset = meta.origin_offset;
	letter->message.time_ns = meta.origin_ns;
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
	if (d->next < window_floor(&d->g.returns_window))
		d->next = window_floor(&d->g.returns_window);
	while (d->next < until) {
		int r = letter_read(d, d->next++, letter);

		if (r != SHMQ_EMPTY)
			return r;
	}
	return SHMQ_END;
}

int shmq_dlq_get(shmq_dlq *d, uint64_t id, struct shmq_dead_letter *letter)
{
	int r = d->g.q->forked ? broker_check(d->g.q, true) : SHMQ_EMPTY;
	uint64_t end;

	if (r == SHMQ_EMPTY && !group_live(&d->g))
		return group_gone(&d->g);
	if (r == SHMQ_EMPTY && id < log_known_end(&d->g.returns, &end).offset)
		r = letter_read(d, id, letter);
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

/* The word of a dead letter, said by itself. 0, SHMQ_LATE, or an error. */
static int parked_word(struct shmq_dlq *d, uint64_t id, uint64_t *word)
{
	int r = broker_check(d->g.q, true);

	if (r != 0)
		return r;
	if (!group_live(&d->g))
		return group_gone(&d->g);
	if (window_look(&d->g.returns_window, id, word) == SAYS_FREE) {
		r = returns_wake_word(&d->g, id, *word, &d->read);
		if (r < 0)
			return r;
	}
	if (window_look(&d->g.returns_window, id, word) != SAYS_HELD || word_state(*word) != WORD_PARKED)
		return late(d, id);
	return 0;
}

static int change(struct shmq_dlq *d, uint64_t id, enum word_state to, uint64_t due_ms)
{
	const struct window *w = &d->g.returns_window;
	uint64_t word, next;
	int r = parked_word(d, id, &word);

	if (r != 0)
		return r;
	if (to == WORD_DONE)
		next = window_done(w, id, word);
	else
		next = window_next(w, id, word, word_tag(word) + 1, 0, WORD_WAITING, due_ms);
	if (!window_set(w, id, word, next))
		return late(d, id);
	window_advance(w, UINT64_MAX);
	if (to == WORD_WAITING)
		group_tell(&d->g);
	return 0;
}

int shmq_dlq_requeue(shmq_dlq *d, const struct shmq_dead_letter *letter, int64_t delay_ns)
{
	if (delay_ns < 0 || delay_ns > 30 * 86400 * INT64_C(1000000000))
		return fail(&d->g.q->error, SHMQ_EINVAL, "a delay is 0 to 30 days");
	return change(d, letter->id, WORD_WAITING,
	              clock_ns(CLOCK_BOOTTIME) / 1000000 + (uint64_t)delay_ns / 1000000);
}

int shmq_dlq_drop(shmq_dlq *d, const struct shmq_dead_letter *letter)
{
	return change(d, letter->id, WORD_DONE, 0);
}

/* What is settled is held under a lease of ours. */
static int member_be(struct shmq_dlq *d)
{
	if (d->self.entry == NULL)
		return member_join(&d->g, &d->self);
	return member_renew(&d->g, &d->self) ? 0 : member_rejoin(&d->g, &d->self);
}

int shmq_dlq_replace(shmq_dlq *d, const struct shmq_dead_letter *letter, const struct shmq_message *message)
{
	struct shmq_message old;
	struct meta_return meta;
	const unsigned char *text;
	uint64_t word;
	int r = parked_word(d, letter->id, &word);

	if (r == 0)
		r = member_be(d);
	if (r == 0)
		r = row_read(&d->g, &d->g.returns, letter->id, &d->read, &old);
	if (r == 0 && !returns_meta(&d->read, &meta, &text))
		r = SHMQ_ECORRUPT;
	if (r != 0)
		return r == SHMQ_OVERRUN ? late(d, letter->id) : r;
	meta.state = WORD_PARKED;
	r = returns_put(&d->g, &d->self, &d->rows, &d->g.returns_window, 0, 0, letter->id, &word, message, &meta, text,
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
	struct settle s = {.g = &d->g, .self = &d->self, .window = &d->g.returns_window, .offset = letter->id};
	struct shmq_message m;
	struct frame_read read = {0};
	int r = parked_word(d, letter->id, &s.word);

	if (r == 0 && target->q != d->g.q)
		r = fail(&d->g.q->error, SHMQ_EINVAL, "the publisher must be on the same broker handle");
	if (r == 0)
		r = member_be(d);
	if (r == 0)
		r = row_read(&d->g, &d->g.returns, letter->id, &read, &m);
	if (r == 0) {
		m.partition = -1;
		r = settle_into(&s, target, &m, &m, 1, wait_ns, renew, d);
	} else if (r == SHMQ_OVERRUN) {
		r = SHMQ_LATE;
	}
	frame_read_free(&read);
	return r == SHMQ_LATE ? late(d, letter->id) : r;
}
