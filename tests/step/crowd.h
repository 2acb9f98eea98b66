/* SPDX-License-Identifier: MIT */
/*
 * crowd.h - the others: publishers and subscribers on the harness side that go on while a child is
 * stopped or dead, and find out whether it left anything broken.
 */
#ifndef STEP_CROWD_H
#define STEP_CROWD_H

#include "record.h"
#include "scenario.h"

/* Writers by number. Children are 0 and 1. */
enum { W_CHILD = 0, W_PARTNER, W_BEFORE, W_STEADY, W_FILL, W_ONE_SHOT, W_CAPACITY, W_SCENARIO };

#define SMALL 100u
#define LARGE (200u << 10) /* one to an extent of 256 KiB */

extern struct view all; /* sees everything from the first message on; publishers wait for it */
extern struct peer steady;

/* setup: the topic, the subscriber `all` and the publisher `steady`. */
void crowd_begin(void);
void crowd_create(void); /* the topic only */
void crowd_attach(void); /* the other two */

/* How often somebody woke somebody so far. */
uint32_t crowd_wakes(void);

/* others: everything that others do, for more than a lap of slots and twice the pool. The parts: */
void crowd_lap(void);
void crowd_compare(void);  /* a fresh subscriber sees what `all` saw */
void crowd_fill(void);     /* publishes without a reader until the topic is full, then reads */
void crowd_fill_pool(void); /* takes every extent that is free, and reads nothing */
void crowd_must_fill(void); /* the same; and there was room */
void crowd_recycle(void);  /* publishes and reads, two pools and two laps of frames */
void crowd_churn(void);    /* attaches and detaches */
void crowd_one_shots(void); /* publishers that live for one message */

/* The session of a process that is gone, with an extent that it wrote into: one message acked,
 * one accepted only. */
void crowd_dead_publisher(unsigned writer);

/* finish: everything acked is there, the whole pool can be used, no session slot is lost. */
void crowd_end(void);

#endif
