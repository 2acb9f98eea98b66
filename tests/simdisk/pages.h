/* SPDX-License-Identifier: MIT */
/*
 * pages.h - the bytes of a file, shared between disks until one of them writes.
 *
 * A file is an array of chunks of 64 pages of 4,096 bytes; chunks and pages count who holds them,
 * and are copied when one of several holders writes. So an image of a disk costs a counter for each
 * 256 KiB, and a copy of what differs. A page that is not there is a hole: it reads as zeros and
 * takes no space. Out of memory ends the program. One thread.
 */
#ifndef SIM_PAGES_H
#define SIM_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES 4096u

struct chunk;
struct pages { /* all zero: no bytes */
	struct chunk **chunk;
	size_t chunks;
	uint64_t backed; /* pages that are there */
};

/* `to` becomes the same as `from`. */
void pages_share(struct pages *to, const struct pages *from);
void pages_drop(struct pages *p);

void pages_read(const struct pages *p, void *to, size_t bytes, uint64_t at);
void pages_write(struct pages *p, const void *from, size_t bytes, uint64_t at);
/* Nothing is left of what is at `at` and behind it. */
void pages_cut(struct pages *p, uint64_t at);
/* No holes in [0, bytes). */
void pages_back(struct pages *p, uint64_t bytes);
/* How many pages of [at, at + bytes) are holes. */
uint64_t pages_holes(const struct pages *p, uint64_t at, uint64_t bytes);
/* Whether both read the same. Fast where they share. */
bool pages_same(const struct pages *a, const struct pages *b);

/* malloc() and realloc() that do not fail. */
void *sim_alloc(size_t bytes);
void *sim_realloc(void *p, size_t bytes);

#endif
