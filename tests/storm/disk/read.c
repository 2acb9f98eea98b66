/* SPDX-License-Identifier: MIT */
/* read.c - subscribers that lag: they read a topic from the beginning, again and again. */
#include "disk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void pass_begin(struct pass *p, enum topic topic)
{
	uint8_t life = (uint8_t)(board->life + 1);

	memset(p, 0, sizeof *p);
	p->topic = topic;
	for (uint32_t id = 0; id < ALL_IDS; id++) {
		const struct note *n = &board->notes[id];
		unsigned publisher = id / IDS;

		if (topic == OUT)
			p->must[id] = publisher < 2 && (n->side[0].durable || n->side[0].done == life);
		else if (topic == (publisher < 2 ? IN : publisher < 4 ? WORK : LOG))
			p->must[id] = n->durable || n->flushed == life;
	}
}

/* The one that its publisher has put into the same log before it; 0: none. + 1 */
static uint32_t before(uint32_t id)
{
	uint16_t instance = board->notes[id].instance;

	for (uint32_t k = id; k-- > id / IDS * IDS && board->notes[k].instance == instance;)
		if (partition_of(k) == partition_of(id))
			return k + 1;
	return 0;
}

void pass_message(struct pass *p, const struct shmq_message *m)
{
	uint32_t id = message_check(p->topic, m), *last = &p->last[id / IDS][m->partition];
	const char *name = topic_names[p->topic];

	p->messages++;
	if (m->offset < p->next_offset[m->partition])
		violation("%s.%d: offset %llu comes behind %llu", name, m->partition, (unsigned long long)m->offset,
		          (unsigned long long)p->next_offset[m->partition]);
	p->next_offset[m->partition] = m->offset + 1;
	if (p->seen[id])
		violation("message %u comes twice in one pass through %s", id, name);
	p->seen[id] = 1;
	if (p->topic == OUT) /* in the order in which they were settled */
		return;
	if (*last > id)
		violation("%s.%d: message %u comes behind %u", name, m->partition, id, *last - 1);
	if (before(id) > *last)
		violation("%s.%d: message %u comes, and %u before it is missing", name, m->partition, id, before(id) - 1);
	*last = id + 1;
}

uint64_t pass_end(const struct pass *p)
{
	uint64_t missing = 0;

	for (uint32_t id = 0; id < ALL_IDS; id++)
		if (p->must[id] && !p->seen[id] && missing++ < 3)
			violation("message %u is lost: not in %s, %s", id, topic_names[p->topic],
			          p->topic == OUT          ? "where it was settled into"
			          : board->notes[id].durable ? "acknowledged as durable"
			                                     : "flushed in this life");
	return missing;
}

/* One pass. */
static void reread(struct pass *pass, enum topic topic)
{
	struct shmq_sub_options o = {.flags = SHMQ_SUB_EXIT_AT_END | (rng_one_in(rng, 2) ? SHMQ_SUB_BROWSE : 0)};
	unsigned slow = rng_one_in(rng, 2) ? 0 : 1 + rng_below(rng, 100);
	struct shmq_message m;
	struct shmq_batch b;
	shmq_sub *s;
	int r;

	pass_begin(pass, topic);
	doing("shmq_sub_open");
	r = shmq_sub_open(q, topic_names[topic], &o, &s);
	if (r != 0)
		fatal("shmq_sub_open", r);
	while (!board->stop_consuming) {
		doing("shmq_sub_next");
		r = shmq_sub_next(s, &b);
		if (r == SHMQ_END)
			break;
		if (r == SHMQ_EMPTY) {
			doing("shmq_sub_wait");
			r = shmq_sub_wait(&s, 1, 100000000);
			if (r < 0 || r == SHMQ_GONE)
				fatal("shmq_sub_wait", r);
			continue;
		}
		if (r != 0)
			fatal("shmq_sub_next", r);
		while ((r = shmq_batch_next(&b, &m)) == 1)
			pass_message(pass, &m);
		if (r < 0)
			fatal("shmq_batch_next", r);
		if (slow > 0 && rng_one_in(rng, slow))
			usleep(rng_below(rng, 3000));
	}
	if (r == SHMQ_END) {
		pass_end(pass);
		board->passes++;
		board->reread += pass->messages;
	}
	doing("shmq_sub_close");
	shmq_sub_close(s);
}

void rereader_run(unsigned number, struct rng *r)
{
	struct pass *pass = malloc(sizeof *pass);

	me = &board->workers[PUBLISHERS + CONSUMERS + number];
	rng = r;
	for (enum topic t = 0; t < TOPICS; t++) {
		broker_open(t);
		if (t + 1 < TOPICS)
			shmq_close(q);
	}
	while (!board->stop_consuming) {
		reread(pass, rng_one_in(rng, 2) ? LOG : (enum topic)rng_below(rng, TOPICS));
		usleep(rng_below(rng, 20000));
	}
	shmq_close(q);
	_exit(0);
}
