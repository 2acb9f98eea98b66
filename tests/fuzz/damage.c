/* SPDX-License-Identifier: MIT */
/*
 * damage.c - changes the files of a broker, knowing what stands where: mostly into what could be true
 * and is not. Checksums of heads and frames are often made to fit again, as a hostile publisher would.
 */
#include "damage_in.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct found {
	char path[40][128];
	unsigned count;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void collect(struct found *f, const char *dir, bool deeper)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		char path[512];

		if (e->d_name[0] == '.' || f->count == 40)
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		if (deeper)
			collect(f, path, false);
		else if (strlen(path) < sizeof f->path[0])
			strcpy(f->path[f->count++], path);
	}
	if (d != NULL)
		closedir(d);
}

/* One of the files; false when there is none of this kind. */
static bool choose(const struct plan *p, struct rng *r, const char *kind, char path[160])
{
	struct found f = {.count = 0}, fit = {.count = 0};
	char dir[100];

	if (strcmp(kind, "broker") == 0) {
		snprintf(path, 160, "%s/broker", p->dir);
		return true;
	}
	snprintf(dir, sizeof dir, "%s/%s", p->dir, strcmp(kind, "session") == 0 ? "sessions" : "t");
	collect(&f, dir, strcmp(kind, "session") != 0);
	qsort(f.path, f.count, sizeof *f.path, by_name);
	for (unsigned i = 0; i < f.count; i++)
		if (strcmp(kind, "session") == 0 || strstr(strrchr(f.path[i], '/'), kind) != NULL)
			memcpy(fit.path[fit.count++], f.path[i], sizeof *f.path);
	if (fit.count == 0)
		return false;
	strcpy(path, fit.path[rng_below(r, fit.count)]);
	return true;
}

static bool victim_open(struct victim *v, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;

	v->at = MAP_FAILED;
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof(struct file_head)) {
		v->bytes = (size_t)st.st_size;
		v->at = mmap(NULL, v->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	}
	if (fd >= 0)
		close(fd);
	return v->at != MAP_FAILED;
}

static const char *kind_of(const struct plan *p, struct rng *r)
{
	unsigned n = rng_below(r, 20);

	if (p->holes || p->racing)
		return "log";
	if (n < 4)
		return "bell";
	if (n == 4)
		return "topic";
	if (n >= 12)
		return "group";
	if (n < 8 && p->brokers)
		return n == 7 ? "session" : "broker";
	return "log";
}

static void damage_one(const struct plan *p, struct rng *r, bool live)
{
	struct victim v = {.plan = p, .r = r};
	const char *kind = kind_of(p, r);
	unsigned how = p->racing ? 99 : rng_below(r, 12);
	char path[160];

	if (!choose(p, r, kind, path) || !victim_open(&v, path))
		return;
	if (how == 0 && !p->holes)
		damage_anywhere(&v);
	else if (how == 1 && !p->holes)
		damage_old_page(&v);
	else if (how == 2 && !p->holes && rng_one_in(r, 2))
		damage_head(&v);
	else if (kind[0] == 'g')
		damage_in_group(&v, path, live);
	else if (kind[0] == 'l' && !p->holes && !p->racing && rng_one_in(r, 8))
		damage_in_intents(&v);
	else if (kind[0] == 'l')
		damage_in_log(&v, live);
	else if (kind[0] == 'b' && kind[1] == 'e')
		damage_in_bell(&v);
	else if (kind[0] == 't')
		damage_in_topic(&v);
	else if (kind[0] == 'b')
		damage_in_broker(&v);
	else
		damage_in_session(&v);
	munmap(v.at, v.bytes);
}

void damage_some(const struct plan *p, struct rng *r, unsigned count, bool live)
{
	for (unsigned i = 0; i < count; i++) {
		struct timespec pause = {.tv_nsec = rng_below(r, 1000000)};

		damage_one(p, r, live);
		if (live)
			nanosleep(&pause, NULL);
	}
}

void damage_truncate(const struct plan *p, struct rng *r)
{
	struct stat st;
	char path[160];

	if (choose(p, r, rng_one_in(r, 3) ? "group" : rng_one_in(r, 2) ? "log" : "bell", path) && stat(path, &st) == 0 &&
	    truncate(path, (off_t)(rng_u64(r) % ((uint64_t)st.st_size + 1))) < 0)
		perror(path);
}

uint64_t damage_log_bytes(const struct plan *p)
{
	struct found f = {.count = 0};
	uint64_t bytes = 0;
	struct stat st;
	char dir[100];

	snprintf(dir, sizeof dir, "%s/t", p->dir);
	collect(&f, dir, true);
	for (unsigned i = 0; i < f.count; i++)
		if (strstr(strrchr(f.path[i], '/'), "log") != NULL && stat(f.path[i], &st) == 0)
			bytes += (uint64_t)st.st_size;
	return bytes;
}

uint64_t damage_hole_pages(const struct plan *p)
{
	struct found f = {.count = 0};
	uint64_t pages = 0;
	char dir[100];

	snprintf(dir, sizeof dir, "%s/t", p->dir);
	collect(&f, dir, true);
	for (unsigned i = 0; i < f.count; i++) {
		struct victim v = {.plan = p};
		int fd = open(f.path[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0 || strstr(strrchr(f.path[i], '/'), "log") == NULL || !victim_open(&v, f.path[i])) {
			close(fd);
			continue;
		}
		for (unsigned x = 0; x < p->extents && v.bytes == log_bytes(p->extents, p->options.slots); x++) {
			off_t from = (off_t)(pool_at(&v) + (size_t)x * EXTENT_BYTES), to = from;

			if (get(word_at(&v, log_extents_at() + x * 8)) & EXTENT_RESERVED)
				continue;
			while ((to = lseek(fd, to, SEEK_DATA)) >= 0 && to < from + (off_t)EXTENT_BYTES) {
				pages++;
				to = (to / (off_t)PAGE + 1) * (off_t)PAGE;
			}
		}
		munmap(v.at, v.bytes);
		close(fd);
	}
	return pages;
}
