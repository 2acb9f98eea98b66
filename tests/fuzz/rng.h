/* SPDX-License-Identifier: MIT */
/* rng.h - numbers from a seed: SplitMix64 (https://prng.di.unimi.it/splitmix64.c). */
#ifndef RNG_H
#define RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t rng_u64(struct rng *r)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Independent numbers for part `n` of what a seed decides. */
static inline struct rng rng_part(uint64_t seed, uint64_t n)
{
	struct rng r = {seed ^ (n + 1) * 0xd6e8feb86659fd93u};

	r.state = rng_u64(&r);
	return r;
}

/* 0 .. n - 1 */
static inline unsigned rng_below(struct rng *r, uint64_t n)
{
	return (unsigned)(rng_u64(r) % n);
}

static inline bool rng_one_in(struct rng *r, unsigned n)
{
	return rng_below(r, n) == 0;
}

/* A number of any size: as many bits as the dice say. */
static inline uint64_t rng_any(struct rng *r)
{
	return rng_u64(r) >> rng_below(r, 64);
}

static inline void rng_fill(struct rng *r, void *to, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		((unsigned char *)to)[i] = (unsigned char)rng_u64(r);
}

#endif
