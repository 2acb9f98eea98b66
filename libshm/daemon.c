/* SPDX-License-Identifier: MIT */
/* daemon.c - mqd as others see it. */
#include "daemon.h"

#include "bulk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int daemon_open(struct error *e, struct daemon *d)
{
	int r;

	if (d->map.at != NULL)
		return 0;
	r = map_open(e, d->dirfd, "daemon", false, FILE_DAEMON, 0, &d->map);
	if (r < 0)
		return r;
	d->file = d->map.at;
	if (d->map.bytes == sizeof *d->file && d->file->hash == bulk_hash(d->file->store, STORE_DIR_MAX) &&
	    d->file->store[STORE_DIR_MAX - 1] == '\0')
		return 0;
	map_close(&d->map);
	d->file = NULL;
	return fail(e, SHMQ_ECORRUPT, "%s/daemon: damaged", d->dir);
}

void daemon_close(struct daemon *d, bool forked)
{
	if (forked)
		d->map.at = NULL;
	map_close(&d->map);
	if (d->storefd >= 0)
		close(d->storefd);
	d->storefd = -1;
	d->file = NULL;
}

bool daemon_default_store(const char *dir, char *path, size_t bytes)
{
	const char *env = getenv("MQ_STORE"), *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n;

	if (env != NULL && env[0] != '\0')
		n = snprintf(path, bytes, "%s", env);
	else if (strcmp(dir, "/run/shmq") == 0)
		n = snprintf(path, bytes, "/var/lib/shmq");
	else if (state != NULL && state[0] == '/')
		n = snprintf(path, bytes, "%s/shmq", state);
	else if (geteuid() == 0)
		n = snprintf(path, bytes, "/var/lib/shmq");
	else
		n = snprintf(path, bytes, "%s/.local/state/shmq", home != NULL ? home : "");
	return n > 0 && (size_t)n < bytes;
}

bool daemon_store_waits(const struct daemon *d)
{
	const char *env = getenv("MQ_STORE");
	char path[STORE_DIR_MAX], user[64], file[STORE_DIR_MAX + 8];

	snprintf(user, sizeof user, "/dev/shm/shmq-%u", (unsigned)geteuid());
	if ((env == NULL || env[0] == '\0') && strcmp(d->dir, "/run/shmq") != 0 && strcmp(d->dir, user) != 0)
		return false;
	if (!daemon_default_store(d->dir, path, sizeof path))
		return false;
	snprintf(file, sizeof file, "%s/store", path);
	return access(file, F_OK) == 0;
}

int daemon_store(struct error *e, struct daemon *d, struct store_place *out)
{
	int r = daemon_open(e, d);

	if (r < 0)
		return r;
	if (d->storefd < 0)
		d->storefd = open(d->file->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->storefd < 0)
		return fail_errno(e, "opening the store %s, for messages that memory has let go", d->file->store);
	*out = (struct store_place){.storefd = d->storefd, .dirfd = d->dirfd, .id = d->file->head.number};
	return 0;
}

bool daemon_runs(const struct daemon *d)
{
	uint64_t id = d->file != NULL ? load_acquire(&d->file->session) : 0; /* stored pairs written */

	return id != 0 && session_alive(d->sessions, id);
}

#define READY_LOOKS 3000 /* of 10 ms */

bool daemon_is_ready(const struct daemon *d)
{
	for (int looks = 0; looks < READY_LOOKS; looks++) {
		if (load_acquire(&d->file->state) != DAEMON_STARTING) /* stored pairs written */
			return true;
		if (!daemon_runs(d))
			return false;
		usleep(10000);
	}
	return false;
}

/* Whether a process is stopped by a signal, as /proc says. */
static bool is_stopped(unsigned pid)
{
	char path[40], text[512], *state;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%u/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	state = strrchr(text, ')'); /* a program's name may have others */
	return state != NULL && (state[2] == 'T' || state[2] == 't');
}

/* For commands that can be pasted. */
static const char *store_text(const struct daemon *d, char *path, size_t bytes)
{
	if (d->file != NULL)
		return d->file->store;
	return daemon_default_store(d->dir, path, bytes) ? path : "DIR";
}

bool daemon_describe(const struct daemon *d, char *text, size_t bytes)
{
	uint64_t id = d->file != NULL ? load_acquire(&d->file->session) : 0; /* stored pairs written */
	struct session_file s;
	char path[STORE_DIR_MAX];

	if (id == 0 || !session_alive(d->sessions, id) || !session_describe(d->sessions, id, &s)) {
		snprintf(text, bytes, "mqd, which does not run; start it with: mqd -b %.200s --store %.200s", d->dir,
		         store_text(d, path, sizeof path));
		return true;
	}
	if (is_stopped(s.pid)) {
		snprintf(text, bytes, "mqd (pid %u), which is stopped", s.pid);
		return true;
	}
	switch ((enum daemon_state)load_acquire(&d->file->state)) { /* stored pairs written */
	case DAEMON_STARTING:
		snprintf(text, bytes, "mqd (pid %u), which is reading its store", s.pid);
		return false;
	case DAEMON_FULL:
		snprintf(text, bytes, "room in the store %.300s: mqd (pid %u) finds its disk full, or its limit reached",
		         d->file->store, s.pid);
		return true;
	case DAEMON_FAILED:
		snprintf(text, bytes, "mqd (pid %u), whose disk fails: %s", s.pid,
		         strerror((int)load_relaxed(&d->file->error))); /* relaxed: for a sentence */
		return true;
	case DAEMON_RUNS:
	case DAEMON_STOPPED:
		break;
	}
	snprintf(text, bytes, "mqd (pid %u) to write it to disk", s.pid);
	return false;
}

int daemon_absent(struct error *e, const struct daemon *d, const char *what)
{
	char path[STORE_DIR_MAX];

	return fail(e, SHMQ_EDAEMON, "%s: mqd does not run; start it with: mqd -b %.300s --store %.300s", what, d->dir,
	            store_text(d, path, sizeof path));
}
