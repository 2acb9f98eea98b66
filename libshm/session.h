/* SPDX-License-Identifier: MIT */
/*
 * session.h - who is attached, and who is still alive.
 *
 * A session is an entry {slot, epoch} in the broker's table and a file sessions/SLOT.EPOCH that is
 * locked (OFD write lock) from before it gets its name until its process ends. The kernel drops
 * the lock when the process is gone, after its memory is unmapped: so "not locked" proves that
 * nothing of it writes any more. Timeouts prove nothing and are not used.
 */
#ifndef SHMQ_SESSION_H
#define SHMQ_SESSION_H

#include "map.h"

struct session {
	void *held; /* a mapping of the locked file, which holds the lock; never touched */
	int fd;     /* holds the lock where a mapping cannot; else -1 */
	int dirfd;  /* of sessions/, not its own */
	unsigned slot;
	uint64_t id;  /* {epoch, slot}; 0: none */
	uint64_t ino, dev; /* of the locked file */
};
#define SESSION_NONE ((struct session){.fd = -1})

struct session_place { /* where sessions live: shared by all functions */
	struct broker_file *broker;
	int dirfd; /* of sessions/ */
};

/* Takes a free slot; reaps dead sessions that it meets. SHMQ_ELIMIT when all 8,192 slots are
 * alive. Lock-free: a stopped attacher costs others one slot and no time. */
int session_attach(struct error *e, const struct session_place *p, const struct map *broker,
                   const char *program, struct session *out);
void session_detach(const struct session_place *p, struct session *s);

/* False only when the kernel or the table proved that session `id` is gone; unknown is alive. */
bool session_alive(const struct session_place *p, uint64_t id);

/* The same for an ID of which only the low 32 bits of the epoch are known; *id, when not NULL,
 * receives the whole ID of the slot's session while it may be alive. */
bool session_alive_short(const struct session_place *p, unsigned slot, uint32_t epoch,
                         uint64_t *id);

/* Pid and program of a session, for sentences; false when it is gone. */
bool session_describe(const struct session_place *p, uint64_t id, struct session_file *out);

/* Our file still has its name, and our descriptors lead to it. 0, SHMQ_GONE (the runtime directory was
 * removed), SHMQ_ESYSTEM (descriptors closed). */
int session_check(struct error *e, const struct session *s);

#endif
