/* SPDX-License-Identifier: MIT */
/* group.c - the verbs that change groups: alter, seek, pause, resume, delete. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "mqd.h"
#include "words.h"

int group_complain(shmq *q, int code, const char *topic, const char *group)
{
	struct shmq_topic_info info = {.logs = NULL};

	if (code == SHMQ_ENOENT && shmq_topic_info(q, topic, &info) == SHMQ_ENOENT)
		return topic_complain(q, code, topic);
	if (code == SHMQ_ENOENT)
		warn_line("group '%s' of topic '%s': not there in %s ('mqd group list %s' says "
			  "what is)",
			  group, topic, shmq_dir(q), topic);
	else if (code == SHMQ_ECORRUPT)
		warn_line("group '%s' of topic '%s': damaged: %s ('mqd topic repair %s' starts the "
			  "topic anew, without its messages and groups)",
			  group, topic, shmq_error(q), topic);
	else
		warn_line("group '%s' of topic '%s': %s", group, topic,
			  code < 0 ? shmq_error(q) : "it is gone");
	return status_of(code);
}

/* Opens the broker and does one thing to each group; the status is that of the first that failed.
 */
static int each_group(const struct mqd_args *args, unsigned flags,
		      int (*one)(const struct mqd_args *args, shmq *q, const char *topic,
				 const char *group))
{
	shmq *q = tool_open(args->dir, flags);
	int status = 0;

	for (int i = 1; i < args->name_count; i++) {
		int rc = one(args, q, args->names[0], args->names[i]);

		status = status ? status : rc;
	}
	shmq_close(q);
	return status;
}

/* ---- alter ---- */

static void say_alter(const struct mqd_args *args, const char *topic, const char *group)
{
	const struct shmq_group_options *o = &args->group;

	printf("would alter group '%s' of topic '%s':", group, topic);
	if (args->set & SHMQ_SET_MODE)
		printf(" --mode %s", mode_text(o->mode));
	if (args->set & SHMQ_SET_LEASE)
		printf(" --lease %s", duration_text(o->lease_ns));
	if (args->set & SHMQ_SET_RETRIES)
		printf(" --retries %" PRIu32, o->retries);
	if (args->set & SHMQ_SET_BACKOFF)
		printf(" --backoff %s,%s", duration_text(o->backoff_ns),
		       duration_text(o->backoff_max_ns));
	if (args->set & SHMQ_SET_FILTER)
		printf(" --key '%s'", o->filter);
	if (args->set & SHMQ_SET_EXPIRE)
		printf(" --expire %s", duration_text(o->expire_ns));
	if (args->set & SHMQ_SET_DEAD)
		printf(" --dead-letters %s", dead_text(o->dead));
	putchar('\n');
}

static int alter_one(const struct mqd_args *args, shmq *q, const char *topic, const char *group)
{
	static struct shmq_group_info info;
	int rc;

	if (GIVEN(args, DRY_RUN)) {
		info.logs = NULL;
		rc = shmq_group_info(q, topic, group, &info);
		if (rc == SHMQ_OK)
			say_alter(args, topic, group);
	} else {
		rc = shmq_group_alter(q, topic, group, &args->group, args->set);
	}
	return rc == SHMQ_OK ? 0 : group_complain(q, rc, topic, group);
}

int group_alter(const struct mqd_args *args)
{
	return each_group(args, GIVEN(args, DRY_RUN) ? SHMQ_OBSERVE : 0, alter_one);
}

/* ---- seek ---- */

static bool seek_is_dry(const struct mqd_args *args)
{
	return GIVEN(args, DRY_RUN) || !GIVEN(args, YES);
}

static int seek_one(const struct mqd_args *args, shmq *q, const char *topic, const char *group)
{
	static struct shmq_group_place places[SHMQ_PARTITIONS_MAX];
	struct shmq_topic_info info = {.logs = NULL};
	bool dry = seek_is_dry(args);
	int rc = shmq_topic_info(q, topic, &info);

	if (rc == SHMQ_OK)
		rc = shmq_group_seek(q, topic, group, &args->seek, dry, places);
	if (rc != SHMQ_OK)
		return group_complain(q, rc, topic, group);
	for (uint32_t p = 0; p < info.options.partitions; p++)
		printf("%s group '%s' of topic '%s', partition %" PRIu32 ": %" PRIu64 " -> %" PRIu64
		       "\n",
		       dry ? "would move" : "moved", group, topic, p, places[p].from, places[p].to);
	return 0;
}

int group_seek(const struct mqd_args *args)
{
	int status = each_group(args, seek_is_dry(args) ? SHMQ_OBSERVE : 0, seek_one);

	if (status == 0 && seek_is_dry(args) && !GIVEN(args, DRY_RUN))
		note("nothing was moved: give -y (--yes) to do it");
	return status;
}

/* ---- pause, resume ---- */

static int pause_one(const struct mqd_args *args, shmq *q, const char *topic, const char *group)
{
	int rc = shmq_group_pause(q, topic, group, args->verb == VERB_GROUP_PAUSE);

	return rc == SHMQ_OK ? 0 : group_complain(q, rc, topic, group);
}

int group_pause(const struct mqd_args *args)
{
	return each_group(args, 0, pause_one);
}

/* ---- delete ---- */

/* What goes with the group, as the question and the dry run say it; of a damaged one nobody knows.
 */
static int describe(shmq *q, const char *topic, const char *group, char *text, size_t size)
{
	static struct shmq_group_info info;
	int used, rc;

	info.logs = NULL;
	rc = shmq_group_info(q, topic, group, &info);
	if (rc != SHMQ_OK)
		return rc;
	used =
	    snprintf(text, size, "delete group '%s' of topic '%s' with %" PRIu64 " dead letter%s",
		     group, topic, info.dead, info.dead == 1 ? "" : "s");
	if (info.consumers)
		snprintf(text + used, size - (size_t)used, ", while it has %" PRIu32 " consumer%s",
			 info.consumers, info.consumers == 1 ? "" : "s");
	return SHMQ_OK;
}

static int delete_one(const struct mqd_args *args, shmq *q, const char *topic, const char *group)
{
	char what[2 * SHMQ_NAME_MAX + 256];
	int rc = describe(q, topic, group, what, sizeof(what));

	if (rc != SHMQ_OK)
		return group_complain(q, rc, topic, group);
	if (GIVEN(args, DRY_RUN)) {
		printf("would %s\n", what);
		return 0;
	}
	if (!GIVEN(args, YES) && !ask_confirmed(what))
		return EXIT_NOTHING;
	rc = shmq_group_delete(q, topic, group);
	return rc == SHMQ_OK ? 0 : group_complain(q, rc, topic, group);
}

int group_delete(const struct mqd_args *args)
{
	if (!GIVEN(args, YES) && !GIVEN(args, DRY_RUN) && !ask_can())
		opt_usage(args->tool,
			  "the group's place and its dead letters would be lost, and there "
			  "is no terminal to ask on: give -y (--yes) if that is meant");
	return each_group(args, GIVEN(args, DRY_RUN) ? SHMQ_OBSERVE : 0, delete_one);
}
