/* SPDX-License-Identifier: MIT */
/* escape.c - backslash escapes: of the command line into bytes, of bytes for a terminal. */
#include "escape.h"

#include <stdbool.h>

#include "utf8.h"

static const struct {
	char letter;
	unsigned char byte;
} simple[] = {{'n', '\n'}, {'t', '\t'}, {'r', '\r'}, {'\\', '\\'}, {'0', 0}, {'e', 0x1b}};

#define SIMPLE_COUNT (sizeof simple / sizeof simple[0])

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

size_t escape_parse(const char *text, unsigned char *byte)
{
	if (text[0] != '\\')
		return 0;
	for (size_t i = 0; i < SIMPLE_COUNT; i++)
		if (text[1] == simple[i].letter) {
			*byte = simple[i].byte;
			return 2;
		}
	int high = text[1] == 'x' ? hex_digit(text[2]) : -1;
	int low = high >= 0 ? hex_digit(text[3]) : -1;
	if (low < 0)
		return 0;
	*byte = (unsigned char)(high * 16 + low);
	return 4;
}

const char *escape_text(struct bytes *out, const char *text)
{
	while (*text) {
		unsigned char byte = (unsigned char)*text;
		size_t n = 1;
		if (*text == '\\' && (n = escape_parse(text, &byte)) == 0)
			return text;
		bytes_byte(out, byte);
		text += n;
	}
	return NULL;
}

static void escape_byte(struct bytes *out, unsigned char byte)
{
	for (size_t i = 0; i < SIMPLE_COUNT; i++)
		if (byte == simple[i].byte) {
			bytes_byte(out, '\\');
			bytes_byte(out, (unsigned char)simple[i].letter);
			return;
		}
	bytes_printf(out, "\\x%02x", byte);
}

void escape_for_terminal(struct bytes *out, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len > 0) {
		size_t n = utf8_length(p, len);
		bool ascii_control = n == 1 && (p[0] < 0x20 || p[0] == 0x7f);
		bool c1_control = n == 2 && p[0] == 0xc2 && p[1] < 0xa0;
		size_t used = n == 0 ? 1 : n;
		if (n == 0 || ascii_control || c1_control)
			for (size_t i = 0; i < used; i++)
				escape_byte(out, p[i]);
		else
			bytes_add(out, p, used);
		p += used;
		len -= used;
	}
}
