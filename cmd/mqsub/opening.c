/* SPDX-License-Identifier: MIT */
/* opening.c - opens single topics, at the start or while others are read. */
#include "opening.h"

#include <stdarg.h>

#include "bytes.h"
#include "tool.h"

static _Noreturn void end(struct opening *o, int status, const struct bytes *why)
{
	topics_close(o->t);
	die(status, "%.*s", (int)why->len, why->data);
}

void opening_give_up(struct opening *o, int status, const char *fmt, ...)
{
	struct bytes why = {0};
	va_list ap;

	va_start(ap, fmt);
	bytes_vprintf(&why, fmt, ap);
	va_end(ap);
	end(o, status, &why);
}

static bool was_told(const struct names *told, const char *name)
{
	for (size_t i = 0; i < told->n; i++)
		if (strcmp(told->at[i], name) == 0)
			return true;
	return false;
}

void opening_refuse(struct opening *o, int status, const char *fmt, ...)
{
	struct bytes why = {0};
	va_list ap;

	va_start(ap, fmt);
	bytes_vprintf(&why, fmt, ap);
	va_end(ap);
	if (!o->late)
		end(o, status, &why);
	o->refused = true;
	if (!was_told(&o->t->told, o->late)) {
		names_add(&o->t->told, o->late);
		warn_line("topic '%s', which is new, is not read: %.*s", o->late, (int)why.len,
			  why.data);
	}
	bytes_free(&why);
}

static void check_partitions(struct opening *o, const struct shmq_topic_info *info)
{
	const struct shmq_sub_options *sub = &o->args->sub;

	for (size_t i = 0; i < sub->partition_count && !o->refused; i++)
		if (sub->partitions[i] >= info->options.partitions)
			opening_refuse(o, EX_USAGE,
				       "option '--partition': topic '%s' has no partition %u: they"
				       " are 0 to %u",
				       info->name, sub->partitions[i],
				       info->options.partitions - 1);
}

/* What main() and work_run() look at when all are open: a group that is made and not used then would
 * hold up publishers for days. */
static void check_storage(struct opening *o, const struct shmq_topic_info *info)
{
	bool on_disk = info->options.storage == SHMQ_STORAGE_DISK;

	if (o->args->ack_disk && !on_disk)
		opening_refuse(o, EX_USAGE, TOPICS_NEVER_ON_DISK);
	else if (o->t->into && on_disk && !shmq_pub_on_disk(o->t->into))
		opening_refuse(o, EX_DATAERR, TOPICS_INTO_MEMORY, o->args->into, info->name);
}

void opening_check(struct opening *o, const struct shmq_topic_info *info)
{
	check_partitions(o, info);
	if (o->late && !o->refused)
		check_storage(o, info);
}

/* What a group that is there refuses. */
static void check_group(struct opening *o, const char *topic, int rc)
{
	const char *group = o->args->group;

	if (rc == SHMQ_EEXIST)
		opening_refuse(o, EX_USAGE,
			       "option '--offset': topic '%s' has a group '%s' already, which"
			       " stands where it stands: 'mqd group seek' moves it",
			       topic, group);
	if (rc == SHMQ_ECONFIG)
		opening_refuse(o, EXIT_CONFIG,
			       "topic '%s': %s: leave the option away, or change the group for all"
			       " its consumers with 'mqd group alter'",
			       topic, shmq_error(o->t->broker));
}

static int open_group(struct opening *o, size_t i)
{
	struct shmq_consume_options options = o->args->consume;
	struct topics *t = o->t;
	bool created = false;
	int rc;

	options.from_set = options.from_set && !o->late;
	rc = shmq_group_open(t->broker, t->name[i], o->args->group, &options, &t->group[i],
			     &created);
	check_group(o, t->name[i], rc);
	if (rc == SHMQ_OK && created)
		note("created group '%s' of topic '%s'", o->args->group, t->name[i]);
	return rc;
}

static int open_sub(struct opening *o, size_t i)
{
	struct shmq_sub_options options = o->args->sub;

	if (o->late) /* all of it came since the start */
		options.from = (struct shmq_seek){.kind = SHMQ_SEEK_BEGINNING};
	return shmq_sub_open(o->t->broker, o->t->name[i], &options, &o->t->sub[i]);
}

int opening_open(struct opening *o, size_t i)
{
	if (!o->args->group)
		return open_sub(o, i);
	return o->args->browse ? SHMQ_OK : open_group(o, i);
}
