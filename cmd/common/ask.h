/* SPDX-License-Identifier: MIT */
/* ask.h - questions on the terminal before something is lost. */
#ifndef ASK_H
#define ASK_H

#include <stdbool.h>

/* Is there a terminal to ask on, and to answer from? */
bool ask_can(void);

/* Asks "tool: what? [y/N] "; anything but a word that begins with y is a no. A signal to stop ends
 * the process, whatever was typed with it. */
bool ask_confirmed(const char *what);

#endif
