/* SPDX-License-Identifier: MIT */
/*
 * events.h - waits that end when something happens: a signal to stop, the end of a child, bytes in
 * a pipe, or a message. Whenever it happens: also between the look at it and the falling asleep.
 */
#ifndef MQSUB_EVENTS_H
#define MQSUB_EVENTS_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shmq.h"

/* HUP, INT and TERM that came, unless they are ignored: the first asks to come to an end, the
 * second to do so soon. The third ends by itself. stop_signal of tool.h is the first one. */
extern volatile sig_atomic_t events_stops;

/* How many of them the caller knows of: a further one ends a wait. */
extern int events_stops_known;

/* Some child ended since it was set to false. */
extern volatile sig_atomic_t events_child;

/* The time for a sign of life has come since it was set to false. */
extern volatile sig_atomic_t events_tick;

/* Call it behind signals_install(). From then on every tick_ns events_tick is set and a call that
 * blocks is interrupted. */
void events_install(void);
void events_every(int64_t tick_ns);

/* Called when it is set while something is written for long. */
extern void (*events_on_tick)(void);

/* Writes all of it, however slowly it is read. 0 or errno; EINTR: it is to end soon. */
int events_write(int fd, const void *data, size_t len);

/* The signals that were blocked before: those that a child must be started with. */
const sigset_t *events_inherited_mask(void);

/* Waits until one of the files is ready, one of the three above is set, or ns are over; as poll(2),
 * -1 for interrupted. */
int events_poll(struct pollfd *polls, size_t count, int64_t ns);

/* Waits until there may be a message for one of the groups, one of the three above is set or one of
 * the files can be read, or ns are over; as shmq_group_wait(). */
int events_wait(shmq_group *const *groups, size_t group_count, const struct pollfd *polls,
		size_t count, int64_t ns);

/* From now on bytes that come in fd end events_wait(). */
void events_watch(int fd);

/* Runs call(context), which blocks in the library, so that the three above interrupt it. */
int events_guard(int (*call)(void *context), void *context);

#endif
