/* SPDX-License-Identifier: MIT */
/* segment.c - a segment of the journal as a file: its name, and whether it is what the name says. */
#include "segment.h"

#include "bulk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* 16 lower-case hexadecimal digits. */
static bool parse_hex(const char *text, uint64_t *out)
{
	*out = 0;
	for (int i = 0; i < 16; i++) {
		char c = text[i];

		if (c >= '0' && c <= '9')
			*out = *out << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*out = *out << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	return true;
}

#define NAME_PREFIX "journal."
#define NAME_BYTES  (sizeof NAME_PREFIX - 1 + 16 + 1 + 16)

bool segment_parse(const char *name, uint64_t *sequence, uint64_t *salt)
{
	return strlen(name) == NAME_BYTES && strncmp(name, NAME_PREFIX, sizeof NAME_PREFIX - 1) == 0 &&
	       name[NAME_BYTES - 17] == '.' && parse_hex(name + sizeof NAME_PREFIX - 1, sequence) &&
	       parse_hex(name + NAME_BYTES - 16, salt);
}

int segment_name(struct error *e, int storefd, uint64_t sequence, char name[64])
{
	/* Another description of the directory: its place in the listing is nobody else's. */
	int fd = openat(storefd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *d;
	uint64_t is, salt;
	int r = SHMQ_ENOENT;

	if (dir == NULL) {
		r = fail_errno(e, "listing the store");
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r == SHMQ_ENOENT && (d = readdir(dir)) != NULL) {
		if (segment_parse(d->d_name, &is, &salt) && is == sequence) {
			memcpy(name, d->d_name, NAME_BYTES + 1);
			r = 0;
		}
	}
	closedir(dir);
	return r == 0 ? 0 : fail(e, r, "segment %llu is not in the store", (unsigned long long)sequence);
}

/* A head that is whole says whose segment this is. One that is not says nothing: its commits have the salt. */
static int check_head(struct error *e, struct segment *s, uint64_t store_id)
{
	struct segment_head h;

	if (segment_bytes(s, &h, sizeof h, 0) != sizeof h || h.magic != SEGMENT_MAGIC ||
	    h.hash != bulk_hash(&h, offsetof(struct segment_head, hash)))
		return 0;
	if (h.format != JOURNAL_FORMAT || h.block != JOURNAL_BLOCK)
		return fail(e, SHMQ_EFORMAT, "%s: journal format %u, this program has %u", s->name, h.format,
		            JOURNAL_FORMAT);
	if (h.store != store_id)
		return fail(e, SHMQ_ECORRUPT, "%s belongs to another store (%016llx)", s->name,
		            (unsigned long long)h.store);
	if (h.sequence != s->sequence || h.salt != s->salt)
		return fail(e, SHMQ_ECORRUPT, "%s: its head says that it is segment %llu", s->name,
		            (unsigned long long)h.sequence);
	s->first_commit = h.first_commit;
	s->cut = s->bytes < h.bytes;
	s->previous = h.previous;
	s->previous_end = h.previous_end;
	return 0;
}

static int check_file(struct error *e, struct segment *s)
{
	struct stat st;

	if (fstat(s->fd, &st) < 0)
		return fail_errno(e, "looking at %s", s->name);
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)SEGMENT_MAX)
		return fail(e, SHMQ_ECORRUPT, "%s: no file of at most %u bytes", s->name, SEGMENT_MAX);
	s->bytes = (uint64_t)st.st_size;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

int segment_open(struct error *e, int storefd, const char *name, uint64_t store_id, struct segment *out)
{
	int r;

	*out = SEGMENT_NONE;
	if (!segment_parse(name, &out->sequence, &out->salt))
		return fail(e, SHMQ_EINVAL, "%s: no name of a segment", name);
	snprintf(out->name, sizeof out->name, "%s", name);
	/* O_NONBLOCK: what hangs in open() is no file of ours. */
	out->fd = openat(storefd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (out->fd < 0 && errno == ELOOP)
		return fail(e, SHMQ_ECORRUPT, "%s is a symbolic link", name);
	if (out->fd < 0)
		return fail_errno(e, "opening %s in the store", name);
	r = check_file(e, out);
	if (r == 0)
		r = check_head(e, out, store_id);
	if (r < 0)
		segment_close(out);
	return r;
}

bool segment_same(int storefd, const struct segment *s)
{
	struct stat st;

	return fstatat(storefd, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == s->dev && st.st_ino == s->ino;
}

void segment_close(struct segment *s)
{
	if (s->fd >= 0)
		close(s->fd);
	*s = SEGMENT_NONE;
}

uint64_t segment_end(int storefd, uint64_t store_id, uint64_t sequence)
{
	struct error e;
	struct segment next;
	char name[64];
	uint64_t end;

	if (segment_name(&e, storefd, sequence + 1, name) != 0 || segment_open(&e, storefd, name, store_id, &next) != 0)
		return 0;
	end = next.previous == sequence ? next.previous_end : 0;
	segment_close(&next);
	return end;
}

size_t segment_bytes(const struct segment *s, void *to, size_t bytes, uint64_t at)
{
	size_t have = 0;

	errno = 0;
	while (have < bytes) {
		ssize_t n = pread(s->fd, (char *)to + have, bytes - have, (off_t)(at + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	return have;
}
