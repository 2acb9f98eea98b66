/* SPDX-License-Identifier: MIT */
/* points.c - in which order the points of an operation are visited. */
#include "points.h"

#include <stdlib.h>
#include <string.h>

static uint64_t mix(uint64_t x) /* splitmix64, https://prng.di.unimi.it/splitmix64.c */
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t t = a % b;

		a = b;
		b = t;
	}
	return a;
}

/* list[0], list[step], ...: with a step near the golden ratio any beginning is spread evenly */
static void spread(uint32_t *to, const uint32_t *list, uint32_t n, uint64_t offset)
{
	uint64_t step = (uint64_t)(0.6180339887 * n) | 1, at = n ? offset % n : 0;

	while (n && gcd(step, n) != 1)
		step++;
	for (uint32_t i = 0; i < n; i++) {
		to[i] = list[at];
		at = (at + step) % n;
	}
}

static bool is_point(const struct trace *t, uint32_t k)
{
	return k == t->n || t->touches[k];
}

static bool important(const struct trace *t, uint32_t k)
{
	return k == t->n || t->hit[k] < 2;
}

static uint32_t collect(uint32_t *list, const struct trace *t, bool wanted)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k <= t->n; k++)
		if (is_point(t, k) && important(t, k) == wanted)
			list[n++] = k;
	return n;
}

static void order_points(struct points *p, unsigned child)
{
	const struct trace *t = &p->traces[child];
	uint32_t *list = malloc((t->n + 1ul) * sizeof(*list));

	p->order[child] = malloc((t->n + 1ul) * sizeof(*list));
	if (!list || !p->order[child])
		broken("harness: no memory");
	p->first[child] = collect(list, t, true);
	spread(p->order[child], list, p->first[child], p->offset);
	p->n[child] = p->first[child];
	uint32_t rest = collect(list, t, false);

	spread(p->order[child] + p->n[child], list, rest, p->offset);
	p->n[child] += rest;
	free(list);
}

void points_begin(struct points *p, const struct trace *traces, unsigned children, uint64_t offset)
{
	memset(p, 0, sizeof(*p));
	p->traces = traces;
	p->children = children;
	p->offset = offset;
	for (unsigned c = 0; c < children; c++)
		order_points(p, c);
}

/* Three of four samples are important ones. */
static uint32_t sample(const struct points *p, unsigned child)
{
	uint64_t x = mix(p->offset ^ mix(p->i * CHILDREN + child));

	return p->order[child][(x >> 8) % (x & 3 ? p->first[child] : p->n[child])];
}

bool points_next(struct points *p, struct point *out)
{
	memset(out, 0, sizeof(*out));
	if (p->children == 1) {
		if (p->i >= p->n[0])
			return false;
		out->k[0] = p->order[0][p->i];
	} else {
		out->k[0] = sample(p, 0);
		out->k[1] = sample(p, 1);
	}
	p->i++;
	return true;
}

uint64_t points_total(const struct points *p)
{
	return p->children == 1 ? p->n[0] : (uint64_t)p->n[0] * p->n[1];
}

void points_end(struct points *p)
{
	for (unsigned c = 0; c < p->children; c++)
		free(p->order[c]);
}
