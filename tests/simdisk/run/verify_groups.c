/* SPDX-License-Identifier: MIT */
/* verify_groups.c - what must hold of groups after mqd was begun again: acks, dead letters, settles. */
#include "verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const topic_name[TOPIC_NAMES] = {"in", "mid", "out", "work"};
static const char *const group_name[2] = {"a", "b"};

/* What is seen of each message of one topic. */
struct seen {
	struct run *r;
	struct group_record *g;
	unsigned char *state[PARTITIONS]; /* enum done */
	enum done as;
};

static const char *group_text(const struct run *r, const struct group_record *g, char text[64])
{
	snprintf(text, 64, "group %s of %s (topic %llu)", group_name[g->name], topic_name[r->account.topic[g->topic].name],
	         (unsigned long long)r->account.topic[g->topic].number);
	return text;
}

static void message_noted(struct seen *s, const struct shmq_message *m)
{
	struct run *r = s->r;
	struct topic_record *t = &r->account.topic[s->g->topic];
	struct entry *e = m->partition >= 0 && m->partition < (int)PARTITIONS ? entry_at(&t->log[m->partition], m->offset) : NULL;
	uint64_t message = 0;
	uint32_t at;
	char text[64];

	if (e == NULL || !message_read(m->value, m->value_len, &message, t->number, (uint32_t)m->partition) ||
	    e->message != message)
		failed(r, "%s: partition %d offset %llu shows message %llu, was published with %llu", group_text(r, s->g, text),
		       m->partition, (unsigned long long)m->offset, (unsigned long long)message,
		       (unsigned long long)(e != NULL ? e->message : 0));
	at = (uint32_t)(e - t->log[m->partition].at);
	if (s->state[m->partition][at] != 0 && !fate_of(s->g, (struct place){s->g->topic, (uint32_t)m->partition, at})->touched)
		failed(r, "%s: partition %d offset %llu is there twice", group_text(r, s->g, text), m->partition,
		       (unsigned long long)m->offset);
	s->state[m->partition][at] |= (unsigned char)s->as;
}

static int browsed(void *context, const struct shmq_delivery *d, const char *state)
{
	const struct seen *s = context;

	if (strcmp(state, "new") != 0)
		note(s->r, "group %u partition %d offset %llu: %s", (unsigned)(s->g - s->r->account.group), d->message.partition,
		     (unsigned long long)d->message.offset, state);
	message_noted(context, &d->message);
	return 0;
}

static void letters_read(struct seen *s, const char *topic)
{
	shmq *q = s->r->client[0].q;
	struct shmq_dead_letter letter;
	shmq_dlq *d;
	int result;

	if (shmq_dlq_open(q, topic, group_name[s->g->name], &d) != 0)
		failed(s->r, "shmq_dlq_open: %s", shmq_error(q));
	s->as = DEAD;
	while ((result = shmq_dlq_next(d, &letter)) == 0)
		message_noted(s, &letter.message);
	if (result != SHMQ_END)
		failed(s->r, "shmq_dlq_next %s/%s: %d %s", topic, group_name[s->g->name], result, shmq_error(q));
	shmq_dlq_close(d);
}

static void message_verify(struct run *r, struct group_record *g, struct place at, unsigned char now, enum since since)
{
	struct entry *e = entry_of(&r->account, at);
	struct fate *f = fate_of(g, at);
	uint64_t from = g->move[g->moves - 1].log[at.partition].from;
	char text[64];

	if (e->lost && now != 0)
		failed(r, "%s: partition %u offset %llu was lost, and is to be delivered (%u)", group_text(r, g, text),
		       at.partition, (unsigned long long)e->offset, now);
	if (e->lost)
		return;
	if (f->touched && g->moves > 1) { /* in the log and in the return log, each for itself */
		if (since == SINCE_POWER)
			f->may = f->last = now == 0 ? DONE : now & OPEN ? OPEN : DEAD;
		return;
	}
	if (e->offset < from && now != 0 && g->moves == 1) /* else in the return log, where a seek leaves it */
		failed(r, "%s: partition %u offset %llu is before where the group begins", group_text(r, g, text), at.partition,
		       (unsigned long long)e->offset);
	if (e->offset < from)
		return;
	if (!e->present || e->purged) { /* let go: a consumer that holds it may go on with it */
		f->touched = f->touched || f->last == OPEN;
		if (now == 0)
			f->may = f->last = DONE;
		return;
	}
	now = now == 0 ? DONE : now;
	if ((now & f->may) != now || (now & (now - 1)) != 0 || (since != SINCE_POWER && now != f->last))
		failed(r, "%s: partition %u offset %llu is %u; may be %u, was %u last (1 to be delivered, 2 done, 4 dead letter)",
		       group_text(r, g, text), at.partition, (unsigned long long)e->offset, now, f->may, f->last);
	if (since != SINCE_POWER)
		return;
	f->may = f->last = now;
	if (now != DONE)
		f->output.topic = NONE;
}

/* The newest incarnation was not durable. What was done to rows of the return log meanwhile, which is that of all of them,
 * may be. */
static void move_undo(struct group_record *g)
{
	const struct move *undone = &g->move[--g->moves];

	for (unsigned p = 0; p < PARTITIONS && g->moves > 0; p++)
		for (uint32_t k = 0; k < undone->log[p].count; k++)
			if (undone->log[p].at[k].touched)
				fate_of(g, (struct place){g->topic, p, k})->may |= undone->log[p].at[k].may;
}

/* In which incarnation it came back. */
static void move_choose(struct run *r, struct group_record *g, uint64_t incarnation, enum since since)
{
	char text[64];

	while (g->moves > 0 && g->move[g->moves - 1].incarnation != incarnation && since == SINCE_POWER &&
	       g->move[g->moves - 1].round > 0)
		move_undo(g);
	if (g->moves > 0 && g->move[g->moves - 1].incarnation == incarnation)
		return;
	failed(r, "%s: is in incarnation %llu, was in %llu", group_text(r, g, text), (unsigned long long)incarnation,
	       (unsigned long long)g->move[g->moves - 1].incarnation);
}

static void group_verify(struct run *r, struct group_record *g, enum since since)
{
	const char *topic = topic_name[r->account.topic[g->topic].name];
	struct shmq_group_info info = {0};
	shmq *q = r->client[0].q;
	struct seen s = {.r = r, .g = g, .as = OPEN};
	char text[64];
	int result = shmq_group_info(q, topic, group_name[g->name], &info);

	if (result == SHMQ_ENOENT || (result == 0 && info.number != g->number)) {
		if (!g->deleted && (g->durable || since != SINCE_POWER))
			failed(r, "%s is gone", group_text(r, g, text));
		g->lost = true;
		return;
	}
	if (result != 0)
		failed(r, "shmq_group_info: %s", shmq_error(q));
	if (g->deleted && (g->deleted_durable || since != SINCE_POWER))
		failed(r, "%s was deleted, and is back", group_text(r, g, text));
	g->deleted = false;
	g->durable = g->durable || since == SINCE_POWER;
	move_choose(r, g, info.incarnation, since);
	for (unsigned p = 0; p < PARTITIONS; p++)
		s.state[p] = calloc(r->account.topic[g->topic].log[p].count + 1, 1);
	result = shmq_group_browse(q, topic, group_name[g->name], browsed, &s);
	if (result != 0)
		failed(r, "shmq_group_browse %s/%s: %d %s", topic, group_name[g->name], result, shmq_error(q));
	letters_read(&s, topic);
	for (unsigned p = 0; p < PARTITIONS; p++) {
		for (uint32_t k = 0; k < r->account.topic[g->topic].log[p].count; k++)
			message_verify(r, g, (struct place){g->topic, p, k}, s.state[p][k], since);
		free(s.state[p]);
	}
	if (since == SINCE_POWER)
		g->round = g->move[g->moves - 1].round = 0;
}

void groups_verify(struct run *r, enum since since)
{
	for (unsigned i = 0; i < r->account.groups; i++) {
		struct group_record *g = &r->account.group[i];

		if (r->account.topic[g->topic].deleted || r->account.topic[g->topic].lost)
			g->lost = true;
		if (!g->lost && (!g->deleted || !g->deleted_durable))
			group_verify(r, g, since);
	}
}

/* ---- settles ------------------------------------------------------------------------------- */

/* A message was made from another one, and that is not so any more; or the other way round. */
void settles_verify(struct run *r)
{
	for (unsigned i = 0; i < r->account.topics; i++) {
		struct topic_record *t = &r->account.topic[i];

		if (t->deleted || t->lost)
			continue;
		for (unsigned p = 0; p < PARTITIONS; p++)
			for (uint32_t k = 0; k < t->log[p].count; k++) {
				struct entry *e = &t->log[p].at[k], *input;
				struct group_record *g;
				struct fate *f;

				if (e->in_group == NONE)
					continue;
				g = &r->account.group[e->in_group];
				input = entry_of(&r->account, e->input);
				if (g->lost || g->deleted || g->move[g->moves - 1].incarnation != e->in_move ||
				    r->account.topic[e->input.topic].lost || r->account.topic[e->input.topic].deleted)
					continue;
				f = fate_of(g, e->input);
				if (e->present && input->lost && !e->apart)
					failed(r, "topic %llu partition %u offset %llu was made from a message that is lost",
					       (unsigned long long)t->number, p, (unsigned long long)e->offset);
				if (e->present && input->present && f->last != DONE && !f->touched && !e->apart)
					failed(r, "topic %llu partition %u offset %llu is there, and its input, offset %llu of topic "
					          "%llu, is to be delivered again",
					       (unsigned long long)t->number, p, (unsigned long long)e->offset,
					       (unsigned long long)input->offset,
					       (unsigned long long)r->account.topic[e->input.topic].number);
				if (e->lost && f->last == DONE && !f->touched && input->present && f->output.topic == i && f->output.partition == p &&
				    f->output.entry == k)
					failed(r, "topic %llu partition %u offset %llu is lost, and its input, offset %llu of topic "
					          "%llu, is done",
					       (unsigned long long)t->number, p, (unsigned long long)e->offset,
					       (unsigned long long)input->offset,
					       (unsigned long long)r->account.topic[e->input.topic].number);
			}
	}
}

/* ---- to the end ----------------------------------------------------------------------------- */

static void group_drain(struct run *r, unsigned group)
{
	struct group_record *g = &r->account.group[group];
	struct topic_record *t = &r->account.topic[g->topic];
	struct shmq_delivery d;
	unsigned idle = 0;
	char text[64];
	shmq_group *c = act_group(r, 0, group);

	while (idle < 40) {
		int result = shmq_group_next(c, &d);
		struct entry *e;
		struct fate *f;

		if (result == SHMQ_EMPTY || result == SHMQ_LATE) {
			note(r, "draining group %u: %d at %lld ms", group, result, (long long)(clock_now_ns / 1000000));
			idle += result == SHMQ_EMPTY;
			clock_now_ns += 3000000000;
			shmq_group_renew(c);
			continue;
		}
		if (result == SHMQ_OVERRUN)
			continue;
		if (result != 0)
			failed(r, "%s: shmq_group_next: %d %s", group_text(r, g, text), result, shmq_error(r->client[0].q));
		idle = 0;
		e = entry_at(&t->log[d.message.partition], d.message.offset);
		if (e == NULL || e->lost)
			failed(r, "%s: partition %d offset %llu is delivered, and %s", group_text(r, g, text), d.message.partition,
			       (unsigned long long)d.message.offset, e == NULL ? "was never published" : "was lost");
		f = fate_of(g, (struct place){g->topic, (uint32_t)d.message.partition,
		                              (uint32_t)(e - t->log[d.message.partition].at)});
		if (f->last != OPEN && !f->touched)
			failed(r, "%s: partition %d offset %llu is delivered again", group_text(r, g, text), d.message.partition,
			       (unsigned long long)d.message.offset);
		f->last = DONE;
		result = shmq_group_ack(c, &d);
		if (result != 0)
			failed(r, "%s: shmq_group_ack: %d %s", group_text(r, g, text), result, shmq_error(r->client[0].q));
	}
	for (unsigned p = 0; p < PARTITIONS; p++)
		for (uint32_t k = 0; k < t->log[p].count; k++)
			if (t->log[p].at[k].present && !t->log[p].at[k].purged &&
			    t->log[p].at[k].offset >= g->move[g->moves - 1].log[p].from &&
			    fate_of(g, (struct place){g->topic, p, k})->last == OPEN)
				failed(r, "%s: partition %u offset %llu is not delivered", group_text(r, g, text), p,
				       (unsigned long long)t->log[p].at[k].offset);
}

void verify_deliveries(struct run *r)
{
	for (unsigned i = 0; i < r->account.groups; i++) {
		struct group_record *g = &r->account.group[i];

		for (unsigned c = 0; c < CLIENTS; c++) {
			shmq_group_close(r->client[c].group[i]);
			r->client[c].group[i] = NULL;
		}
		if (!g->lost && !g->deleted && !r->account.topic[g->topic].lost && !r->account.topic[g->topic].deleted)
			group_drain(r, i);
	}
}
