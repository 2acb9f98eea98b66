/* SPDX-License-Identifier: MIT */
/* damage_bytes.c - changes of any file, whatever stands there. */
#include "damage_in.h"

#include <string.h>
#include <sys/mman.h>

/* Numbers that stand just before and behind where something ends. */
uint64_t damage_edge(struct rng *r)
{
	static const uint64_t ends[] = {0,         1,          2,         7,         8,
	                                63,        64,         255,       256,       4095,
	                                4096,      1u << 18,   1u << 20,  1u << 24,  0x7fffffff,
	                                1ull << 31, UINT32_MAX, 1ull << 40, 1ull << 47, 1ull << 48,
	                                1ull << 52, 1ull << 59, 1ull << 60, 1ull << 63, UINT64_MAX};

	return ends[rng_below(r, sizeof ends / sizeof *ends)] + rng_below(r, 3) - 1;
}

uint64_t damage_number(struct rng *r, uint64_t old)
{
	switch (rng_below(r, 6)) {
	case 0:
		return old + 1;
	case 1:
		return old - 1;
	case 2:
		return damage_edge(r);
	case 3:
		return old ^ 1ull << rng_below(r, 64);
	case 4:
		return rng_any(r);
	}
	return old + (uint64_t)((int64_t)rng_below(r, 2001) - 1000);
}

/* ---- anywhere ------------------------------------------------------------------------- */

bool damage_backed(const struct victim *v, size_t at)
{
	unsigned char page;

	return at < v->bytes && mincore(v->at + at / PAGE * PAGE, 1, &page) == 0 && (page & 1);
}

/* Bytes, bits and words at random, in pages that have been used. */
void damage_anywhere(const struct victim *v)
{
	struct rng *r = v->r;
	size_t at = 0;

	for (int tries = 0; tries < 20; tries++) {
		at = rng_u64(r) % (rng_one_in(r, 3) ? v->bytes : v->bytes < 8192 ? v->bytes : 8192);
		if (damage_backed(v, at))
			break;
	}
	if (!damage_backed(v, at))
		return;
	switch (rng_below(r, 5)) {
	case 0:
		v->at[at] = (unsigned char)rng_u64(r);
		break;
	case 1:
		v->at[at] ^= (unsigned char)(1u << rng_below(r, 8));
		break;
	case 2:
		put(word_at(v, at), damage_number(r, get(word_at(v, at))));
		break;
	case 3:
		put(word_at(v, at), get(word_at(v, at + 8)));
		break;
	default:
		for (unsigned n = 1 + rng_below(r, 64); n > 0 && at < v->bytes && damage_backed(v, at); n--)
			v->at[at++] = (unsigned char)rng_u64(r);
	}
}

/* A page as it was some damages ago, or another page. */
void damage_old_page(const struct victim *v)
{
	static unsigned char kept[PAGE];
	static bool any;
	size_t page = rng_u64(v->r) % ((v->bytes + PAGE - 1) / PAGE) * PAGE;
	size_t n = v->bytes - page < PAGE ? v->bytes - page : PAGE;

	if (!damage_backed(v, page))
		return;
	if (any && rng_one_in(v->r, 2))
		memcpy(v->at + page, kept, n);
	else
		memcpy(kept, v->at + page, n);
	any = true;
}

/* A field of the head, with a checksum that fits. */
void damage_head(const struct victim *v)
{
	struct file_head h;
	struct rng *r = v->r;

	memcpy(&h, v->at, sizeof h);
	switch (rng_below(r, 8)) {
	case 0:
		h.slots = !rng_one_in(r, 4) ? h.slots << 1 << rng_below(r, 10) : (uint32_t)damage_number(r, h.slots);
		break;
	case 1:
		h.extents = !rng_one_in(r, 4) ? h.extents + rng_below(r, 4000) : (uint32_t)damage_number(r, h.extents);
		break;
	case 2:
		h.partitions = (uint32_t)damage_number(r, h.partitions);
		break;
	case 3:
		h.partition = (uint32_t)damage_number(r, h.partition);
		break;
	case 4:
		h.first_offset = damage_number(r, h.first_offset);
		break;
	case 5:
		h.bytes = damage_number(r, h.bytes);
		break;
	case 6:
		h.number = damage_number(r, h.number);
		break;
	default:
		h.kind = 1 + rng_below(r, 8);
	}
	if (!rng_one_in(r, 10))
		h.hash = bulk_hash(&h, offsetof(struct file_head, hash));
	memcpy(v->at, &h, sizeof h);
}
