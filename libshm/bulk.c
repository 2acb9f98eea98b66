/* SPDX-License-Identifier: MIT */
/*
 * bulk.c - work over many bytes at once: checksums and counting delimiters.
 *
 * Compiled twice on x86-64: plain, and with BULK_AVX2 for wider vectors (35 instead of 22 GB/s
 * of XXH3 on one core); the plain object chooses at run time.
 */
#include "bulk.h"

#ifdef BULK_AVX2
#define KERNEL(name) name##_avx2
#define LINKAGE
#else
#define KERNEL(name) name##_plain
#define LINKAGE static
#endif

uint64_t bulk_hash_long_avx2(const void *data, size_t bytes);
size_t bulk_count_avx2(const void *data, size_t bytes, unsigned char byte);

LINKAGE uint64_t KERNEL(bulk_hash_long)(const void *data, size_t bytes)
{
	return XXH3_64bits(data, bytes);
}

/* Counts in bytes first (255 rounds at most, so that none overflows): the compilers turn the inner
 * loops into vector compares. */
#define LANES 128u
LINKAGE size_t KERNEL(bulk_count)(const void *data, size_t bytes, unsigned char byte)
{
	const unsigned char *p = data;
	size_t total = 0;

	while (bytes >= LANES) {
		size_t rounds = bytes / LANES < 255 ? bytes / LANES : 255;
		unsigned char lanes[LANES] = {0};

		for (size_t r = 0; r < rounds; r++, p += LANES)
			for (unsigned l = 0; l < LANES; l++)
				lanes[l] = (unsigned char)(lanes[l] + (p[l] == byte));
		for (unsigned l = 0; l < LANES; l++)
			total += lanes[l];
		bytes -= rounds * LANES;
	}
	for (; bytes > 0; bytes--)
		total += *p++ == byte;
	return total;
}

#ifndef BULK_AVX2
#ifdef BULK_HAVE_AVX2
static int has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}
#else
#define bulk_hash_long_avx2  bulk_hash_long_plain
#define bulk_count_avx2 bulk_count_plain
static int has_avx2(void)
{
	return 0;
}
#endif

uint64_t bulk_hash_long(const void *data, size_t bytes)
{
	return has_avx2() ? bulk_hash_long_avx2(data, bytes) : bulk_hash_long_plain(data, bytes);
}

size_t bulk_count(const void *data, size_t bytes, unsigned char byte)
{
	return has_avx2() ? bulk_count_avx2(data, bytes, byte) : bulk_count_plain(data, bytes, byte);
}
#endif
