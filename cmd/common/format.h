/* SPDX-License-Identifier: MIT */
/*
 * format.h - the output format of the user (-f FMT): text, escapes, and tokens that stand for
 * parts of a message, with modifiers that say how they are written.
 *
 *     %s              the value
 *     %s{hex}         a modifier stands directly behind the token
 *     %h{NAME}        behind %h stands the name of a header,
 *     %h{NAME}{json}  and then the modifier
 *     %%  \n \x1b     a percent sign; the escapes of escape.h
 *
 * format_tokens.h lists the tokens and which modifiers each takes.
 */
#ifndef FORMAT_H
#define FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"
#include "origin.h"
#include "shmq.h"

struct format;

/* Returns the format, or NULL with a sentence in error that names what is wrong. */
struct format *format_parse(const char *text, struct bytes *error);
void format_free(struct format *f);

/* Appends a message as the format says. terminal: what comes from the message (not the text of
 * the format itself) has its control bytes escaped. */
void format_message(struct format *f, struct bytes *out, const struct origin *origin,
		    const struct shmq_message *m, bool terminal);

#endif
