/* SPDX-License-Identifier: MIT */
/* error.c - the sentence that goes with an error code. */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fail(struct error *e, int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(e->text, sizeof e->text, format, ap);
	va_end(ap);
	return code;
}

static int code_of_errno(int err)
{
	switch (err) {
	case ENOSPC:
	case EDQUOT:
		return SHMQ_ENOSPACE;
	case EACCES:
	case EPERM:
	case EROFS:
		return SHMQ_EACCESS;
	case ENOENT:
		return SHMQ_ENOENT;
	case ENOMEM:
		return SHMQ_ENOMEM;
	default:
		return SHMQ_ESYSTEM;
	}
}

int fail_errno(struct error *e, const char *format, ...)
{
	int err = errno;
	va_list ap;
	size_t used;

	va_start(ap, format);
	vsnprintf(e->text, sizeof e->text, format, ap);
	va_end(ap);
	used = strlen(e->text);
	snprintf(e->text + used, sizeof e->text - used, ": %s", strerror(err));
	return code_of_errno(err);
}
