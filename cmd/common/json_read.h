/* SPDX-License-Identifier: MIT */
/*
 * json_read.h - a message from its JSON envelope, the one that `mqsub -J` prints:
 *
 *     {"v":1,"topic":"t","partition":0,"offset":17,"ts":"2026-01-31T12:00:00Z","key":null,
 *      "priority":0,"expires":null,"headers":[["name","value"]],"attempt":1,"payload":"text"}
 *
 * "v" must be 1 and there must be "payload", or "payload_b64" with the bytes in base64;
 * likewise "key" or "key_b64", where null and absent mean no key. A header's name or value
 * that is no text is {"b64":"..."}. "partition" is read where it can be one. Every other member
 * says where the message was, not what it is, or is unknown: it is ignored.
 */
#ifndef JSON_READ_H
#define JSON_READ_H

#include <stddef.h>

#include "bytes.h"
#include "headers.h"
#include "shmq.h"

struct envelope { /* all 0: unused */
	struct json_t *root;
	struct bytes decoded; /* what was base64 */
	struct bytes bounded; /* a text whose numbers were too large for the parser */
	struct headers headers;
};

/* Fills *m from one envelope; m->partition is -1 when it has none that could be one. What m points
 * to stays valid until the next call on e, and text is not needed for it. Returns 0, or -1 with
 * what is wrong in error. */
int envelope_read(struct envelope *e, const char *text, size_t len, struct shmq_message *m,
		  char *error, size_t error_size);
void envelope_free(struct envelope *e);

#endif
