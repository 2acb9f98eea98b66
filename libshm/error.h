/* SPDX-License-Identifier: MIT */
/* error.h - the sentence that goes with an error code. */
#ifndef SHMQ_ERROR_H
#define SHMQ_ERROR_H

#include "shmq.h"

struct error {
	char text[512];
};

/* Stores the sentence and returns code, so that "return fail(...)" is one line. */
__attribute__((format(printf, 3, 4))) int fail(struct error *e, int code, const char *format, ...);

/* The same with ": strerror(errno)" behind it; the code is chosen by errno: ENOSPC and EDQUOT are
 * SHMQ_ENOSPACE, EACCES, EPERM and EROFS are SHMQ_EACCESS, ENOENT is SHMQ_ENOENT, ENOMEM is
 * SHMQ_ENOMEM, the rest is SHMQ_ESYSTEM. */
__attribute__((format(printf, 2, 3))) int fail_errno(struct error *e, const char *format, ...);

#endif
