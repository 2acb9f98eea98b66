/* SPDX-License-Identifier: MIT */
/* exec_env.c - what a command is told of its message: its environment. */
#include "exec_env.h"

#include <stdlib.h>
#include <unistd.h>

#include "bytes.h"
#include "time_text.h"
#include "tool.h"

#define HEADER_PREFIX "MQ_H_"

static const char *const names[] = {"MQ_TOPIC", "MQ_PARTITION", "MQ_OFFSET",
				    "MQ_KEY",   "MQ_TIMESTAMP", "MQ_ATTEMPT",
				    "MQ_GROUP", "MQ_PRIORITY",  "MQ_DIR"};

#define NAME_COUNT (sizeof names / sizeof names[0])

static struct bytes inherited; /* char *[]: what stays */
static struct bytes strings;   /* NAME=value, each with its NUL */
static struct bytes vector;    /* char *[]: what is handed out */

/* ---- what stays ---- */

static void keep(const char *variable)
{
	bytes_add(&inherited, &variable, sizeof variable);
}

/* Does it say something of a message, perhaps of one that another mqsub gave us? */
static bool is_of_message(const char *variable)
{
	size_t n = strcspn(variable, "=");

	for (size_t i = 0; i < NAME_COUNT; i++)
		if (strlen(names[i]) == n && memcmp(names[i], variable, n) == 0)
			return true;
	return strncmp(variable, HEADER_PREFIX, strlen(HEADER_PREFIX)) == 0;
}

void exec_env_init(const char *dir)
{
	static struct bytes broker;

	for (char **v = environ; *v; v++)
		if (!is_of_message(*v))
			keep(*v);
	bytes_printf(&broker, "MQ_DIR=%s", dir);
	bytes_byte(&broker, '\0');
	keep(broker.data);
}

/* ---- what is said of a message ---- */

static void end_string(void)
{
	bytes_byte(&strings, '\0');
}

static void text(const char *name, const void *data, size_t len)
{
	const char *nul = len > 0 ? memchr(data, '\0', len) : NULL;

	bytes_text(&strings, name);
	bytes_byte(&strings, '=');
	/* a variable ends at a NUL byte */
	bytes_add(&strings, data, nul ? (size_t)(nul - (const char *)data) : len);
	end_string();
}

static void number(const char *name, uint64_t n)
{
	bytes_text(&strings, name);
	bytes_byte(&strings, '=');
	bytes_decimal(&strings, n);
	end_string();
}

static unsigned char name_byte(unsigned char c)
{
	if (c >= 'a' && c <= 'z')
		return (unsigned char)(c - 'a' + 'A');
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
}

/* Is there a variable of that name already, among those from `first` on? */
static bool is_there(size_t first, const char *name, size_t len)
{
	for (const char *at = strings.data + first; at < name; at += strlen(at) + 1)
		if (strncmp(at, name, len) == 0)
			return true;
	return false;
}

static void headers(const struct shmq_message *m)
{
	size_t first = strings.len;

	for (size_t i = 0; i < m->header_count; i++) {
		const struct shmq_header *h = &m->headers[i];
		const unsigned char *from = h->name;
		size_t begin = strings.len;
		const char *nul = h->value_len > 0 ? memchr(h->value, '\0', h->value_len) : NULL;

		bytes_text(&strings, HEADER_PREFIX);
		for (size_t k = 0; k < h->name_len; k++)
			bytes_byte(&strings, name_byte(from[k]));
		bytes_byte(&strings, '=');
		if (is_there(first, strings.data + begin, strings.len - begin)) {
			strings.len = begin; /* the first counts, as with %h{NAME} */
			continue;
		}
		bytes_add(&strings, h->value,
			  nul ? (size_t)(nul - (const char *)h->value) : h->value_len);
		end_string();
	}
}

static void describe(const struct origin *origin, const struct shmq_message *m)
{
	text("MQ_TOPIC", origin->topic, strlen(origin->topic));
	number("MQ_PARTITION", (uint64_t)m->partition);
	number("MQ_OFFSET", m->offset);
	if (m->key)
		text("MQ_KEY", m->key, m->key_len);
	bytes_text(&strings, "MQ_TIMESTAMP=");
	time_rfc3339(&strings, m->time_ns);
	end_string();
	number("MQ_ATTEMPT", origin->attempt);
	text("MQ_GROUP", origin->group, strlen(origin->group));
	number("MQ_PRIORITY", 0); /* messages have no other */
	headers(m);
}

char **exec_env(const struct origin *origin, const struct shmq_message *m)
{
	const char *end = NULL;

	strings.len = 0;
	if (m)
		describe(origin, m);
	vector.len = 0;
	bytes_add(&vector, inherited.data, inherited.len);
	for (size_t at = 0; at < strings.len; at += strlen(strings.data + at) + 1) {
		const char *string = strings.data + at;

		bytes_add(&vector, &string, sizeof string);
	}
	bytes_add(&vector, &end, sizeof end);
	return (char **)(void *)vector.data;
}
