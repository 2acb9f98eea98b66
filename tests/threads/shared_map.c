/* SPDX-License-Identifier: MIT */
/*
 * shared_map.c - one mapping for each file, however many handles map it (linked with --wrap):
 * ThreadSanitizer compares addresses, and would never see two threads meet that have a mapping each.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void *__real_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t from);
int __real_munmap(void *at, size_t bytes);
void *__wrap_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t from);
int __wrap_munmap(void *at, size_t bytes);

int __real_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);
int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);

#define MAPS 4096u

static struct one_map {
	dev_t device;
	ino_t file;
	void *at;
	size_t bytes;
	unsigned users;
} maps[MAPS];
static unsigned maps_used;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The first user may only read; a later one may not. */
static void *map_writable(size_t bytes, int flags, int fd)
{
	char name[32];
	void *at = MAP_FAILED;

	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	fd = open(name, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		at = __real_mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
		close(fd);
	}
	return at;
}

void *__wrap_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t from)
{
	struct one_map *free_one = NULL, *m = NULL;
	struct stat st;

	if (fd < 0 || !(flags & MAP_SHARED) || from != 0 || fstat(fd, &st) < 0)
		return __real_mmap(at, bytes, prot, flags, fd, from);
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < maps_used; i++) {
		if (maps[i].users == 0)
			free_one = &maps[i];
		else if (maps[i].device == st.st_dev && maps[i].file == st.st_ino && maps[i].bytes == bytes)
			m = &maps[i];
	}
	if (m == NULL) {
		if (free_one == NULL && maps_used == MAPS)
			abort();
		m = free_one != NULL ? free_one : &maps[maps_used++];
		*m = (struct one_map){st.st_dev, st.st_ino, NULL, bytes, 0};
		m->at = map_writable(bytes, flags, fd);
	}
	m->users += m->at != MAP_FAILED;
	at = m->at;
	pthread_mutex_unlock(&lock);
	return at;
}

/* Who opens a name sees what its maker wrote before the link: ThreadSanitizer does not know that of the
 * kernel, but of the lock. */
int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	return __real_linkat(from_dir, from, to_dir, to, flags);
}

int __wrap_munmap(void *at, size_t bytes)
{
	int r = 0;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < maps_used; i++) {
		if (maps[i].users == 0 || maps[i].at != at)
			continue;
		if (--maps[i].users == 0)
			r = __real_munmap(at, bytes);
		pthread_mutex_unlock(&lock);
		return r;
	}
	pthread_mutex_unlock(&lock);
	return __real_munmap(at, bytes);
}
