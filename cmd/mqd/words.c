/* SPDX-License-Identifier: MIT */
/* words.c - values of options as the command line takes them. */
#include "words.h"

#include <inttypes.h>
#include <stdio.h>

/* The longest: "106751d23h47m16s854ms775us807ns". */
static char *next_text(size_t *size)
{
	static char texts[4][40];
	static unsigned turn;

	*size = sizeof(texts[0]);
	return texts[turn++ % 4];
}

const char *size_text(uint64_t bytes)
{
	static const char units[] = "KMG";
	size_t size;
	char *text = next_text(&size);
	char unit[2] = "";

	for (size_t i = 0; units[i] && bytes && bytes % 1024 == 0; i++) {
		bytes /= 1024;
		unit[0] = units[i];
	}
	snprintf(text, size, "%" PRIu64 "%s", bytes, unit);
	return text;
}

const char *duration_text(int64_t ns)
{
	static const struct {
		int64_t ns;
		const char *name;
	} units[] = {{INT64_C(86400000000000), "d"},
		     {INT64_C(3600000000000), "h"},
		     {INT64_C(60000000000), "m"},
		     {1000000000, "s"},
		     {1000000, "ms"},
		     {1000, "us"},
		     {1, "ns"}};
	size_t size, used = 0;
	char *text = next_text(&size);

	if (ns == SHMQ_FOREVER)
		return "never";
	snprintf(text, size, "0s");
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (ns >= units[i].ns)
			used += (size_t)snprintf(text + used, size - used, "%" PRId64 "%s",
						 ns / units[i].ns, units[i].name);
		ns %= units[i].ns;
	}
	return text;
}

const char *full_text(enum shmq_full full)
{
	switch (full) {
	case SHMQ_FULL_BLOCK:
		return "block";
	case SHMQ_FULL_REJECT:
		return "reject";
	case SHMQ_FULL_DROP_OLD:
		return "drop-old";
	}
	return "?";
}

const char *storage_text(enum shmq_storage storage)
{
	return storage == SHMQ_STORAGE_DISK ? "disk" : "memory";
}

const char *retention_text(int64_t ns)
{
	return ns == SHMQ_FOREVER ? "forever" : duration_text(ns);
}

const char *mode_text(enum shmq_group_mode mode)
{
	switch (mode) {
	case SHMQ_GROUP_SHARED:
		return "shared";
	case SHMQ_GROUP_ORDERED:
		return "ordered";
	}
	return "?";
}

const char *dead_text(enum shmq_group_dead dead)
{
	switch (dead) {
	case SHMQ_GROUP_DEAD_KEEP:
		return "keep";
	case SHMQ_GROUP_DEAD_DROP:
		return "drop";
	}
	return "?";
}
