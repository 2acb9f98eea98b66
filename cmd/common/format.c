/* SPDX-License-Identifier: MIT */
/* format.c - reads an output format once, then writes messages by it. */
#include "format.h"

#include <stdlib.h>

#include "escape.h"
#include "format_tokens.h"
#include "json_write.h"
#include "records_format.h"
#include "time_text.h"
#include "tool.h"
#include "utf8.h"

struct part {
	const struct format_token *token; /* NULL: literal */
	enum format_modifier modifier;
	struct bytes text;     /* the literal; the name in %h{NAME} */
	struct bytes strftime; /* with its NUL */
};

struct format {
	struct part *parts;
	size_t count;
	struct format_value value; /* its scratch is used again and again */
	struct bytes raw;          /* what a terminal must not see unescaped */
};

static const struct {
	const char *name;
	enum format_modifier modifier;
} modifiers[] = {
    {"hex", FORMAT_HEX},
    {"base64", FORMAT_BASE64},
    {"json", FORMAT_JSON},
    {"be32", FORMAT_BE32},
};

#define MODIFIER_COUNT (sizeof modifiers / sizeof modifiers[0])
#define STRFTIME_WORD  "strftime:"

static struct part *add_part(struct format *f)
{
	struct part *parts = realloc(f->parts, (f->count + 1) * sizeof *parts);

	if (!parts)
		die(EX_OSERR, "no memory for the format");
	f->parts = parts;
	f->parts[f->count] = (struct part){0};
	return &f->parts[f->count++];
}

static void add_literal(struct format *f, unsigned char byte)
{
	struct part *last = f->count > 0 ? &f->parts[f->count - 1] : NULL;

	if (!last || last->token)
		last = add_part(f);
	bytes_byte(&last->text, byte);
}

/* ---- reading a format ---- */

/* A piece of the user's text, for a line on stderr. */
static void quote(struct bytes *error, const char *before, const char *text, size_t len,
		  const char *after)
{
	bytes_text(error, before);
	escape_for_terminal(error, text, len);
	bytes_text(error, after);
}

/* The '}' that ends the brace at text, or NULL with the error. */
static const char *brace_end(const char *text, const char *token, struct bytes *error)
{
	const char *end = strchr(text, '}');

	if (!end) {
		quote(error, "'", token, strlen(token), "' in the format has no closing brace");
		bytes_text(error, " (write \\x7b for a brace that is text)");
	}
	return end;
}

/* word is what stands in the braces. */
static enum format_modifier modifier_find(struct part *part, const char *word, size_t len)
{
	const size_t prefix = strlen(STRFTIME_WORD);

	for (size_t i = 0; i < MODIFIER_COUNT; i++)
		if (strlen(modifiers[i].name) == len && memcmp(modifiers[i].name, word, len) == 0)
			return modifiers[i].modifier;
	if (len < prefix || memcmp(word, STRFTIME_WORD, prefix) != 0)
		return FORMAT_PLAIN;
	bytes_add(&part->strftime, word + prefix, len - prefix);
	bytes_byte(&part->strftime, 0);
	return FORMAT_STRFTIME;
}

/* Reads the modifier whose '{' is at text; token is where the token began. Returns what follows,
 * or NULL with the error. */
static const char *parse_modifier(struct part *part, const char *text, const char *token,
				  struct bytes *error)
{
	const char *end = brace_end(text, token, error);

	if (!end)
		return NULL;
	part->modifier = modifier_find(part, text + 1, (size_t)(end - text) - 1);
	if (part->modifier == FORMAT_PLAIN) {
		quote(error, "unknown modifier '", text, (size_t)(end + 1 - text),
		      "' in the format");
		bytes_text(error, ": there are {hex}, {base64}, {json}, {be32} and {strftime:...}");
		return NULL;
	}
	if (!(part->token->modifiers & part->modifier)) {
		quote(error, "'", token, (size_t)(end + 1 - token), "' in the format: ");
		quote(error, "token '", token, (size_t)(text - token),
		      "' does not take this modifier");
		return NULL;
	}
	if (end[1] == '{') {
		quote(error, "'", token, (size_t)(end + 2 - token), "' in the format: ");
		bytes_text(error,
			   "a token takes one modifier (write \\x7b for a brace that is text)");
		return NULL;
	}
	return end + 1;
}

/* Reads the token whose '%' is at text. Returns what follows, or NULL with the error. */
static const char *parse_token(struct format *f, const char *text, struct bytes *error)
{
	const char *rest = text + 2;
	const struct format_token *token =
	    text[1] ? format_token_find(text[1], text[2] == '{') : NULL;

	if (!token) {
		size_t left = strlen(text + 1);
		size_t n = utf8_length((const unsigned char *)text + 1, left);
		quote(error, "unknown token '", text, 1 + (n == 0 && left > 0 ? 1 : n),
		      "' in the format (write %% for a percent sign)");
		return NULL;
	}
	struct part *part = add_part(f);
	part->token = token;
	if (token->named) {
		const char *end = brace_end(rest, text, error);
		if (!end)
			return NULL;
		bytes_add(&part->text, rest + 1, (size_t)(end - rest) - 1);
		rest = end + 1;
	}
	return *rest == '{' ? parse_modifier(part, rest, text, error) : rest;
}

static const char *parse_escape(struct format *f, const char *text, struct bytes *error)
{
	unsigned char byte;
	size_t n = escape_parse(text, &byte);

	if (n == 0) {
		size_t len = utf8_length((const unsigned char *)text + 1, strlen(text + 1));
		quote(error, "unknown escape '", text, 1 + len, "' in the format");
		bytes_text(error, ": there are \\n, \\t, \\r, \\\\, \\0, \\e and \\xHH");
		return NULL;
	}
	add_literal(f, byte);
	return text + n;
}

struct format *format_parse(const char *text, struct bytes *error)
{
	struct format *f = calloc(1, sizeof *f);

	if (!f)
		die(EX_OSERR, "no memory for the format");
	while (text && *text) {
		if (*text == '\\') {
			text = parse_escape(f, text, error);
		} else if (text[0] == '%' && text[1] != '%') {
			text = parse_token(f, text, error);
		} else {
			add_literal(f, (unsigned char)*text);
			text += *text == '%' ? 2 : 1;
		}
	}
	if (text)
		return f;
	format_free(f);
	return NULL;
}

void format_free(struct format *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->count; i++) {
		bytes_free(&f->parts[i].text);
		bytes_free(&f->parts[i].strftime);
	}
	free(f->parts);
	bytes_free(&f->value.scratch);
	bytes_free(&f->raw);
	free(f);
}

/* ---- writing messages by it ---- */

static void put_json(struct bytes *out, const struct format_value *v)
{
	if (v->none)
		bytes_text(out, "null");
	else if (v->numeric)
		bytes_add(out, v->data, v->len);
	else
		json_value(out, v->data, v->len);
}

static void put_be32(struct bytes *out, const struct format_value *v)
{
	be32_put((unsigned char *)bytes_reserve(out, LEN32_PREFIX_BYTES), (uint32_t)v->number);
	out->len += LEN32_PREFIX_BYTES;
}

static void put_value(struct bytes *out, const struct part *part, const struct format_value *v,
		      uint64_t time_ns)
{
	switch (part->modifier) {
	case FORMAT_PLAIN:
		bytes_add(out, v->data, v->len);
		break;
	case FORMAT_HEX:
		bytes_hex(out, v->data, v->len);
		break;
	case FORMAT_BASE64:
		bytes_base64(out, v->data, v->len);
		break;
	case FORMAT_JSON:
		put_json(out, v);
		break;
	case FORMAT_BE32:
		put_be32(out, v);
		break;
	case FORMAT_STRFTIME:
		time_strftime(out, part->strftime.data, time_ns);
		break;
	}
}

void format_message(struct format *f, struct bytes *out, const struct origin *origin,
		    const struct shmq_message *m, bool terminal)
{
	struct bytes *to = terminal ? &f->raw : out;

	for (size_t i = 0; i < f->count; i++) {
		const struct part *part = &f->parts[i];
		if (!part->token) {
			bytes_add(out, part->text.data, part->text.len);
			continue;
		}
		const struct format_source from = {origin, m, part->text.data, part->text.len};
		f->value = (struct format_value){.scratch = f->value.scratch};
		f->value.scratch.len = 0;
		f->raw.len = 0;
		part->token->fetch(&f->value, &from);
		put_value(to, part, &f->value, m->time_ns);
		if (terminal)
			escape_for_terminal(out, f->raw.data, f->raw.len);
	}
}
