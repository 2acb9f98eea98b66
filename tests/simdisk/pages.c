/* SPDX-License-Identifier: MIT */
/* pages.c - the bytes of a file, shared between disks until one of them writes. */
#include "pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_PAGES 64u

struct page {
	union {
		unsigned holders;
		struct page *next_free;
	};
	unsigned char data[PAGE_BYTES];
};

struct chunk {
	unsigned holders;
	struct page *page[CHUNK_PAGES];
};

/* What pages_back() puts into holes: it has a holder too many, so that it is always copied. */
static struct page zeros = {.holders = 1};

/* malloc() takes its slow way for blocks of this size. */
static struct page *free_pages;

void *sim_alloc(size_t bytes)
{
	return sim_realloc(NULL, bytes);
}

void *sim_realloc(void *p, size_t bytes)
{
	p = realloc(p, bytes > 0 ? bytes : 1);
	if (p == NULL) {
		fputs("simdisk: out of memory\n", stderr);
		abort();
	}
	return p;
}

static struct page *page_new(void)
{
	struct page *page = free_pages;

	if (page != NULL)
		free_pages = page->next_free;
	else
		page = sim_alloc(sizeof *page);
	page->holders = 1;
	return page;
}

static void page_drop(struct page *page)
{
	if (page == NULL || --page->holders > 0)
		return;
	page->next_free = free_pages;
	free_pages = page;
}

static void chunk_drop(struct chunk *c)
{
	if (c == NULL || --c->holders > 0)
		return;
	for (size_t i = 0; i < CHUNK_PAGES; i++)
		page_drop(c->page[i]);
	free(c);
}

void pages_share(struct pages *to, const struct pages *from)
{
	struct chunk **chunk = sim_alloc(from->chunks * sizeof *chunk);

	for (size_t i = 0; i < from->chunks; i++) {
		chunk[i] = from->chunk[i];
		if (chunk[i] != NULL)
			chunk[i]->holders++;
	}
	pages_drop(to);
	*to = (struct pages){chunk, from->chunks, from->backed};
}

void pages_drop(struct pages *p)
{
	for (size_t i = 0; i < p->chunks; i++)
		chunk_drop(p->chunk[i]);
	free(p->chunk);
	*p = (struct pages){0};
}

static const struct page *page_at(const struct pages *p, uint64_t n)
{
	uint64_t c = n / CHUNK_PAGES;

	return c < p->chunks && p->chunk[c] != NULL ? p->chunk[c]->page[n % CHUNK_PAGES] : NULL;
}

/* A chunk that nobody else holds. */
static struct chunk *chunk_own(struct pages *p, uint64_t n)
{
	struct chunk *c, *copy;

	if (n >= p->chunks) {
		p->chunk = sim_realloc(p->chunk, (n + 1) * sizeof *p->chunk);
		memset(p->chunk + p->chunks, 0, (n + 1 - p->chunks) * sizeof *p->chunk);
		p->chunks = n + 1;
	}
	c = p->chunk[n];
	if (c != NULL && c->holders == 1)
		return c;
	copy = sim_alloc(sizeof *copy);
	memset(copy, 0, sizeof *copy);
	copy->holders = 1;
	for (size_t i = 0; c != NULL && i < CHUNK_PAGES; i++) {
		copy->page[i] = c->page[i];
		if (copy->page[i] != NULL)
			copy->page[i]->holders++;
	}
	chunk_drop(c);
	return p->chunk[n] = copy;
}

/* A page that nobody else holds. all: its bytes will all be written. */
static struct page *page_own(struct pages *p, uint64_t n, bool all)
{
	struct page **at = &chunk_own(p, n / CHUNK_PAGES)->page[n % CHUNK_PAGES];
	struct page *old = *at;

	if (old != NULL && old->holders == 1)
		return old;
	*at = page_new();
	if (!all && old != NULL)
		memcpy((*at)->data, old->data, PAGE_BYTES);
	else if (!all)
		memset((*at)->data, 0, PAGE_BYTES);
	p->backed += old == NULL;
	page_drop(old);
	return *at;
}

/* Bytes from `at` on that are in one page: at most `bytes`. */
static size_t in_page(uint64_t at, size_t bytes)
{
	size_t left = PAGE_BYTES - at % PAGE_BYTES;

	return bytes < left ? bytes : left;
}

void pages_read(const struct pages *p, void *to, size_t bytes, uint64_t at)
{
	unsigned char *into = to;

	for (size_t n; bytes > 0; into += n, at += n, bytes -= n) {
		const struct page *page = page_at(p, at / PAGE_BYTES);

		n = in_page(at, bytes);
		if (page != NULL)
			memcpy(into, page->data + at % PAGE_BYTES, n);
		else
			memset(into, 0, n);
	}
}

void pages_write(struct pages *p, const void *from, size_t bytes, uint64_t at)
{
	const unsigned char *f = from;

	for (size_t n; bytes > 0; f += n, at += n, bytes -= n) {
		n = in_page(at, bytes);
		memcpy(page_own(p, at / PAGE_BYTES, n == PAGE_BYTES)->data + at % PAGE_BYTES, f, n);
	}
}

void pages_cut(struct pages *p, uint64_t at)
{
	uint64_t first = (at + PAGE_BYTES - 1) / PAGE_BYTES; /* page that goes */

	if (at % PAGE_BYTES != 0 && page_at(p, at / PAGE_BYTES) != NULL)
		memset(page_own(p, at / PAGE_BYTES, false)->data + at % PAGE_BYTES, 0,
		       PAGE_BYTES - at % PAGE_BYTES);
	for (uint64_t n = first; n < p->chunks * CHUNK_PAGES; n++) {
		struct page **page;

		if (p->chunk[n / CHUNK_PAGES] == NULL) {
			n |= CHUNK_PAGES - 1;
			continue;
		}
		if (page_at(p, n) == NULL)
			continue;
		page = &chunk_own(p, n / CHUNK_PAGES)->page[n % CHUNK_PAGES];
		page_drop(*page);
		*page = NULL;
		p->backed--;
	}
}

void pages_back(struct pages *p, uint64_t bytes)
{
	for (uint64_t n = 0; n * PAGE_BYTES < bytes; n++) {
		if (page_at(p, n) != NULL)
			continue;
		chunk_own(p, n / CHUNK_PAGES)->page[n % CHUNK_PAGES] = &zeros;
		zeros.holders++;
		p->backed++;
	}
}

uint64_t pages_holes(const struct pages *p, uint64_t at, uint64_t bytes)
{
	uint64_t holes = 0;

	for (uint64_t n = at / PAGE_BYTES; n * PAGE_BYTES < at + bytes; n++)
		holes += page_at(p, n) == NULL;
	return holes;
}

static bool page_same(const struct page *a, const struct page *b)
{
	const unsigned char *x = a != NULL ? a->data : zeros.data;
	const unsigned char *y = b != NULL ? b->data : zeros.data;

	return x == y || memcmp(x, y, PAGE_BYTES) == 0;
}

bool pages_same(const struct pages *a, const struct pages *b)
{
	size_t chunks = a->chunks > b->chunks ? a->chunks : b->chunks;

	for (uint64_t n = 0; n < chunks * CHUNK_PAGES; n++) {
		size_t c = n / CHUNK_PAGES;

		if ((c < a->chunks ? a->chunk[c] : NULL) == (c < b->chunks ? b->chunk[c] : NULL))
			n |= CHUNK_PAGES - 1;
		else if (!page_same(page_at(a, n), page_at(b, n)))
			return false;
	}
	return true;
}
