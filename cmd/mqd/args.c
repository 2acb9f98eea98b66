/* SPDX-License-Identifier: MIT */
/* args.c - the options of mqd and their values. */
#include <string.h>
#include <time.h>

#include "group_values.h"
#include "mqd.h"
#include "words.h"

/* ---- of topics ---- */

static uint32_t parse_slots(const struct opt_tool *tool, const char *arg)
{
	uint64_t n = opt_number(tool, OPT_SLOTS, arg, 8, 1 << 20);

	if (n & (n - 1))
		opt_bad_value(tool, OPT_SLOTS, arg, "a power of two");
	return (uint32_t)n;
}

static uint64_t parse_memory(const struct opt_tool *tool, const char *arg)
{
	uint64_t n = opt_size(tool, OPT_MEMORY, arg);

	if (n < 1 << 20 || n > 1 << 30 || n % (256 << 10))
		opt_bad_value(tool, OPT_MEMORY, arg, "a multiple of 256K from 1M to 1G");
	return n;
}

static uint64_t parse_keep(const struct opt_tool *tool, const char *arg)
{
	uint64_t n = opt_size(tool, OPT_KEEP, arg);

	if (n == 0 || n > 1 << 30)
		opt_bad_value(tool, OPT_KEEP, arg, "a size from 1 to 1G");
	return n;
}

static enum shmq_full parse_full(const struct opt_tool *tool, const char *arg)
{
	for (int full = SHMQ_FULL_BLOCK; full <= SHMQ_FULL_DROP_OLD; full++)
		if (strcmp(arg, full_text((enum shmq_full)full)) == 0)
			return (enum shmq_full)full;
	opt_bad_value(tool, OPT_FULL, arg, "block, reject or drop-old");
}

static enum shmq_storage parse_storage(const struct opt_tool *tool, const char *arg)
{
	if (strcmp(arg, storage_text(SHMQ_STORAGE_MEMORY)) == 0)
		return SHMQ_STORAGE_MEMORY;
	if (strcmp(arg, storage_text(SHMQ_STORAGE_DISK)) == 0)
		return SHMQ_STORAGE_DISK;
	opt_bad_value(tool, OPT_STORAGE, arg, "memory or disk");
}

static int64_t parse_retention(const struct opt_tool *tool, const char *arg)
{
	int64_t ns;

	if (strcmp(arg, "forever") == 0)
		return SHMQ_FOREVER;
	if (shmq_parse_duration(arg, &ns) != SHMQ_OK || ns < INT64_C(60000000000))
		opt_bad_value(tool, OPT_RETENTION, arg, "a duration of at least 1m, or forever");
	return ns;
}

static uint64_t parse_retention_bytes(const struct opt_tool *tool, const char *arg)
{
	uint64_t n = strcmp(arg, "none") == 0 ? 0 : opt_size(tool, OPT_RETENTION_BYTES, arg);

	if (n > 0 && n < 1 << 20)
		opt_bad_value(tool, OPT_RETENTION_BYTES, arg, "a size of at least 1M, or none");
	return n;
}

static bool parse_yes(const struct opt_tool *tool, int id, const char *arg)
{
	if (strcmp(arg, "yes") != 0 && strcmp(arg, "no") != 0)
		opt_bad_value(tool, id, arg, "yes or no");
	return arg[0] == 'y';
}

/* ---- of the daemon ---- */

static int parse_io(const struct opt_tool *tool, const char *arg)
{
	static const char *const words[] = {"auto", "uring", "sync"}; /* enum io_kind */

	for (int i = 0; i < 3; i++)
		if (strcmp(arg, words[i]) == 0)
			return i;
	opt_bad_value(tool, OPT_IO, arg, "auto, uring or sync");
}

static uint64_t parse_segment(const struct opt_tool *tool, const char *arg)
{
	uint64_t n = opt_size(tool, OPT_SEGMENT, arg);

	if (n < 1 << 20 || n > 1 << 30 || n % 4096)
		opt_bad_value(tool, OPT_SEGMENT, arg, "a multiple of 4K from 1M to 1G");
	return n;
}

static void take_daemon_option(struct mqd_args *args, int id, const char *arg)
{
	const struct opt_tool *tool = args->tool;

	switch (id) {
	case OPT_STORE:
		args->store = opt_text(tool, id, arg, "a directory");
		break;
	case OPT_IO:
		args->io = parse_io(tool, arg);
		break;
	case OPT_SEGMENT:
		args->segment_bytes = parse_segment(tool, arg);
		break;
	case OPT_STORE_LIMIT:
		args->store_limit = opt_size(tool, id, arg);
		break;
	default:
		break;
	}
}

/* ---- of groups ---- */

static enum shmq_group_mode parse_mode(const struct opt_tool *tool, const char *arg)
{
	if (strcmp(arg, mode_text(SHMQ_GROUP_SHARED)) == 0)
		return SHMQ_GROUP_SHARED;
	if (strcmp(arg, mode_text(SHMQ_GROUP_ORDERED)) == 0)
		return SHMQ_GROUP_ORDERED;
	opt_bad_value(tool, OPT_MODE, arg, "shared or ordered");
}

static enum shmq_group_dead parse_dead(const struct opt_tool *tool, const char *arg)
{
	if (strcmp(arg, dead_text(SHMQ_GROUP_DEAD_KEEP)) == 0)
		return SHMQ_GROUP_DEAD_KEEP;
	if (strcmp(arg, dead_text(SHMQ_GROUP_DEAD_DROP)) == 0)
		return SHMQ_GROUP_DEAD_DROP;
	opt_bad_value(tool, OPT_DEAD_LETTERS, arg, "keep or drop");
}

static int64_t parse_expire(const struct opt_tool *tool, const char *arg)
{
	int64_t ns;

	if (strcmp(arg, duration_text(SHMQ_FOREVER)) == 0)
		return SHMQ_FOREVER;
	if (shmq_parse_duration(arg, &ns) != SHMQ_OK || ns < INT64_C(1000000000))
		opt_bad_value(tool, OPT_EXPIRE, arg, "a duration of at least 1s, or never");
	return ns;
}

static struct shmq_seek parse_place(const struct opt_tool *tool, const char *arg)
{
	struct shmq_seek from, until;
	struct timespec t;
	bool until_set;

	clock_gettime(CLOCK_REALTIME, &t);
	uint64_t now_ns = (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
	/* a range is none; one that is open on the right ends with its colon */
	if (shmq_parse_offset(arg, now_ns, &from, &until_set, &until) != SHMQ_OK || until_set ||
	    (*arg && arg[strlen(arg) - 1] == ':'))
		opt_bad_value(tool, OPT_OFFSET, arg,
			      "a place (as beginning, end, 17, -10, @-5m, @2026-01-31T12:00:00Z)");
	return from;
}

/* ---- options ---- */

static void take_group_option(struct mqd_args *args, int id, const char *arg)
{
	struct shmq_group_options *group = &args->group;
	const struct opt_tool *tool = args->tool;

	switch (id) {
	case OPT_MODE:
		group->mode = parse_mode(tool, arg);
		args->set |= SHMQ_SET_MODE;
		break;
	case OPT_LEASE:
		group->lease_ns = group_lease(tool, id, arg);
		args->set |= SHMQ_SET_LEASE;
		break;
	case OPT_RETRIES:
		group->retries = group_retries(tool, id, arg);
		args->set |= SHMQ_SET_RETRIES;
		break;
	case OPT_BACKOFF:
		group_backoff(tool, id, arg, group);
		args->set |= SHMQ_SET_BACKOFF;
		break;
	case OPT_KEY:
		group->filter = group_pattern(tool, id, arg);
		args->set |= SHMQ_SET_FILTER;
		break;
	case OPT_EXPIRE:
		group->expire_ns = parse_expire(tool, arg);
		args->set |= SHMQ_SET_EXPIRE;
		break;
	case OPT_DEAD_LETTERS:
		group->dead = parse_dead(tool, arg);
		args->set |= SHMQ_SET_DEAD;
		break;
	case OPT_OFFSET:
		args->seek = parse_place(tool, arg);
		break;
	default: /* the flags are in `given` */
		break;
	}
}

void take_options(struct mqd_args *args, int argc, char **argv)
{
	const struct opt_tool *tool = args->tool;
	const char *arg;
	int id;

	while ((id = opt_next(tool, argc, argv, &arg)) != 0) {
		args->given |= 1u << id;
		switch (id) {
		case OPT_BROKER:
			args->dir = opt_text(tool, id, arg, "a directory");
			break;
		case OPT_PARTITIONS:
			args->topic.partitions =
			    (uint32_t)opt_number(tool, id, arg, 1, SHMQ_PARTITIONS_MAX);
			break;
		case OPT_SLOTS:
			args->topic.slots = parse_slots(tool, arg);
			break;
		case OPT_MEMORY:
			args->topic.pool_bytes = parse_memory(tool, arg);
			break;
		case OPT_KEEP:
			args->topic.keep_bytes = parse_keep(tool, arg);
			break;
		case OPT_FULL:
			args->topic.full = parse_full(tool, arg);
			break;
		case OPT_STORAGE:
			args->topic.storage = parse_storage(tool, arg);
			break;
		case OPT_RETENTION:
			args->topic.retention.age_ns = parse_retention(tool, arg);
			break;
		case OPT_RETENTION_BYTES:
			args->topic.retention.bytes = parse_retention_bytes(tool, arg);
			break;
		case OPT_UNTIL_ACKED:
			args->topic.retention.until_acked = parse_yes(tool, id, arg);
			break;
		default:
			take_daemon_option(args, id, arg);
			take_group_option(args, id, arg);
			break;
		}
	}
}
