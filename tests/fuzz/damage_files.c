/* SPDX-License-Identifier: MIT */
/* damage_files.c - changes bell, topic, broker and session files. */
#include "damage_in.h"

#include <string.h>

static void reader(const struct victim *v, struct bell_file *b)
{
	struct rng *r = v->r;
	atomic_u64 *w = &b->readers[rng_one_in(r, 3) ? rng_below(r, READERS) : rng_below(r, 6)];
	uint64_t x = get(w);

	switch (rng_below(r, 5)) {
	case 0:
		x = (x & ((1ull << 61) - 1)) | (uint64_t)rng_below(r, 8) << 61;
		break;
	case 1:
		x += 1ull << 45;
		break;
	case 2:
		x = reader_word((enum reader_state)rng_below(r, 6), rng_below(r, 4),
		                session_id(rng_below(r, 4), rng_below(r, 6)));
		break;
	case 3:
		x = reader_group_word(rng_one_in(r, 3) ? READER_TENTATIVE : READER_GROUP, rng_below(r, 4),
		                      bulk_hash(rng_one_in(r, 2) ? "g" : "h", 1), rng_below(r, 4));
		break;
	default:
		x = damage_number(r, x);
	}
	put(w, x);
}

static void gate(const struct victim *v)
{
	struct rng *r = v->r;
	unsigned partitions = v->plan->options.partitions, row = rng_below(r, 6);
	atomic_u64 *w = word_at(v, bell_gates_at(partitions) + (row * partitions + rng_below(r, partitions)) * 8);
	uint64_t x = get(w);

	if (rng_one_in(r, 3))
		x = word_of(word_high(x), GATE_NONE);
	else if (rng_one_in(r, 3))
		x = word_of(word_high(x) + 1, x);
	else
		x = word_of(word_high(x), damage_number(r, word_low_pos(x)));
	put(w, x);
}

void damage_in_bell(const struct victim *v)
{
	struct bell_file *b = (struct bell_file *)(void *)v->at;
	struct head_line *heads = (struct head_line *)(void *)(b + 1);
	struct head_line *h = &heads[rng_below(v->r, v->plan->options.partitions)];
	struct rng *r = v->r;

	if (v->bytes < bell_gates_at(v->plan->options.partitions) + PAGE)
		return;
	switch (rng_below(r, 12)) {
	case 0:
	case 1:
	case 2:
		reader(v, b);
		break;
	case 3:
	case 4:
		gate(v);
		break;
	case 5:
	case 6:
	case 7:
		put(&h->head, rng_one_in(r, 4) ? damage_number(r, get(&h->head))
		                               : word_of(word_high(get(&h->head)),
		                                         damage_number(r, word_low_pos(get(&h->head)))));
		break;
	case 8:
		put(&h->watch, rng_u64(r));
		break;
	case 9:
		put(&b->readers_used, damage_edge(r));
		break;
	case 10:
		put(&b->logs_made[0], rng_one_in(r, 2) ? 0 : UINT64_MAX);
		break;
	default:
		atomic_store(rng_one_in(r, 2) ? &b->arrived : &b->room, (uint32_t)rng_any(r));
	}
}

void damage_in_topic(const struct victim *v)
{
	struct topic_file *t = (struct topic_file *)(void *)v->at;
	struct shmq_topic_options o;
	struct rng *r = v->r;
	uint64_t parts[2];

	if (v->bytes != sizeof *t)
		return;
	memcpy(&o, &t->options, sizeof o);
	switch (rng_below(r, 8)) {
	case 0:
		o.partitions = (uint32_t)damage_number(r, o.partitions);
		break;
	case 1:
		o.slots = (uint32_t)damage_number(r, o.slots);
		break;
	case 2:
		o.pool_bytes = damage_number(r, o.pool_bytes);
		break;
	case 3:
		o.keep_bytes = damage_number(r, o.keep_bytes);
		break;
	case 4:
		o.full = (enum shmq_full)rng_any(r);
		break;
	case 5:
		memset(t->name, rng_one_in(r, 2) ? '/' : 'x', rng_below(r, sizeof t->name + 1));
		break;
	case 6:
		put(&t->state, rng_below(r, 4));
		return;
	default:
		t->creator = damage_number(r, t->creator);
	}
	memcpy(&t->options, &o, sizeof o);
	parts[0] = bulk_hash(&t->options,
	                     offsetof(struct topic_file, hash) - offsetof(struct topic_file, options));
	parts[1] = bulk_hash(t->name, sizeof t->name);
	t->hash = bulk_hash(parts, sizeof parts);
}

void damage_in_broker(const struct victim *v)
{
	struct broker_file *b = (struct broker_file *)(void *)v->at;
	struct rng *r = v->r;
	atomic_u64 *w;

	if (v->bytes != sizeof *b)
		return;
	switch (rng_below(r, 6)) {
	case 0:
	case 1:
		w = &b->sessions[rng_one_in(r, 3) ? rng_below(r, SESSIONS) : rng_below(r, 8)];
		put(w, rng_one_in(r, 2) ? get(w) ^ 1 : damage_number(r, get(w)));
		break;
	case 2:
		put(&b->next_number, rng_one_in(r, 2) ? NUMBER_MAX - rng_below(r, 4)
		                                      : damage_number(r, get(&b->next_number)));
		break;
	case 3:
	case 4: {
		uint64_t hash = bulk_hash(TOPIC, strlen(TOPIC));

		w = &b->names[(hash + rng_below(r, NAME_WINDOW)) % NAMES];
		if (get(w) != 0 && rng_one_in(r, 2))
			put(w, damage_number(r, get(w)));
		else
			put(w, name_word(rng_below(r, 4), hash, 1 + rng_below(r, 4)));
		break;
	}
	default:
		put((atomic_u64 *)(void *)&b->counters[rng_below(r, 8)], rng_u64(r));
	}
}

void damage_in_session(const struct victim *v)
{
	if (v->bytes >= sizeof(struct session_file))
		rng_fill(v->r, v->at + rng_below(v->r, 16), 40);
}
