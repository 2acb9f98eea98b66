/* SPDX-License-Identifier: MIT */
/*
 * numbered.h - things that begin with their number, by number: pointers to them in an ascending array. Who goes through
 * all of them asks for the next one: that is looked at before the others.
 */
#ifndef MQD_NUMBERED_H
#define MQD_NUMBERED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the number is, or would be: 0 to count. *last is where one was found last, and is set. */
size_t numbered_place(const void *array, size_t count, uint64_t number, size_t *last);

/* Whether it is there. */
bool numbered_is(const void *array, size_t count, uint64_t number, size_t at);

#endif
