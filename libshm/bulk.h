/* SPDX-License-Identifier: MIT */
/* bulk.h - work over many bytes at once: checksums and counting delimiters. */
#ifndef SHMQ_BULK_H
#define SHMQ_BULK_H

#include <stddef.h>
#include <stdint.h>

/* XXH3-64 (seed 0), https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md */
uint64_t bulk_hash(const void *data, size_t bytes);

/* How many of the bytes are `byte`. */
size_t bulk_count(const void *data, size_t bytes, unsigned char byte);

#endif
