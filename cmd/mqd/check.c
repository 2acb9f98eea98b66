/* SPDX-License-Identifier: MIT */
/* check.c - mqd check: which store, and what is printed of it. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"
#include "mqd.h"
#include "words.h"

static void found(void *context, bool damage, const char *sentence)
{
	(void)context;
	if (damage)
		printf("%s\n", sentence);
	else
		note("%s", sentence);
}

/* The store that was named, else that of the runtime directory, else the one that mqd would take. */
static void find_store(const struct mqd_args *args, const shmq *q, char path[STORE_DIR_MAX])
{
	const char *env = getenv("MQ_STORE");
	const char *named = args->store ? args->store : env && *env ? env : NULL;

	if (!named && q && q->daemon.file)
		named = q->daemon.file->store;
	if (named)
		snprintf(path, STORE_DIR_MAX, "%s", named);
	else if (!daemon_default_store(q && q->dir[0] ? q->dir : args->dir ? args->dir : "/run/shmq", path, STORE_DIR_MAX))
		die(EX_USAGE, "the path of the store is too long");
}

static int status_of_check(int rc)
{
	switch (rc) {
	case SHMQ_ENOENT:
		return EX_NOINPUT;
	case SHMQ_ECORRUPT:
		return EXIT_CONFIG;
	case SHMQ_END:
		return EX_UNAVAILABLE;
	default:
		return status_of(rc);
	}
}

int check(const struct mqd_args *args)
{
	struct check_options o = {.topics = args->names,
				  .topic_count = (size_t)args->name_count,
				  .verbose = GIVEN(args, VERBOSE),
				  .found = found};
	struct check_result r;
	struct error why, e = {.text = ""};
	char path[STORE_DIR_MAX];
	shmq *q = NULL;
	int rc;

	/* The runtime directory may know more of the store than the store itself; it need not be there. */
	if (tool_try_open(args->dir, SHMQ_OBSERVE, &q) == SHMQ_OK && daemon_open(&why, &q->daemon) == 0) {
		o.store = q->daemon.file->head.number;
		o.durable = load_acquire(&q->daemon.file->commit); /* stored:written */
	}
	find_store(args, q, path);
	shmq_close(q);
	o.storefd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o.storefd < 0)
		die(errno == EACCES || errno == EPERM ? EX_NOPERM : EX_NOINPUT, "the store %s: %s", path, strerror(errno));
	rc = store_check(&e, &o, &r);
	close(o.storefd);
	if (rc < 0 || rc == SHMQ_END)
		die(status_of_check(rc), "the store %s: %s", path, e.text);
	if (GIVEN(args, VERBOSE))
		note("%s: %" PRIu64 " segments, %" PRIu64 " commits, %" PRIu64 " topics, %" PRIu64 " messages, %" PRIu64
		     " bytes; snapshot of commit %" PRIu64 "; %" PRIu64 " problems",
		     path, r.segments, r.commits, r.topics, r.messages, r.bytes, r.snapshot, r.problems);
	return r.problems ? EXIT_NOTHING : 0;
}
