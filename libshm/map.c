/* SPDX-License-Identifier: MIT */
/* map.c - making, opening and mapping the files of the runtime directory. */
#include "map.h"

#include "bulk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void file_head_seal(struct file_head *h)
{
	h->magic = FILE_MAGIC;
	h->format = SHMQ_FORMAT_VERSION;
	h->hash = bulk_hash(h, offsetof(struct file_head, hash));
}

static int map_fd(struct error *e, struct map *m)
{
	int prot = m->writable ? PROT_READ | PROT_WRITE : PROT_READ;

	m->at = mmap(NULL, m->bytes, prot, MAP_SHARED, m->fd, 0);
	if (m->at == MAP_FAILED) {
		m->at = NULL;
		return fail_errno(e, "mapping %zu bytes of shared memory", m->bytes);
	}
	/* A forked child must not write behind the back of the session that it is not; what is
	   shared is of no use in a core file. */
	madvise(m->at, m->bytes, MADV_DONTFORK);
	madvise(m->at, m->bytes, MADV_DONTDUMP);
	return 0;
}

int map_give(struct error *e, int dirfd, int fd)
{
	struct stat st;

	if (geteuid() != 0)
		return 0;
	if (fstat(dirfd, &st) < 0 || (st.st_uid != 0 && fchown(fd, st.st_uid, st.st_gid) < 0))
		return fail_errno(e, "giving a file to the user whose directory it is in");
	return 0;
}

/* O_TMPFILE, or a name nobody else uses where the filesystem cannot (some overlays). */
static int open_aside(struct error *e, struct aside *a)
{
	static atomic_u32 serial;
	struct timespec now;

	a->temp[0] = '\0';
	a->map.fd = openat(a->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (a->map.fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
		return fail_errno(e, "making a file in the runtime directory");
	clock_gettime(CLOCK_BOOTTIME, &now);
	snprintf(a->temp, sizeof a->temp, ".%d-%u-%lx", (int)getpid(), (unsigned)serial++,
	         (unsigned long)now.tv_nsec);
	a->map.fd = openat(a->dirfd, a->temp, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	return a->map.fd >= 0 ? 0 : fail_errno(e, "making a file in the runtime directory");
}

static int aside_fill(struct error *e, struct map *m, size_t reserve)
{
	int r = ftruncate(m->fd, (off_t)m->bytes) < 0
	                ? fail_errno(e, "sizing a file of %zu bytes in the runtime directory", m->bytes)
	                : map_reserve(e, m, 0, reserve);

	return r == 0 ? map_fd(e, m) : r;
}

int map_aside(struct error *e, int dirfd, size_t bytes, size_t reserve, struct aside *out)
{
	int r;

	*out = (struct aside){.map = MAP_NONE, .dirfd = dirfd};
	r = open_aside(e, out);
	if (r < 0)
		return r;
	out->map.writable = true;
	out->map.bytes = bytes;
	r = map_give(e, dirfd, out->map.fd);
	if (r == 0 && bytes > 0)
		r = aside_fill(e, &out->map, reserve);
	if (r < 0)
		map_discard(out);
	return r;
}

/* Where /proc is not mounted the kernel links a nameless file only for its maker (since Linux 6.10) or for
 * root: then errno is ENOTSUP, as ENOENT would say that the directory is gone. */
static int link_nameless(const struct aside *a, const char *name)
{
	char proc[40];
	int r;

	snprintf(proc, sizeof proc, "/proc/self/fd/%d", a->map.fd);
	r = linkat(AT_FDCWD, proc, a->dirfd, name, AT_SYMLINK_FOLLOW);
	if (r == 0 || errno != ENOENT || access("/proc/self/fd", F_OK) == 0)
		return r;
	r = linkat(a->map.fd, "", a->dirfd, name, AT_EMPTY_PATH);
	if (r < 0 && errno == ENOENT)
		errno = ENOTSUP;
	return r;
}

int map_publish(struct error *e, struct aside *a, const char *name)
{
	int r = a->temp[0] != '\0' ? linkat(a->dirfd, a->temp, a->dirfd, name, 0)
	                           : link_nameless(a, name);
	int saved = errno;

	if (r == 0) {
		if (a->temp[0] != '\0')
			unlinkat(a->dirfd, a->temp, 0);
		return 0;
	}
	map_discard(a);
	if (saved == EEXIST)
		return fail(e, SHMQ_EEXIST, "%s is there already", name);
	if (saved == ENOTSUP)
		return fail(e, SHMQ_ESYSTEM, "linking %s into the runtime directory: /proc is not mounted",
		            name);
	errno = saved;
	return fail_errno(e, "linking %s into the runtime directory", name);
}

void map_discard(struct aside *a)
{
	if (a->temp[0] != '\0')
		unlinkat(a->dirfd, a->temp, 0);
	map_close(&a->map);
}

static int check_head(struct error *e, const struct map *m, const char *name, enum file_kind kind,
                      uint64_t number)
{
	struct file_head h;

	memcpy(&h, m->at, sizeof h);
	if (h.magic != FILE_MAGIC || h.kind != (uint32_t)kind)
		return fail(e, SHMQ_ECORRUPT, "%s: not a file of this kind (damaged head)", name);
	if (h.format != SHMQ_FORMAT_VERSION)
		return fail(e, SHMQ_EFORMAT,
		            "%s: memory format %u, this program has %u; stop all programs that use "
		            "the runtime directory and remove it",
		            name, h.format, SHMQ_FORMAT_VERSION);
	if (h.hash != bulk_hash(&h, offsetof(struct file_head, hash)))
		return fail(e, SHMQ_ECORRUPT, "%s: damaged head (checksum)", name);
	if (h.bytes != m->bytes)
		return fail(e, SHMQ_ECORRUPT, "%s: %zu bytes long, should be %llu (truncated)", name,
		            m->bytes, (unsigned long long)h.bytes);
	if (number != 0 && h.number != number)
		return fail(e, SHMQ_ECORRUPT, "%s: belongs to topic number %llu, not %llu", name,
		            (unsigned long long)h.number, (unsigned long long)number);
	return 0;
}

int map_open(struct error *e, int dirfd, const char *name, bool writable, enum file_kind kind,
             uint64_t number, struct map *out)
{
	struct stat st;
	int r;

	*out = MAP_NONE;
	out->writable = writable;
	out->fd = openat(dirfd, name, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (out->fd < 0)
		return fail_errno(e, "opening %s", name);
	if (fstat(out->fd, &st) < 0)
		r = fail_errno(e, "looking at %s", name);
	else if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(struct file_head))
		r = fail(e, SHMQ_ECORRUPT, "%s: %lld bytes long, too short (truncated)", name,
		         (long long)st.st_size);
	else {
		out->bytes = (size_t)st.st_size;
		r = map_fd(e, out);
	}
	if (r == 0)
		r = check_head(e, out, name, kind, number);
	if (r < 0)
		map_close(out);
	return r;
}

int map_reserve(struct error *e, const struct map *m, size_t at, size_t bytes)
{
	int err;

	do {
		err = posix_fallocate(m->fd, (off_t)at, (off_t)bytes);
	} while (err == EINTR);
	if (err == 0)
		return 0;
	errno = err;
	return fail_errno(e, "reserving %zu bytes in the runtime directory", bytes);
}

bool map_linked(const struct map *m)
{
	struct stat st;

	return fstat(m->fd, &st) == 0 && st.st_nlink > 0;
}

void map_close(struct map *m)
{
	if (m->at != NULL)
		munmap(m->at, m->bytes);
	if (m->fd >= 0)
		close(m->fd);
	*m = MAP_NONE;
}
