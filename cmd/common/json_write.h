/* SPDX-License-Identifier: MIT */
/* json_write.h - messages as JSON: the envelope that json_read.h describes. */
#ifndef JSON_WRITE_H
#define JSON_WRITE_H

#include <stddef.h>

#include "bytes.h"
#include "origin.h"
#include "shmq.h"

/* Appends a JSON value for data: a string when it is UTF-8, else {"b64":"..."}. */
void json_value(struct bytes *out, const void *data, size_t len);

/* Appends "name":"text", or "name_b64":"..." where data is not UTF-8. */
void json_member(struct bytes *out, const char *name, const void *data, size_t len);

/* Appends the envelope of a message, without a newline. */
void json_envelope(struct bytes *out, const struct origin *origin, const struct shmq_message *m);

#endif
