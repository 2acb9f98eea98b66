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
 * unlink removes a name that is never used again; if it died there, the slot's next session does.
 *
 * The lock belongs to the open file, and a mapping keeps that open: so the descriptor is closed, and
 * nothing that a program does with descriptors (closefrom, dup2, a child that inherits them) can drop
 * the lock or keep it beyond the process. MADV_DONTFORK keeps the mapping out of children. Where
 * mappings hold another file than the one that was opened (overlayfs), the descriptor stays.
 */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAPS_PER_ATTACH 4 /* liveness tests an attach makes on its way: bounds its time */

static void session_name(char name[40], unsigned slot, uint64_t epoch)
{
	snprintf(name, 40, "%u.%llu", slot, (unsigned long long)epoch);
}

enum lock_state { LOCK_GONE, LOCK_FREE, LOCK_HELD, LOCK_UNKNOWN };

/* Through a description of our own: OFD locks conflict between descriptions, so a session in this
 * very process is seen as well. */
static enum lock_state lock_probe(int dirfd, const char *name)
{
	struct flock fl = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	enum lock_state state = LOCK_UNKNOWN;

	if (fd < 0)
		return errno == ENOENT ? LOCK_GONE : LOCK_UNKNOWN;
	if (fcntl(fd, F_OFD_GETLK, &fl) == 0)
		state = fl.l_type == F_UNLCK ? LOCK_FREE : LOCK_HELD;
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
	case LOCK_UNKNOWN: /* what cannot be found out counts as alive */
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

/* ---- the lock ----------------------------------------------------------------------- */

static int lock_take(struct error *e, int fd)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &fl) == 0 ? 0 : fail_errno(e, "locking a session file");
}

/* The mapping has not kept the lock: take it again, through the name, and keep the descriptor. Nobody
 * has entered this session yet; whoever takes it for dead meanwhile wins the CAS of its slot. */
static int lock_by_descriptor(struct error *e, const char *name, struct session *s)
{
	int r;

	munmap(s->held, PAGE);
	s->held = NULL;
	s->fd = openat(s->dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (s->fd < 0)
		return errno == ENOENT ? SHMQ_EEXIST : fail_errno(e, "opening a session file");
	r = lock_take(e, s->fd);
	if (r < 0) {
		close(s->fd);
		s->fd = -1;
	}
	return r;
}

/* Moves the lock from the descriptor to a mapping that nobody ever touches. */
static int lock_by_mapping(struct error *e, const char *name, int fd, struct session *s)
{
	s->held = mmap(NULL, PAGE, PROT_NONE, MAP_SHARED, fd, 0);
	if (s->held == MAP_FAILED || madvise(s->held, PAGE, MADV_DONTFORK) < 0) {
		if (s->held != MAP_FAILED)
			munmap(s->held, PAGE);
		s->held = NULL;
		s->fd = fd;
		return 0;
	}
	close(fd);
	return lock_probe(s->dirfd, name) == LOCK_HELD ? 0 : lock_by_descriptor(e, name, s);
}

static void lock_drop(struct session *s)
{
	if (s->held != NULL)
		munmap(s->held, PAGE);
	if (s->fd >= 0)
		close(s->fd);
	*s = SESSION_NONE;
}

/* ---- attach ------------------------------------------------------------------------- */

/* Who it is, for sentences only: on a full filesystem the file stays empty. */
static int content_write(struct error *e, int fd, uint64_t id, const char *program)
{
	struct session_file content = {.id = id, .pid = (uint32_t)getpid()};

	snprintf(content.program, sizeof content.program, "%s", program);
	if (pwrite(fd, &content, sizeof content, 0) >= 0 || errno == ENOSPC || errno == EDQUOT)
		return 0;
	return fail_errno(e, "writing a session file");
}

/* Makes and locks the file of {slot, epoch}, then gives it its name. 0 and *out, or SHMQ_EEXIST. */
static int session_file_make(struct error *e, const struct session_place *p, unsigned slot,
                             uint64_t epoch, const char *program, struct session *out)
{
	struct aside a;
	struct stat st;
	char name[40];
	int r = map_aside(e, p->dirfd, 0, 0, &a);

	if (r < 0)
		return r;
	*out = (struct session){
	        .dirfd = p->dirfd, .fd = -1, .slot = slot, .id = session_id(epoch, slot)};
	r = lock_take(e, a.map.fd);
	if (r == 0)
		r = content_write(e, a.map.fd, out->id, program);
	if (r < 0) {
		map_discard(&a);
		return r;
	}
	session_name(name, slot, epoch);
	r = map_publish(e, &a, name);
	if (r < 0)
		return r;
	if (fstat(a.map.fd, &st) == 0) {
		out->ino = st.st_ino;
		out->dev = st.st_dev;
	}
	r = lock_by_mapping(e, name, a.map.fd, out);
	if (r < 0)
		unlinkat(p->dirfd, name, 0);
	return r;
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
	uint64_t before = session_word_epoch(w), epoch = before + 1;
	int r = session_file_make(e, p, slot, epoch, program, out);
	bool entered;
	char name[40];

	if (r == SHMQ_EEXIST && session_finish_dead(p, slot, epoch)) {
		w = session_word(epoch, 0);
		epoch++;
		r = session_file_make(e, p, slot, epoch, program, out);
	}
	if (r < 0)
		return r;
	cas_max(&p->broker->sessions_used_hint, slot + 1);
	entered = cas_acq_rel(&p->broker->sessions[slot], &w, session_word(epoch, SESSION_USED)); /* enter */
	/* What a reaper that died left of the slot's last session; or our own file. */
	session_name(name, slot, entered ? before : epoch);
	if (!entered || before > 0)
		unlinkat(p->dirfd, name, 0);
	if (!entered)
		lock_drop(out);
	return entered ? 0 : SHMQ_EEXIST;
}

/* Counters of the slot must be backed before anybody adds to them: they are since its first use. */
static int counters_reserve(struct error *e, const struct map *broker, unsigned slot, uint64_t w)
{
	size_t at = offsetof(struct broker_file, counters) + slot * sizeof(struct slot_counters);

	return session_word_epoch(w) > 0 ? 0 : map_reserve(e, broker, at / PAGE * PAGE, PAGE);
}

/* Frees dead sessions' slots, beginning behind where the last one has ended: those behind living ones
 * are found as well. */
static void reap_some(const struct session_place *p, unsigned tests)
{
	uint64_t used = load_relaxed(&p->broker->sessions_used_hint); /* relaxed: a hint */

	if (used > SESSIONS)
		used = SESSIONS;
	for (uint64_t n = 0; n < used && tests > 0; n++) {
		unsigned slot = (unsigned)(fetch_add_relaxed(&p->broker->reap_hint, 1) % used); /* a hint */
		uint64_t w = load_acquire(&p->broker->sessions[slot]); /* alive pairs enter */
		uint64_t epoch = session_word_epoch(w);

		if (!session_word_used(w) || epoch >> 48 != 0)
			continue;
		tests--;
		if (!session_alive(p, session_id(epoch, slot)))
			session_bury(p, slot, epoch);
	}
}

/* A free slot. 0; SHMQ_EEXIST: there is none; or an error. On a full filesystem one that was used
 * before. */
static int slot_take(struct error *e, const struct session_place *p, const struct map *broker,
                     const char *program, struct session *out)
{
	int none = SHMQ_EEXIST;

	for (unsigned slot = 0; slot < SESSIONS; slot++) {
		uint64_t w = load_acquire(&p->broker->sessions[slot]); /* alive pairs enter */
		int r = none == SHMQ_ENOSPACE && w == 0 ? none : SHMQ_EEXIST;

		if (session_word_used(w) || session_word_epoch(w) >> 48 != 0)
			continue; /* the latter: damaged, an ID could not carry it */
		if (r != SHMQ_ENOSPACE)
			r = counters_reserve(e, broker, slot, w);
		if (r == SHMQ_ENOSPACE) {
			none = r;
			continue;
		}
		if (r == 0)
			r = session_enter(e, p, slot, w, program, out);
		if (r != SHMQ_EEXIST)
			return r;
	}
	return none;
}

int session_attach(struct error *e, const struct session_place *p, const struct map *broker,
                   const char *program, struct session *out)
{
	int r;

	*out = SESSION_NONE;
	reap_some(p, REAPS_PER_ATTACH);
	r = slot_take(e, p, broker, program, out);
	if (r == SHMQ_EEXIST || r == SHMQ_ENOSPACE) {
		reap_some(p, SESSIONS); /* nothing free: now test them all */
		r = slot_take(e, p, broker, program, out);
	}
	if (r < 0)
		*out = SESSION_NONE;
	if (r == SHMQ_EEXIST)
		return fail(e, SHMQ_ELIMIT, "all %u sessions of this broker are in use", SESSIONS);
	return r;
}

void session_detach(const struct session_place *p, struct session *s)
{
	if (s->id == 0)
		return;
	session_bury(p, s->slot, s->id >> SESSION_SLOT_BITS);
	lock_drop(s);
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
	struct stat st = {0};
	char name[40];
	int r;

	session_name(name, s->slot, s->id >> SESSION_SLOT_BITS);
	r = s->fd >= 0 ? fstat(s->fd, &st) : fstatat(s->dirfd, name, &st, AT_SYMLINK_NOFOLLOW);
	if ((r < 0 && errno == ENOENT) || (r == 0 && st.st_nlink == 0)) {
		fail(e, SHMQ_GONE, "the runtime directory was removed");
		return SHMQ_GONE;
	}
	if (r < 0 || st.st_ino != s->ino || st.st_dev != s->dev)
		return fail(e, SHMQ_ESYSTEM,
		            "descriptors of the runtime directory were closed by this program itself");
	return 0;
}
