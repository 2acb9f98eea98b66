/* SPDX-License-Identifier: MIT */
/* damage_in.h - what the parts of the damager share: a mapped file, and numbers to put into it. */
#ifndef DAMAGE_IN_H
#define DAMAGE_IN_H

#include "damage.h"

#include "bulk.h"
#include "layout.h"

/* One file, mapped. */
struct victim {
	const struct plan *plan;
	struct rng *r;
	unsigned char *at;
	size_t bytes;
};

static inline atomic_u64 *word_at(const struct victim *v, size_t at)
{
	return at + 8 <= v->bytes ? (atomic_u64 *)(void *)(v->at + at / 8 * 8) : NULL;
}

static inline void put(atomic_u64 *w, uint64_t value)
{
	if (w != NULL)
		store_relaxed(w, value);
}

static inline uint64_t get(const atomic_u64 *w)
{
	return w != NULL ? load_relaxed(w) : 0;
}

static inline size_t pool_at(const struct victim *v)
{
	return log_pool_at(v->plan->extents, v->plan->options.slots);
}

/* Whether the page of this byte is there: others are not touched. */
bool damage_backed(const struct victim *v, size_t at);

/* Numbers that stand just before and behind where something ends. */
uint64_t damage_edge(struct rng *r);

/* Another number than `old`, mostly near it or near an edge. */
uint64_t damage_number(struct rng *r, uint64_t old);

/* Any bytes, an old page, the head of the file. */
void damage_anywhere(const struct victim *v);
void damage_old_page(const struct victim *v);
void damage_head(const struct victim *v);

/* One change of what stands in the file: a log with its frames (live: others use it), and the others. */
void damage_in_log(const struct victim *v, bool live);
void damage_in_bell(const struct victim *v);
void damage_in_topic(const struct victim *v);
void damage_in_broker(const struct victim *v);
void damage_in_session(const struct victim *v);
void damage_in_group(const struct victim *v, const char *path, bool live);
void damage_in_intents(const struct victim *v); /* of a log */

#endif
