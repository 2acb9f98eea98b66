/* SPDX-License-Identifier: MIT */
/*
 * settle.h - one publish that acks the message it was made from: both happen or neither, whoever is stopped or
 * killed when. Dead letters, what moves to a return log, imports and the output of commands go this way.
 *
 *   owner      intent of the slot not IDLE (a dead session's): resolve it first
 *              find the end p of the target log; write the frame's header, and an empty frame's, for p
 *              IDLE(seq) -> ARMED(seq+1, p); input WORKING -> SETTLING
 *              CAS the frame into slot p, and only there; taken: ARMED(seq+1) -> ARMED(seq+2, p'), again
 *              linked: input -> DONE, intent -> IDLE
 *   resolver   meets SETTLING of a broken lease: if nothing stands at p, links the empty frame there; then knows
 *              whether the owner's frame stands there, and says so in the intent (intent.h): DONE, or WAITING again
 * The input is one message. p - head < N before the intent is ARMED, so a full target stops no resolver.
 * Modelled in tests/model/settle.pml.
 */
#ifndef SHMQ_SETTLE_H
#define SHMQ_SETTLE_H

#include "extent.h"
#include "frame.h"
#include "intent.h"
#include "member.h"

#define SETTLE_ROOM (8u * FRAME_ALIGN) /* behind the frame: for the empty ones */

struct settle {
	struct group *g;
	const struct self *self;
	/* the input: a WORKING or PARKED word of ours, as loaded */
	const struct window *window;
	uint64_t offset, word;
	unsigned partition;
	uint64_t incarnation; /* 0: it stands in the return log */
	/* the target */
	struct topic *topic; /* NULL: the group's return log */
	struct log *log;
	struct tail *tail;
	struct hold *hold;
};

/* Links f, which stands at the hold's end with SETTLE_ROOM behind it. 0: linked, and the input is DONE; t and hold
 * are behind it. SHMQ_LATE: the input is not ours any more. SHMQ_FULL, SHMQ_GONE (the target), or an error: nothing
 * was linked, the input is as it was. Lock-free. */
int settle_link(struct settle *s, struct frame *f);

/* The META item that says what is settled. 0 or SHMQ_ENOMEM. */
int settle_describe(const struct settle *s, struct rows *rows);

#endif
