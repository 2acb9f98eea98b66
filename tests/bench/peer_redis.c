/* SPDX-License-Identifier: MIT */
/* peer_redis.c - a Redis server beside a measurement, and its Streams as a work queue. Built with hiredis where
 * pkg-config knows it, else to say so. */
#include "peer_redis.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "queue.h"
#include "stream.h"

static const struct command redis_server = {
    .words = {"redis-server", "--port", "0", "--unixsocket", "@socket", "--save", ""},
};

/* What it answers is on disk. */
#define AOF_DIR "redis"
static const struct command redis_server_durable = {
    .words = {"redis-server", "--port", "0", "--unixsocket", "@socket", "--save", "", "--appendonly", "yes",
	      "--appendfsync", "always", "--dir", "@disk", "--appenddirname", AOF_DIR},
};

const char *redis_missing(const struct bench *b)
{
	if (!program_path(b, "redis-cli"))
		return "redis-cli is not installed";
	return program_path(b, "redis-server") ? NULL : "redis-server is not installed";
}

static int socket_address(const struct bench *b, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (snprintf(address->sun_path, sizeof(address->sun_path), "%s/socket", b->work_dir) >=
	    (int)sizeof(address->sun_path))
		return complain("%s: too long for a socket", b->work_dir);
	return 0;
}

/* The server answers when its socket takes a connection. */
static int redis_wait(const struct bench *b)
{
	struct sockaddr_un address;
	uint64_t deadline = now_ns() + 10u * 1000000000u;
	int rc = -1;

	if (socket_address(b, &address))
		return -1;
	while (rc && now_ns() < deadline) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
		close(fd);
		nap(10000000);
	}
	return rc ? complain("redis-server did not come up within ten seconds") : 0;
}

static int server_start(struct bench *b, struct commands *beside, const struct command *server)
{
	return command_start(b, beside, server) || redis_wait(b) ? -1 : 0;
}

int redis_start(struct bench *b, struct commands *beside)
{
	return server_start(b, beside, &redis_server);
}

/* Its exit status is of no interest. */
void redis_stop(struct commands *beside)
{
	for (unsigned i = 0; i < beside->n; i++) {
		kill(beside->pids[i], SIGKILL);
		waitpid(beside->pids[i], NULL, 0);
	}
}

#ifdef BENCH_HAVE_HIREDIS
#include <hiredis/hiredis.h>

#define READ_NS (60ull * 1000000000u)
#define BATCH 500 /* commands in flight, entries asked for at once */

static struct commands beside;

const char *redis_library_missing(const struct bench *b)
{
	return redis_missing(b);
}

static redisContext *redis_connect(const struct bench *b)
{
	struct sockaddr_un address;
	redisContext *c;

	if (socket_address(b, &address))
		return NULL;
	c = redisConnectUnix(address.sun_path);
	if (c && c->err) {
		complain("Redis: %s", c->errstr);
		redisFree(c);
		return NULL;
	}
	return c;
}

/* 0 when it is there and no error. *out is the caller's, when not NULL. */
static int redis_reply(redisContext *c, redisReply **out)
{
	redisReply *r = NULL;

	if (redisGetReply(c, (void **)&r) != REDIS_OK || !r)
		return complain("Redis: %s", c->errstr);
	if (r->type == REDIS_REPLY_ERROR) {
		complain("Redis: %s", r->str);
		freeReplyObject(r);
		return -1;
	}
	if (out)
		*out = r;
	else
		freeReplyObject(r);
	return 0;
}

static int prepare(struct bench *b)
{
	redisContext *c;
	int rc;

	beside = COMMANDS_NONE;
	if (redis_start(b, &beside))
		return -1;
	c = redis_connect(b);
	if (!c)
		return -1;
	redisAppendCommand(c, "XGROUP CREATE bench workers 0 MKSTREAM");
	rc = redis_reply(c, NULL);
	redisFree(c);
	return rc;
}

static void finish(struct bench *b)
{
	(void)b;
	redis_stop(&beside);
}

static int64_t publish(struct bench *b, uint64_t until_ns)
{
	struct stream_message text;
	redisContext *c = redis_connect(b);
	uint64_t n = 0;
	int rc = c ? 0 : -1;

	stream_message_init(&text);
	while (rc == 0 && now_ns() < until_ns) {
		for (unsigned i = 0; i < BATCH; i++, n++) {
			stream_message_number(&text, n);
			redisAppendCommand(c, "XADD bench * v %b", text.bytes, (size_t)STREAM_BYTES);
		}
		for (unsigned i = 0; i < BATCH && rc == 0; i++)
			rc = redis_reply(c, NULL);
	}
	if (c)
		redisFree(c);
	return rc ? -1 : (int64_t)n;
}

/* The entries of one answer: marked, and acked with one command, which is the best that it can do. */
static int take(redisContext *c, unsigned consumer, const redisReply *streams)
{
	const char *words[3 + BATCH] = {"XACK", "bench", "workers"};
	size_t lengths[3 + BATCH] = {4, 5, 7};
	const redisReply *entries;
	int rc = 0;

	if (streams->type != REDIS_REPLY_ARRAY || streams->elements == 0)
		return 0;
	entries = streams->element[0]->element[1];
	for (size_t i = 0; i < entries->elements && i < BATCH && rc == 0; i++) {
		const redisReply *value = entries->element[i]->element[1]->element[1];

		rc = queue_took(consumer, value->str, value->len);
		words[3 + i] = entries->element[i]->element[0]->str;
		lengths[3 + i] = entries->element[i]->element[0]->len;
	}
	if (rc)
		return rc;
	redisAppendCommandArgv(c, 3 + (int)entries->elements, words, lengths);
	return redis_reply(c, NULL);
}

static int consume(struct bench *b, unsigned consumer)
{
	redisContext *c = redis_connect(b);
	int rc = c ? 0 : -1;

	while (rc == 0 && !queue_over(consumer)) {
		redisReply *r = NULL;

		redisAppendCommand(c, "XREADGROUP GROUP workers c%u COUNT %d BLOCK 5 STREAMS bench >", consumer,
				   BATCH);
		rc = redis_reply(c, &r);
		if (rc == 0)
			rc = take(c, consumer, r);
		if (r)
			freeReplyObject(r);
	}
	if (c)
		redisFree(c);
	return rc;
}

const struct queue_kind queue_redis = {"Redis Streams", prepare, finish, publish, consume};

/* ---- on disk ---- */

struct durable {
	atomic_ullong published; /* 0 until all of them are */
	uint64_t end_ns;
};

/* From 0 on. *id: of the last one read. */
static int read_some(redisContext *c, char id[64], uint64_t *n)
{
	redisReply *r = NULL;
	const redisReply *entries;

	redisAppendCommand(c, "XREAD COUNT %d BLOCK 5 STREAMS bench %s", BATCH, id);
	if (redis_reply(c, &r))
		return -1;
	if (r->type == REDIS_REPLY_ARRAY && r->elements) {
		entries = r->element[0]->element[1];
		*n += entries->elements;
		snprintf(id, 64, "%s", entries->element[entries->elements - 1]->element[0]->str);
	}
	freeReplyObject(r);
	return 0;
}

static int read_all(struct bench *b, struct durable *d)
{
	redisContext *c = redis_connect(b);
	uint64_t n = 0, published, deadline = now_ns() + READ_NS;
	char id[64] = "0";
	int rc = c ? 0 : -1;

	while (rc == 0 && ((published = atomic_load(&d->published)) == 0 || n < published)) {
		rc = read_some(c, id, &n);
		if (rc == 0 && now_ns() > deadline)
			rc = complain("Redis: %llu entries came", (unsigned long long)n);
	}
	d->end_ns = now_ns();
	if (c)
		redisFree(c);
	return rc;
}

static int durable_measure(struct bench *b, struct durable *d, double *rate)
{
	uint64_t start = now_ns();
	int64_t n;
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(read_all(b, d) != 0);
	if (pid < 0)
		return complain_errno("fork");
	n = publish(b, start + b->run_ns);
	if (n <= 0)
		kill(pid, SIGKILL);
	atomic_store(&d->published, n > 0 ? (uint64_t)n : 0);
	waitpid(pid, &status, 0);
	*rate = (double)n * 1e9 / (double)(d->end_ns - start);
	return n > 0 && status == 0 ? 0 : complain("Redis: the run failed");
}

int redis_durable_run(struct bench *b, const void *what, double *rate)
{
	struct durable *d = shared_alloc(sizeof *d);
	char path[BENCH_PATH + 16];
	int rc = -1;

	(void)what;
	if (!d)
		return -1;
	beside = COMMANDS_NONE;
	if (server_start(b, &beside, &redis_server_durable) == 0)
		rc = durable_measure(b, d, rate);
	redis_stop(&beside);
	shared_free(d, sizeof *d);
	snprintf(path, sizeof path, "%s/" AOF_DIR, b->disk_dir);
	return tree_remove(path) ? -1 : rc;
}

#else

const char *redis_library_missing(const struct bench *b)
{
	(void)b;
	return "hiredis was not there when this was built";
}

const struct queue_kind queue_redis = {.name = "Redis Streams"};

int redis_durable_run(struct bench *b, const void *what, double *rate)
{
	(void)b;
	(void)what;
	(void)rate;
	return -1;
}

#endif
