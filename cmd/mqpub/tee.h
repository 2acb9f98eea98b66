/* SPDX-License-Identifier: MIT */
/* tee.h - -T: copies of records, held back until they are known to be published. */
#ifndef TEE_H
#define TEE_H

#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "out.h"

struct tee {
	struct out out;
	struct bytes held;    /* what was read of the records that are not copied yet */
	struct bytes ends;    /* size_t each: where in held one of them ends */
	uint64_t copied;      /* records */
};

void tee_init(struct tee *t, int fd);
void tee_free(struct tee *t);

void tee_add(struct tee *t, const void *raw, size_t len);

/* Writes what is not written yet of the first `published` records, dropped ones not counted. 0, or
 * the errno of write(2). */
int tee_copy(struct tee *t, uint64_t published);

/* Those that are held will never be published. */
void tee_drop(struct tee *t);

#endif
