/* SPDX-License-Identifier: MIT */
/* topic.c - the verbs that change topics: create, purge, repair, delete. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "mqd.h"
#include "words.h"

int topic_complain(shmq *q, int code, const char *name)
{
	if (code == SHMQ_ENOENT)
		warn_line("topic '%s': not there in %s ('mqd topic list' says what is)", name,
			  shmq_dir(q));
	else if (code == SHMQ_EDAEMON)
		warn_line("%s", shmq_error(q));
	else if (code == SHMQ_EEXIST)
		warn_line("topic '%s': there already ('mqd topic show %s' says with which options)",
			  name, name);
	else if (code == SHMQ_ECORRUPT && !strstr(shmq_error(q), "mqd topic"))
		warn_line("topic '%s': damaged: %s ('mqd topic repair %s' starts it anew)", name,
			  shmq_error(q), name);
	else
		warn_line("topic '%s': %s", name, code < 0 ? shmq_error(q) : "it is gone");
	return status_of(code);
}

/* ---- create ---- */

static void say_retention(const struct mqd_args *args)
{
	const struct shmq_retention *r = &args->topic.retention;

	if (GIVEN(args, RETENTION))
		printf(" --retention %s", retention_text(r->age_ns));
	if (GIVEN(args, RETENTION_BYTES))
		printf(" --retention-bytes %s", r->bytes ? size_text(r->bytes) : "none");
	if (GIVEN(args, UNTIL_ACKED))
		printf(" --until-acked %s", r->until_acked ? "yes" : "no");
}

static void say_create(const struct mqd_args *args, const char *name)
{
	const struct shmq_topic_options *o = &args->topic;

	printf("would create topic '%s':", name);
	if (o->partitions)
		printf(" --partitions %" PRIu32, o->partitions);
	if (o->slots)
		printf(" --slots %" PRIu32, o->slots);
	if (o->pool_bytes)
		printf(" --memory %s", size_text(o->pool_bytes));
	if (o->keep_bytes)
		printf(" --keep %s", size_text(o->keep_bytes));
	printf(" --full %s", full_text(o->full));
	if (o->storage)
		printf(" --storage %s", storage_text(o->storage));
	say_retention(args);
	printf("\n");
}

/* A dry run creates nothing, the runtime directory neither. */
static int create_dry(const struct mqd_args *args)
{
	struct shmq_topic_info info = {0};
	shmq *q = NULL;
	int broker = tool_try_open(args->dir, SHMQ_OBSERVE, &q);
	int status = 0;

	if (broker < 0 && broker != SHMQ_ENOENT)
		die_shmq(q, broker, "cannot open the broker");
	for (int i = 0; i < args->name_count; i++) {
		const char *name = args->names[i];

		if (broker < 0 || shmq_topic_info(q, name, &info) == SHMQ_ENOENT) {
			say_create(args, name);
			continue;
		}
		status = topic_complain(q, SHMQ_EEXIST, name);
	}
	shmq_close(q);
	return status;
}

int topic_create(const struct mqd_args *args)
{
	int status = 0;
	shmq *q;

	if (GIVEN(args, DRY_RUN))
		return create_dry(args);
	q = tool_open(args->dir, SHMQ_CREATE);
	for (int i = 0; i < args->name_count; i++) {
		int rc = shmq_topic_create(q, args->names[i], &args->topic);

		if (rc != SHMQ_OK) {
			rc = topic_complain(q, rc, args->names[i]);
			status = status ? status : rc;
		}
	}
	shmq_close(q);
	return status;
}

/* ---- alter ---- */

/* Only what was given changes. */
static int alter_one(const struct mqd_args *args, shmq *q, const char *name)
{
	struct shmq_topic_info info = {0};
	const struct shmq_retention *asked = &args->topic.retention;
	int rc = shmq_topic_info(q, name, &info);
	struct shmq_retention r = info.options.retention;

	if (rc != SHMQ_OK)
		return topic_complain(q, rc, name);
	if (GIVEN(args, RETENTION))
		r.age_ns = asked->age_ns;
	if (GIVEN(args, RETENTION_BYTES))
		r.bytes = asked->bytes;
	if (GIVEN(args, UNTIL_ACKED))
		r.until_acked = asked->until_acked;
	if (GIVEN(args, DRY_RUN)) {
		printf("would alter topic '%s':", name);
		say_retention(args);
		printf("\n");
		return 0;
	}
	rc = shmq_topic_alter(q, name, &r);
	return rc == SHMQ_OK ? 0 : topic_complain(q, rc, name);
}

int topic_alter(const struct mqd_args *args)
{
	shmq *q = tool_open(args->dir, 0);
	int status = 0;

	for (int i = 0; i < args->name_count; i++) {
		int rc = alter_one(args, q, args->names[i]);

		status = status ? status : rc;
	}
	shmq_close(q);
	return status;
}

/* ---- purge, repair, delete ---- */

/* What is about to be done to a topic, as the question and the dry run say it. */
static void describe(char *text, size_t size, enum verb verb, const char *name, const char *what)
{
	switch (verb) {
	case VERB_TOPIC_PURGE:
		snprintf(text, size, "remove %s of topic '%s'", what, name);
		break;
	case VERB_TOPIC_REPAIR:
		snprintf(text, size, "start topic '%s' anew without %s", name, what);
		break;
	default:
		snprintf(text, size, "delete topic '%s' with %s", name, what);
		break;
	}
}

/* How many messages stand in the topic, in words; of a damaged one nobody knows. Returns 0 or
 * an error that leaves nothing to be done. */
static int count_messages(shmq *q, const char *name, char *text, size_t size)
{
	static struct shmq_log_info logs[SHMQ_PARTITIONS_MAX];
	struct shmq_topic_info info = {.logs = logs};
	int rc = shmq_topic_info(q, name, &info);
	uint64_t count = 0;

	if (rc == SHMQ_ECORRUPT) {
		snprintf(text, size, "all messages");
		return 0;
	}
	if (rc != SHMQ_OK)
		return rc;
	for (uint32_t p = 0; p < info.options.partitions; p++)
		count += logs[p].end_offset - logs[p].first_offset - logs[p].gaps;
	snprintf(text, size, "%" PRIu64 " message%s", count, count == 1 ? "" : "s");
	return 0;
}

static int change(const struct mqd_args *args, shmq *q, const char *name)
{
	uint64_t purged;
	int rc;

	switch (args->verb) {
	case VERB_TOPIC_PURGE:
		rc = shmq_topic_purge(q, name, &purged);
		if (rc == SHMQ_OK && GIVEN(args, VERBOSE))
			note("%" PRIu64 " message%s of topic '%s' removed", purged,
			     purged == 1 ? "" : "s", name);
		return rc;
	case VERB_TOPIC_REPAIR:
		return shmq_topic_repair(q, name);
	default:
		return shmq_topic_delete(q, name);
	}
}

static int change_one(const struct mqd_args *args, shmq *q, const char *name)
{
	char count[64], what[512];
	int rc = count_messages(q, name, count, sizeof(count));

	if (rc != SHMQ_OK)
		return topic_complain(q, rc, name);
	describe(what, sizeof(what), args->verb, name, count);
	if (GIVEN(args, DRY_RUN)) {
		printf("would %s\n", what);
		return 0;
	}
	if (!GIVEN(args, YES) && !ask_confirmed(what))
		return EXIT_NOTHING;
	rc = change(args, q, name);
	if (rc == SHMQ_ECORRUPT && args->verb == VERB_TOPIC_REPAIR) {
		warn_line("topic '%s': cannot be repaired, its options are lost: %s "
			  "('mqd topic delete %s', then create it)",
			  name, shmq_error(q), name);
		return status_of(rc);
	}
	return rc == SHMQ_OK ? 0 : topic_complain(q, rc, name);
}

int topic_change(const struct mqd_args *args)
{
	bool asks = !GIVEN(args, YES) && !GIVEN(args, DRY_RUN);
	int status = 0;
	shmq *q;

	if (asks && !ask_can())
		opt_usage(args->tool, "messages would be lost, and there is no terminal to ask on: "
				      "give -y (--yes) if that is meant");
	q = tool_open(args->dir, 0);
	for (int i = 0; i < args->name_count; i++) {
		int rc = change_one(args, q, args->names[i]);

		status = status ? status : rc;
	}
	shmq_close(q);
	return status;
}
