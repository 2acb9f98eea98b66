/* SPDX-License-Identifier: MIT */
/*
 * guard.c - the library's mappings between pages that nobody may touch (linked with --wrap): an access
 * outside of a mapped file is then a signal, not a look into the next file.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define GUARD ((size_t)1 << 20)
#define ROUND(n) (((n) + 4095) & ~(size_t)4095)

void *__real_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t from);
int __real_munmap(void *at, size_t bytes);
void *__wrap_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t from);
int __wrap_munmap(void *at, size_t bytes);

void *__wrap_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t from)
{
	size_t whole = GUARD + ROUND(bytes) + GUARD;
	char *ground;
	void *map;

	if (fd < 0 || bytes == 0)
		return __real_mmap(at, bytes, prot, flags, fd, from);
	ground = __real_mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ground == MAP_FAILED)
		return MAP_FAILED;
	map = __real_mmap(ground + GUARD, bytes, prot, flags | MAP_FIXED, fd, from);
	if (map == MAP_FAILED)
		__real_munmap(ground, whole);
	return map;
}

int __wrap_munmap(void *at, size_t bytes)
{
	if (bytes == 0)
		return __real_munmap(at, bytes);
	return __real_munmap((char *)at - GUARD, GUARD + ROUND(bytes) + GUARD);
}
