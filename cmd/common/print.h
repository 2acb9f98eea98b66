/* SPDX-License-Identifier: MIT */
/* print.h - messages in the framing that was asked for (-D -0 -L -J -B -f -K). */
#ifndef PRINT_H
#define PRINT_H

#include <stdbool.h>

#include "bytes.h"
#include "format.h"
#include "origin.h"
#include "shmq.h"

enum print_framing {
	PRINT_DELIMITED, /* value, delimiter; with key_delim: key, key delimiter, value, delimiter
			  */
	PRINT_LEN32,     /* records_format.h: the same, with its length before it */
	PRINT_JSON,      /* json_read.h: one envelope a line */
	PRINT_BINARY,    /* records_format.h: everything that a message has */
	PRINT_FORMAT,    /* as the format says, then the delimiter (empty unless asked for) */
};

struct print_style {
	enum print_framing framing;
	struct bytes delim;
	bool keys; /* print them */
	struct bytes key_delim;
	struct format *format;
	bool terminal; /* escape what a terminal might obey */
};

void print_message(struct bytes *out, const struct print_style *style, const struct origin *origin,
		   const struct shmq_message *m);

/* Is the delimited text that a publisher read from a file with this delimiter, byte for byte, what
 * this style prints? */
bool print_is_verbatim(const struct print_style *style, unsigned char delim);

#endif
