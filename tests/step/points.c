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

static uint32_t important(const struct trace *t, uint32_t k)
{
	return k == t->n || t->hit[k] < 2;
}

/* Returns how many of the points are important. */
static uint32_t order_of(uint32_t *order, const struct trace *t, uint64_t offset)
{
	uint32_t *list = malloc((t->n + 1ul) * sizeof(*list)), first = 0, rest = 0;

	if (!list)
		broken("harness: no memory");
	for (uint32_t k = 0; k <= t->n; k++)
		if (important(t, k))
			list[first++] = k;
	spread(order, list, first, offset);
	for (uint32_t k = 0; k <= t->n; k++)
		if (!important(t, k))
			list[rest++] = k;
	spread(order + first, list, rest, offset);
	free(list);
	return first;
}

void points_begin(struct points *p, const struct trace *traces, unsigned children, uint64_t offset)
{
	size_t all = 0;

	memset(p, 0, sizeof(*p));
	p->traces = traces;
	p->children = children;
	p->offset = offset;
	for (unsigned c = 0; c < children; c++)
		all += traces[c].n + 1;
	p->order = malloc(all * sizeof(*p->order));
	if (!p->order)
		broken("harness: no memory");
	all = 0;
	for (unsigned c = 0; c < children; c++) {
		p->n[c] = traces[c].n + 1;
		p->first[c] = order_of(p->order + all, &traces[c], offset);
		all += p->n[c];
	}
}

/* Three of four samples are important ones. */
static uint32_t sample(const struct points *p, unsigned child, const uint32_t *order)
{
	uint64_t x = mix(p->offset ^ mix(p->i * CHILDREN + child));

	return order[(x >> 8) % (x & 3 ? p->first[child] : p->n[child])];
}

bool points_next(struct points *p, struct point *out)
{
	memset(out, 0, sizeof(*out));
	if (p->children == 1) {
		if (p->i >= p->n[0])
			return false;
		out->k[0] = p->order[p->i];
	} else {
		out->k[0] = sample(p, 0, p->order);
		out->k[1] = sample(p, 1, p->order + p->n[0]);
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
	free(p->order);
	p->order = NULL;
}
