/* SPDX-License-Identifier: MIT */
/* damage_group.c - changes the files of groups: words, members, leases, options, intents; often with hashes that fit. */
#include "damage_in.h"

#include <string.h>
#include <time.h>

static uint64_t boot_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t some_owner(struct rng *r)
{
	return word_owner(rng_one_in(r, 4) ? rng_below(r, SESSIONS) : rng_below(r, 8), rng_below(r, 6));
}

/* Another word for a message: near what it was, mostly. */
static void word(struct rng *r, atomic_u64 *w)
{
	uint64_t x = get(w), lap = word_lap(x), deliveries = word_deliveries(x), low = word_low(x);
	enum word_state state = word_state(x);

	switch (rng_below(r, 9)) {
	case 0:
		lap += rng_below(r, 3) - 1;
		break;
	case 1:
		deliveries = rng_one_in(r, 2) ? 255 : 0;
		break;
	case 2:
	case 3:
		state = (enum word_state)rng_below(r, 8);
		low = some_owner(r);
		break;
	case 4:
		low = some_owner(r);
		break;
	case 5:
		state = WORD_WAITING;
		low = boot_ms() + (rng_one_in(r, 2) ? rng_below(r, 100) : rng_any(r));
		break;
	case 6:
		put(w, word_done(lap + (rng_one_in(r, 3) ? 256u << rng_below(r, 20) : 0), 0, 0));
		return;
	case 7:
		put(w, rng_u64(r));
		return;
	default:
		put(w, damage_number(r, x));
		return;
	}
	put(w, word_make(lap, word_tag(x) + rng_below(r, 2), deliveries, state, low));
}

static void words(const struct victim *v, size_t at, uint64_t count)
{
	struct rng *r = v->r;
	uint64_t first = rng_u64(r) % (count > 0 ? count : 1);

	if (!rng_one_in(r, 3)) /* those that are in use stand in front, at first */
		first %= 200;
	for (unsigned n = rng_one_in(r, 3) ? 1 + rng_below(r, 64) : 1; n > 0; n--, first++)
		if (damage_backed(v, at + first * 8))
			word(r, word_at(v, at + first * 8));
}

static void line(struct rng *r, struct window_line *l)
{
	switch (rng_below(r, 9)) {
	case 8:
		put(rng_one_in(r, 2) ? &l->done_first : rng_one_in(r, 2) ? &l->done_count : &l->done_hash, damage_edge(r));
		break;
	case 0:
	case 1:
		put(&l->floor_hint, damage_number(r, get(&l->floor_hint)));
		break;
	case 2:
		put(&l->base, damage_number(r, get(&l->base)));
		break;
	case 3:
		put(&l->words_reserved, rng_one_in(r, 2) ? damage_edge(r) : damage_number(r, get(&l->words_reserved)));
		break;
	case 4:
	case 5:
		put(&l->claim_hint, rng_one_in(r, 2) ? claim_make(rng_any(r), rng_any(r)) :
		                                       damage_number(r, get(&l->claim_hint)));
		break;
	default:
		put(&l->owner, rng_one_in(r, 3) ? rng_u64(r) : owner_make(rng_below(r, 4), some_owner(r)));
	}
}

static void member(const struct victim *v, struct group_file *f)
{
	struct rng *r = v->r;
	unsigned slot = rng_one_in(r, 6) ? rng_below(r, SESSIONS) : rng_below(r, 8);
	struct member *m = &f->members[slot];

	if (!damage_backed(v, offsetof(struct group_file, members) + slot * sizeof *m))
		return;
	switch (rng_below(r, 7)) {
	case 0:
		put(&m->session, rng_one_in(r, 2) ? damage_number(r, get(&m->session)) : session_id(rng_below(r, 9), rng_below(r, 9)));
		break;
	case 1:
	case 2:
		put(&m->lease, lease_make(rng_one_in(r, 2) ? lease_seq(get(&m->lease)) : rng_below(r, 5),
		                          boot_ms() + rng_below(r, 1000), (enum lease_state)rng_below(r, 4)));
		break;
	case 3:
		put(&m->lease, rng_u64(r));
		break;
	case 4:
		put(&m->target_topic, rng_one_in(r, 2) ? rng_below(r, 4) : rng_any(r));
		break;
	case 5:
		put(&m->target_log, rng_one_in(r, 3) ? TARGET_RETURNS : rng_one_in(r, 2) ? rng_below(r, 5) : rng_any(r));
		break;
	default:
		put(&m->delivered, rng_u64(r));
	}
}

static void group_seal(struct group_file *f)
{
	uint64_t parts[2];

	parts[0] = bulk_hash(&f->lineage, offsetof(struct group_file, hash) - offsetof(struct group_file, lineage));
	parts[1] = bulk_hash(f->name, sizeof f->name);
	f->hash = bulk_hash(parts, sizeof parts);
}

static void group_file(const struct victim *v)
{
	struct group_file *f = (struct group_file *)(void *)v->at;
	struct rng *r = v->r;

	if (v->bytes < sizeof *f)
		return;
	switch (rng_below(r, 16)) {
	case 0:
		put(&f->state, rng_one_in(r, 2) ? rng_any(r) : group_state_word(rng_any(r), GROUP_LIVE));
		break;
	case 1:
		put(&f->config, damage_number(r, get(&f->config)));
		break;
	case 2:
		put(&f->current, damage_number(r, get(&f->current)));
		break;
	case 3:
		put(&f->returned, rng_u64(r));
		break;
	case 4:
		put(&f->used_ms, rng_one_in(r, 2) ? 0 : rng_u64(r));
		break;
	case 5:
		put(&f->returns_head.head, damage_number(r, get(&f->returns_head.head)));
		break;
	case 6:
	case 7:
		line(r, &f->returns);
		break;
	case 8:
		put(&f->member_pages[rng_below(r, SLOT_PAGE_WORDS)], rng_one_in(r, 2) ? UINT64_MAX : rng_u64(r));
		break;
	case 9:
		f->lineage = damage_number(r, f->lineage);
		memset(f->name, rng_one_in(r, 2) ? 'g' : '/', rng_below(r, sizeof f->name + 1));
		group_seal(f);
		break;
	case 10:
	case 11:
	case 12:
		member(v, f);
		break;
	default:
		words(v, sizeof *f, f->head.slots);
	}
}

static void config_file(const struct victim *v)
{
	struct config_file *c = (struct config_file *)(void *)v->at;
	struct rng *r = v->r;
	uint64_t parts[2], *fields = &c->lineage;

	if (v->bytes < sizeof *c)
		return;
	if (rng_one_in(r, 4))
		memset(c->filter, rng_one_in(r, 2) ? '#' : '.', rng_below(r, sizeof c->filter + 1));
	else {
		unsigned i = rng_below(r, (offsetof(struct config_file, hash) - offsetof(struct config_file, lineage)) / 8);

		fields[i] = damage_number(r, fields[i]);
	}
	if (rng_one_in(r, 8))
		return;
	parts[0] = bulk_hash(&c->lineage, offsetof(struct config_file, hash) - offsetof(struct config_file, lineage));
	parts[1] = bulk_hash(c->filter, sizeof c->filter);
	c->hash = bulk_hash(parts, sizeof parts);
}

static void window_file(const struct victim *v)
{
	struct window_file *f = (struct window_file *)(void *)v->at;
	unsigned partitions = v->plan->options.partitions, p = rng_below(v->r, partitions);
	struct rng *r = v->r;

	if (v->bytes < window_words_at(partitions))
		return;
	switch (rng_below(r, 5)) {
	case 0:
		if (rng_one_in(r, 4))
			f->lineage = damage_number(r, f->lineage);
		else
			f->incarnation = damage_number(r, f->incarnation);
		break;
	case 1:
		line(r, (struct window_line *)(void *)(f + 1) + p);
		break;
	default:
		words(v, window_words_at(partitions) + (size_t)p * f->head.slots * 8, f->head.slots);
	}
}

static struct plan returns_plan;

/* A return log is a log of other dimensions. */
static void returns_file(const struct victim *v, bool live)
{
	struct file_head h;
	struct victim as_log = *v;

	memcpy(&h, v->at, sizeof h);
	returns_plan = *v->plan;
	returns_plan.extents = h.extents;
	returns_plan.options.slots = h.slots;
	returns_plan.options.pool_bytes = (uint64_t)h.extents * EXTENT_BYTES;
	as_log.plan = &returns_plan;
	if (h.extents == 0 || h.extents > EXTENTS_MAX || h.slots < 8 || h.slots > 1u << 20 ||
	    (h.slots & (h.slots - 1)) != 0 || v->bytes != log_bytes(h.extents, h.slots))
		return;
	if (rng_one_in(v->r, 5))
		damage_in_intents(&as_log);
	else
		damage_in_log(&as_log, live);
}

void damage_in_intents(const struct victim *v)
{
	struct log_file *f = (struct log_file *)(void *)v->at;
	size_t table = log_intents_at(v->plan->extents, v->plan->options.slots);
	struct rng *r = v->r;
	unsigned slot = rng_one_in(r, 6) ? rng_below(r, SESSIONS) : rng_below(r, 8);
	struct intent *i = (struct intent *)(void *)(v->at + table) + slot;
	struct intent_fields *fields;
	atomic_u64 *words_;

	if (v->bytes != log_bytes(v->plan->extents, v->plan->options.slots))
		return;
	if (rng_one_in(r, 6)) {
		put(&f->intent_pages[rng_below(r, SLOT_PAGE_WORDS)], rng_one_in(r, 2) ? 1 : rng_u64(r));
		return;
	}
	if (!damage_backed(v, table + slot * sizeof *i))
		return;
	fields = &i->fields[rng_below(r, 2)];
	words_ = &fields->position;
	switch (rng_below(r, 5)) {
	case 0:
		put(&i->control, intent_control(intent_seq(get(&i->control)) + rng_below(r, 2), (enum intent_state)rng_below(r, 4)));
		break;
	case 1:
		put(&i->control, damage_number(r, get(&i->control)));
		break;
	case 2: /* of this topic, or another; of a group that is there */
		put(&fields->topic, rng_below(r, 4));
		put(&fields->group, rng_below(r, 4));
		put(&fields->incarnation, rng_below(r, 3));
		put(&fields->partition_offset, (uint64_t)rng_below(r, 4) << 56 | rng_below(r, 300));
		break;
	default: {
		atomic_u64 *w = &words_[rng_below(r, sizeof *fields / 8)];

		put(w, damage_number(r, get(w)));
	}
	}
}

void damage_in_group(const struct victim *v, const char *path, bool live)
{
	if (strstr(path, ".config.") != NULL)
		config_file(v);
	else if (strstr(path, ".window.") != NULL)
		window_file(v);
	else if (strstr(path, ".returns") != NULL)
		returns_file(v, live);
	else
		group_file(v);
}
