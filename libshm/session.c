/* SPDX-License-Identifier: MIT */
/*
 * session.c - who is attached, and who is still alive.
 *
 * What a death leaves, by the step of session_attach() it happens at:
 *   before linkat         nothing (an unnamed file; or a ".pid-..." name that nobody looks at)
 *   linkat .. CAS         a file without a table entry: the next attacher of that slot finds the
 *                         name taken and unlocked, enters the dead session and reaps it
 *   after the CAS         a dead session: reaped by whoever meets it
 * Epoch and slot are in the file's name, so a reaper that was stopped between its CAS and its
 * unlink removes a name that is never used again.
 */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAPS_PER_ATTACH 4 /* liveness tests an attach makes on its way: bounds its time */

static void session_name(char name[40], unsigned slot, uint64_t epoch)
{
	snprintf(name, 40, "%u.%llu", slot, (unsigned long long)epoch);
}

enum lock_state { LOCK_GONE, LOCK_FREE, LOCK_HELD };

/* Through a description of our own: OFD locks conflict between descriptions, so a session in this
 * very process is seen as well. */
static enum lock_state lock_probe(int dirfd, const char *name)
{
	struct flock fl = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	enum lock_state state = LOCK_HELD; /* what cannot be found out counts as alive */

	if (fd < 0)
		return errno == ENOENT ? LOCK_GONE : LOCK_HELD;
	if (fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type == F_UNLCK)
		state = LOCK_FREE;
	close(fd);
	return state;
}

/* Frees a slot whose session was proved dead. The CAS names the epoch that was proved dead. */
static bool session_bury(const struct session_place *p, unsigned slot, uint64_t epoch)
{
	uint64_t w = session_word(epoch, SESSION_USED);
	char name[40];

	if (!cas_acq_rel(&p->broker->sessions[slot], &w, session_word(epoch, 0))) /* enter:R */
		return false;
	session_name(name, slot, epoch);
	unlinkat(p->dirfd, name, 0);
	return true;
}

bool session_alive(const struct session_place *p, uint64_t id)
{
	unsigned slot = (unsigned)(id & (SESSIONS - 1));
	uint64_t epoch = id >> SESSION_SLOT_BITS;
	uint64_t w = load_acquire(&p->broker->sessions[slot]); /* alive pairs enter */
	char name[40];

	if (w != session_word(epoch, SESSION_USED))
		return session_word_epoch(w) < epoch; /* not entered yet: cannot be proved dead */
	session_name(name, slot, epoch);
	switch (lock_probe(p->dirfd, name)) {
	case LOCK_FREE:
		return false;
	case LOCK_GONE: /* buried meanwhile, or somebody removed the file: then unknown */
		return load_acquire(&p->broker->sessions[slot]) == w; /* alive pairs enter */
	case LOCK_HELD:
		break;
	}
	return true;
}

bool session_alive_short(const struct session_place *p, unsigned slot, uint32_t epoch, uint64_t *id)
{
	uint64_t w = load_acquire(&p->broker->sessions[slot & (SESSIONS - 1)]); /* alive pairs enter */
	uint64_t whole = session_word_epoch(w);

	if (!session_word_used(w) || (uint32_t)whole != epoch)
		return false;
	if (id != NULL)
		*id = session_id(whole, slot);
	return session_alive(p, session_id(whole, slot));
}

/* Makes and locks the file of {slot, epoch}, then gives it its name. 0 and *fd, or SHMQ_EEXIST. */
static int session_file_make(struct error *e, const struct session_place *p, unsigned slot,
                             uint64_t epoch, const char *program, int *fd)
{
	struct session_file content = {.id = session_id(epoch, slot), .pid = (uint32_t)getpid()};
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct aside a;
	char name[40];
	int r = map_aside(e, p->dirfd, sizeof content, sizeof content, &a);

	if (r < 0)
		return r;
	snprintf(content.program, sizeof content.program, "%s", program);
	memcpy(a.map.at, &content, sizeof content);
	if (fcntl(a.map.fd, F_OFD_SETLK, &fl) < 0) {
		r = fail_errno(e, "locking a session file");
		map_discard(&a);
		return r;
	}
	session_name(name, slot, epoch);
	r = map_publish(e, &a, name);
	if (r < 0)
		return r;
	*fd = a.map.fd; /* the lock lives in this descriptor; only the mapping goes */
	a.map.fd = -1;
	map_close(&a.map);
	return 0;
}

/* The name of {slot, epoch} is taken though the table says the slot is free: its maker is between
 * linkat and CAS, or died there. In the second case its session is entered and buried. */
static bool session_finish_dead(const struct session_place *p, unsigned slot, uint64_t epoch)
{
	uint64_t w = session_word(epoch - 1, 0);
	char name[40];

	session_name(name, slot, epoch);
	if (lock_probe(p->dirfd, name) != LOCK_FREE)
		return false;
	if (!cas_acq_rel(&p->broker->sessions[slot], &w, session_word(epoch, SESSION_USED))) /* enter */
		return false;
	return session_bury(p, slot, epoch);
}

/* One try to enter a slot whose word is w (free). 0, SHMQ_EEXIST (try another), or an error. */
static int session_enter(struct error *e, const struct session_place *p, unsigned slot, uint64_t w,
                         const char *program, struct session *out)
{
	uint64_t epoch = session_word_epoch(w) + 1;
	struct stat st;
	char name[40];
	int fd, r = session_file_make(e, p, slot, epoch, program, &fd);

	if (r == SHMQ_EEXIST && session_finish_dead(p, slot, epoch)) {
		w = session_word(epoch, 0);
		epoch++;
		r = session_file_make(e, p, slot, epoch, program, &fd);
	}
	if (r < 0)
		return r;
	if (fstat(fd, &st) == 0 &&
	    cas_acq_rel(&p->broker->sessions[slot], &w, session_word(epoch, SESSION_USED))) { /* enter */
		*out = (struct session){
		        .fd = fd, .slot = slot, .id = session_id(epoch, slot), .ino = st.st_ino};
		return 0;
	}
	session_name(name, slot, epoch);
	unlinkat(p->dirfd, name, 0);
	close(fd);
	return SHMQ_EEXIST;
}

/* Counters of the slot must be backed before anybody adds to them. */
static int counters_reserve(struct error *e, const struct map *broker, unsigned slot)
{
	size_t at = offsetof(struct broker_file, counters) + slot * sizeof(struct slot_counters);

	return map_reserve(e, broker, at / PAGE * PAGE, PAGE);
}

int session_attach(struct error *e, const struct session_place *p, const struct map *broker,
                   const char *program, struct session *out)
{
	int reaps = REAPS_PER_ATTACH;

	for (int round = 0; round < 2; round++) {
		for (unsigned slot = 0; slot < SESSIONS; slot++) {
			uint64_t w = load_acquire(&p->broker->sessions[slot]); /* alive pairs enter */
			int r;

			if (session_word_epoch(w) >> 48 != 0)
				continue; /* damaged: an ID could not carry it */
			if (session_word_used(w)) {
				uint64_t epoch = session_word_epoch(w);

				if (reaps-- <= 0 || session_alive(p, session_id(epoch, slot)) ||
				    !session_bury(p, slot, epoch))
					continue;
				w = session_word(epoch, 0);
			}
			r = counters_reserve(e, broker, slot);
			if (r == 0)
				r = session_enter(e, p, slot, w, program, out);
			if (r != SHMQ_EEXIST)
				return r;
		}
		reaps = SESSIONS; /* nothing free: now test them all */
	}
	return fail(e, SHMQ_ELIMIT, "all %u sessions of this broker are in use", SESSIONS);
}

void session_detach(const struct session_place *p, struct session *s)
{
	if (s->fd < 0)
		return;
	session_bury(p, s->slot, s->id >> SESSION_SLOT_BITS);
	close(s->fd);
	s->fd = -1;
}

bool session_describe(const struct session_place *p, uint64_t id, struct session_file *out)
{
	char name[40];
	ssize_t n;
	int fd;

	session_name(name, (unsigned)(id & (SESSIONS - 1)), id >> SESSION_SLOT_BITS);
	fd = openat(p->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return false;
	n = read(fd, out, sizeof *out);
	close(fd);
	out->program[sizeof out->program - 1] = '\0';
	return n == (ssize_t)sizeof *out && out->id == id;
}

int session_check(struct error *e, const struct session *s)
{
	struct stat st;

	if (fstat(s->fd, &st) < 0 || st.st_ino != s->ino)
		return fail(e, SHMQ_ESYSTEM,
		            "the descriptor that proves this session alive was closed by its own program");
	if (st.st_nlink == 0) {
		fail(e, SHMQ_GONE, "the runtime directory was removed");
		return SHMQ_GONE;
	}
	return 0;
}
