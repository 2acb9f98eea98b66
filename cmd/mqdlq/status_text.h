/* SPDX-License-Identifier: MIT */
/* status_text.h - how the command of a dead letter ended, in words. */
#ifndef MQDLQ_STATUS_TEXT_H
#define MQDLQ_STATUS_TEXT_H

#include <stddef.h>

#define STATUS_TEXT_MAX 24

/* "3", "SIGKILL", "SIG40" (no name), or "-" where there was no command: of struct shmq_failure's
 * status. */
const char *status_text(int status, char text[STATUS_TEXT_MAX]);

/* The status of a word as above, also "kill" and "sigkill"; -1: it is none. */
int status_parse(const char *text);

#endif
