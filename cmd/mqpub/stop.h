/* SPDX-License-Identifier: MIT */
/* stop.h - waits that a signal to stop ends, whenever it comes. */
#ifndef STOP_H
#define STOP_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

/* Waits for p (NULL: for nothing) at most ns (SHMQ_FOREVER: without a limit). True when p is
 * ready; false when the time is over or a signal came: stop_signal says whether to stop. */
bool stop_wait(struct pollfd *p, int64_t ns);

/* Call it once, behind signals_install(): the library notices a signal only while it sleeps; from
 * now on one that comes between two sleeps interrupts the next ones. */
void stop_install(void);

#endif
