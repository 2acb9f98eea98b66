/* SPDX-License-Identifier: MIT */
/* session_test.c - who counts as alive, whatever its program and its children do. */
#include "hooks.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>

#include "broker.h"

static int fds[2]; /* a child says its session's ID */

static void tell_id(const shmq *q)
{
	if (write(fds[1], &q->session.id, 8) != 8)
		_exit(1);
}

/* Runs work() in a child that then stays; its session's ID. */
static uint64_t session_of(void (*work)(void), pid_t *pid)
{
	uint64_t id = 0;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return 0;
	*pid = fork();
	if (*pid == 0) {
		work();
		for (;;)
			pause();
	}
	close(fds[1]);
	if (read(fds[0], &id, 8) != 8)
		printf("# the child said nothing\n");
	close(fds[0]);
	return id;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- children ----------------------------------------------------------------------- */

static pid_t grandchild;
static atomic_u32 forking;

static void *fork_child_that_stays(void *none)
{
	atomic_store(&forking, 1);
	grandchild = fork();
	if (grandchild == 0)
		for (;;)
			pause();
	atomic_store(&forking, 2);
	return none;
}

/* The session's file is locked and about to get its name: another thread forks. */
static void fork_now(void)
{
	pthread_t t;

	pthread_create(&t, NULL, fork_child_that_stays, NULL);
	while (atomic_load(&forking) == 0)
		sched_yield();
	usleep(20000); /* long enough for a fork that nobody holds up */
}

static void attach_and_fork(void)
{
	shmq *q;

	on_link = (struct hook){fork_now, NULL, 0};
	q = broker();
	while (atomic_load(&forking) != 2)
		sched_yield();
	tell_id(q);
	if (write(fds[1], &grandchild, sizeof grandchild) < 0)
		_exit(1);
}

static void forked(void)
{
	pid_t pid, left = 0;
	uint64_t id;
	shmq *q;

	begin("a thread forks while another one attaches");
	q = broker();
	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		attach_and_fork();
		for (;;)
			pause();
	}
	ok(read(fds[0], &id, 8) == 8 && read(fds[0], &left, sizeof left) == sizeof left, "attached");
	ok(session_alive(&q->place, id), "it is alive");
	end(pid);
	ok(!session_alive(&q->place, id), "and dead when its process is, though the child lives");
	if (left > 0)
		kill(left, SIGKILL);
	close(fds[0]), close(fds[1]);
	shmq_close(q);
}

/* ---- descriptors -------------------------------------------------------------------- */

static void close_everything(void)
{
	struct error e;
	shmq *q = broker();

	tell_id(q);
	for (int fd = 3; fd < 100; fd++)
		close(fd);
	_exit(session_check(&e, &q->session) == SHMQ_ESYSTEM ? 0 : 1);
}

static void close_and_stay(void)
{
	shmq *q = broker();
	int out = dup2(fds[1], 200);

	for (int fd = 3; fd < 100; fd++)
		close(fd);
	fds[1] = out;
	tell_id(q);
}

static void execute(void)
{
	tell_id(broker());
	execlp("sleep", "sleep", "20", (char *)NULL);
}

static bool dies_within(shmq *q, uint64_t id, unsigned ms)
{
	for (unsigned i = 0; i < ms; i++) {
		if (!session_alive(&q->place, id))
			return true;
		usleep(1000);
	}
	return false;
}

static void descriptors(void)
{
	int status = 1;
	uint64_t id;
	pid_t pid;
	shmq *q;

	begin("a program closes what it has not opened");
	q = broker();
	id = session_of(close_and_stay, &pid);
	ok(session_alive(&q->place, id), "its session is alive all the same");
	end(pid);
	ok(!session_alive(&q->place, id), "until it ends");
	session_of(close_everything, &pid);
	waitpid(pid, &status, 0);
	is_i64(status, 0, "it is told when it takes memory");
	id = session_of(execute, &pid);
	ok(dies_within(q, id, 5000), "a process that executes another program is not");
	end(pid);
	shmq_close(q);
}

/* A directory of an overlay: mappings hold the file below it. */
static void overlay(void)
{
	char base[80], options[320];
	uint64_t id;
	pid_t pid;
	shmq *q;

	begin("an overlay filesystem");
	snprintf(base, sizeof base, "%s.base", dir);
	snprintf(options, sizeof options, "lowerdir=%s/l,upperdir=%s/u,workdir=%s/w", base, base, base);
	shell("mkdir -p %s && mkdir -p -m 700 %s", base, dir);
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("test", base, "tmpfs", 0, NULL) < 0) {
		skip("needs root");
		return;
	}
	shell("mkdir %s/l %s/u %s/w", base, base, base);
	if (mount("overlay", dir, "overlay", 0, options) < 0) {
		skip("no overlay filesystem");
	} else {
		shell("chmod 700 %s", dir);
		q = broker();
		ok(q->session.fd >= 0, "the descriptor is kept");
		id = session_of(execute, &pid);
		ok(dies_within(q, id, 5000), "a session there ends");
		ok(session_alive(&q->place, q->session.id), "not before its time");
		end(pid);
		shmq_close(q);
		umount(dir);
	}
	umount(base);
	shell("rmdir %s", base);
}

/* ---- reaping ------------------------------------------------------------------------ */

static bool slot_used(const shmq *q, unsigned slot)
{
	return session_word_used(load_acquire(&q->broker->sessions[slot]));
}

static void behind_living(void)
{
	shmq *q[20];

	begin("a dead session behind living ones");
	for (unsigned i = 0; i < 20; i++)
		q[i] = broker();
	if (fork() == 0) {
		broker();
		_exit(0);
	}
	wait(NULL);
	ok(slot_used(q[0], 20), "is there");
	for (unsigned i = 0; i < 12; i++)
		shmq_close(broker());
	ok(!slot_used(q[0], 20), "and reaped by those who attach");
	for (unsigned i = 0; i < 20; i++)
		shmq_close(q[i]);
}

static unsigned session_files(void)
{
	return count_files("sessions");
}

static void left_files(void)
{
	shmq *q;

	begin("files of sessions that died on their way out");
	for (unsigned i = 0; i < 20; i++) {
		if (fork() == 0) {
			q = broker();
			on_unlink = (struct hook){die, NULL, 0};
			shmq_close(q);
			_exit(0);
		}
		wait(NULL);
	}
	is_u64(session_files(), 1, "go with the next session of their slot");
	q = broker();
	is_u64(session_files(), 1, "all of them");
	shmq_close(q);
	is_u64(session_files(), 0, "and none is left");
}

/* ---- root's visit ------------------------------------------------------------------- */

#define SOMEBODY 12345

static void as_somebody(void)
{
	struct shmq_message m = {.value = "x", .value_len = 1, .partition = -1};
	shmq_pub *pub;
	shmq *q;
	int r = setgid(SOMEBODY) < 0 || setuid(SOMEBODY) < 0;

	if (r == 0) {
		q = broker();
		r = shmq_pub_open(q, "t", NULL, &pub, NULL) != 0 || shmq_pub_send(pub, &m) != 0 ||
		    shmq_pub_flush(pub) != 0 || shmq_topic_delete(q, "t") != 0 ||
		    shmq_topic_create(q, "t", NULL) != 0;
		if (r != 0)
			printf("# %s\n", shmq_error(q));
	}
	fflush(stdout);
	_exit(r);
}

static void visit(void)
{
	struct shmq_message m = {.value = "x", .value_len = 1, .partition = -1};
	shmq_pub *pub;
	int status = 1;
	shmq *q;

	begin("root in a user's directory");
	if (geteuid() != 0) {
		skip("needs root");
		return;
	}
	shell("mkdir -m 700 %s && chown %d:%d %s", dir, SOMEBODY, SOMEBODY, dir);
	q = broker();
	shmq_pub_open(q, "t", NULL, &pub, NULL);
	ok(shmq_pub_send(pub, &m) == 0 && shmq_pub_flush(pub) == 0, "root publishes there");
	shmq_pub_close(pub), shmq_close(q);
	if (fork() == 0)
		as_somebody();
	wait(&status);
	is_i64(status, 0, "the user goes on with all of it");
	q = broker();
	is_i64(shmq_topic_delete(q, "t"), 0, "and root with what is the user's");
	shmq_close(q);
}

/* ---- odd surroundings --------------------------------------------------------------- */

static int ignore(void *context, const char *name, uint64_t number)
{
	(void)context, (void)name, (void)number;
	return 0;
}

static void not_opened(void)
{
	struct shmq_open_options o = {.dir = dir};
	shmq *q;

	begin("a handle whose opening has failed");
	is_i64(shmq_open(&q, &o), SHMQ_ENOENT, "there is no broker");
	is_i64(shmq_topic_list(q, ignore, NULL), SHMQ_EINVAL, "it cannot be used");
	ok(strstr(shmq_error(q), "not opened") != NULL, "and says so: %s", shmq_error(q));
	shmq_close(q);
}

static void without_proc(void)
{
	int status = 1;

	begin("without /proc");
	if (geteuid() != 0) {
		skip("needs root");
		return;
	}
	fflush(stdout);
	if (fork() == 0) {
		alarm(10);
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("none", "/proc", "tmpfs", 0, NULL) < 0)
			_exit(77);
		_exit(shmq_topic_create(broker(), "t", NULL) == 0 ? 0 : 1);
	}
	wait(&status);
	if (WEXITSTATUS(status) == 77)
		skip("cannot hide /proc");
	else
		is_i64(status, 0, "root makes a topic");
}

int main(void)
{
	not_opened();
	without_proc();
	forked();
	descriptors();
	behind_living();
	left_files();
	visit();
	overlay(); /* last: in a mount namespace of its own */
	shell("rm -rf %s", dir);
	return done();
}
