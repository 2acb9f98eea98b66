/* SPDX-License-Identifier: MIT */
/* broker.c - opening a runtime directory: the handle, the broker file, the session. */
#include "broker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* ---- fork --------------------------------------------------------------------------- */

/* A child must not keep its parent's session locked (the parent would look alive for as long as
 * the child lives): its mappings, the lock with them, are gone (MADV_DONTFORK). Nobody forks between the
 * making of a lock and that. */
static pthread_mutex_t handles_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t handles_once = PTHREAD_ONCE_INIT;
static struct shmq *handles;

static void fork_prepare(void)
{
	pthread_mutex_lock(&handles_lock);
}

static void fork_parent(void)
{
	pthread_mutex_unlock(&handles_lock);
}

static void fork_child(void)
{
	for (struct shmq *q = handles; q != NULL; q = q->next) {
		q->forked = true;
		if (q->session.fd >= 0)
			close(q->session.fd);
		q->session = SESSION_NONE;
	}
	handles = NULL;
	pthread_mutex_unlock(&handles_lock);
}

static void handles_init(void)
{
	pthread_atfork(fork_prepare, fork_parent, fork_child);
}

static void handle_add(struct shmq *q)
{
	pthread_once(&handles_once, handles_init);
	pthread_mutex_lock(&handles_lock);
	q->next = handles;
	q->previous = NULL;
	if (handles != NULL)
		handles->previous = q;
	handles = q;
	pthread_mutex_unlock(&handles_lock);
}

static void handle_remove(struct shmq *q)
{
	pthread_mutex_lock(&handles_lock);
	if (q->previous != NULL)
		q->previous->next = q->next;
	else if (handles == q)
		handles = q->next;
	if (q->next != NULL)
		q->next->previous = q->previous;
	pthread_mutex_unlock(&handles_lock);
}

int broker_check(shmq *q, bool change)
{
	if (q->forked)
		return fail(&q->error, SHMQ_EFORKED,
		            "this handle was opened before fork(); open one in the child");
	if (q->map.at == NULL)
		return fail(&q->error, SHMQ_EINVAL, "this handle was not opened: shmq_open() had failed");
	if (change && q->observe)
		return fail(&q->error, SHMQ_EINVAL, "this handle only observes");
	return 0;
}

/* ---- the runtime directory ---------------------------------------------------------- */

/* Whether /run/shmq is a broker that this user may use. */
static bool usable_broker(const char *dir)
{
	char path[64];

	snprintf(path, sizeof path, "%s/broker", dir);
	return access(path, R_OK | W_OK) == 0;
}

static int choose_dir(struct shmq *q, const char *dir)
{
	const char *env = getenv("MQ_DIR");
	int n;

	if (dir == NULL && env != NULL && env[0] != '\0')
		dir = env;
	if (dir == NULL && usable_broker("/run/shmq"))
		dir = "/run/shmq";
	if (dir != NULL)
		n = snprintf(q->dir, sizeof q->dir, "%s", dir);
	else
		n = snprintf(q->dir, sizeof q->dir, "/dev/shm/shmq-%u", (unsigned)geteuid());
	if (n <= 0 || n >= (int)sizeof q->dir)
		return fail(&q->error, SHMQ_EINVAL, "runtime directory: name is empty or too long");
	return 0;
}

/* Somebody else's directory could be changed under us: only the owner's or root's is used, and none
 * that others may write to. */
static int check_owner(struct shmq *q)
{
	struct stat st;

	if (fstat(q->dirfd, &st) < 0)
		return fail_errno(&q->error, "runtime directory %s", q->dir);
	if (st.st_uid != geteuid() && st.st_uid != 0 && geteuid() != 0)
		return fail(&q->error, SHMQ_EACCESS,
		            "runtime directory %s belongs to user %u; choose another with -b or MQ_DIR",
		            q->dir, (unsigned)st.st_uid);
	if (st.st_mode & S_IWOTH)
		return fail(&q->error, SHMQ_EACCESS,
		            "runtime directory %s may be written by everybody; chmod o-w it, or choose "
		            "another with -b or MQ_DIR",
		            q->dir);
	return 0;
}

static int open_dir(struct shmq *q, bool create)
{
	if (create && mkdir(q->dir, 0700) < 0 && errno != EEXIST)
		return fail_errno(&q->error, "making the runtime directory %s", q->dir);
	q->dirfd = open(q->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (q->dirfd < 0)
		return fail_errno(&q->error, "runtime directory %s", q->dir);
	return check_owner(q);
}

static void read_boot_id(uint8_t id[40])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	memset(id, 0, 40);
	if (fd < 0)
		return;
	if (read(fd, id, 36) != 36)
		memset(id, 0, 40);
	close(fd);
}

static int make_directory(struct shmq *q, const char *name)
{
	int fd, r;

	if (mkdirat(q->dirfd, name, 0700) < 0 && errno != EEXIST)
		return fail_errno(&q->error, "runtime directory %s", q->dir);
	fd = openat(q->dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fail_errno(&q->error, "runtime directory %s", q->dir);
	r = map_give(&q->error, q->dirfd, fd);
	close(fd);
	return r;
}

/* sessions/ and t/ first: whoever finds the broker file finds them. */
static int make_broker(struct shmq *q)
{
	struct broker_file *b;
	struct aside a;
	int fd, r = make_directory(q, "sessions");

	if (r == 0)
		r = make_directory(q, "t");
	if (r < 0)
		return r;
	fd = openat(q->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(&q->error, "runtime directory %s", q->dir);
	r = map_aside(&q->error, fd, sizeof *b, offsetof(struct broker_file, counters), &a);
	if (r == 0) {
		b = a.map.at;
		if (getrandom(&b->head.number, sizeof b->head.number, GRND_NONBLOCK) < 0)
			b->head.number = (uint64_t)getpid();
		b->head.kind = FILE_BROKER;
		b->head.bytes = sizeof *b;
		file_head_seal(&b->head);
		read_boot_id(b->boot_id);
		r = map_publish(&q->error, &a, "broker");
		if (r == 0)
			map_close(&a.map);
	}
	close(fd);
	return r == SHMQ_EEXIST ? 0 : r;
}

/* Memory that is older than this boot says nothing about who is alive. A tmpfs cannot be. */
static int check_boot(struct shmq *q)
{
	struct statfs fs;
	uint8_t id[40];

	if (fstatfs(q->map.fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC)
		return 0;
	read_boot_id(id);
	if (memcmp(id, q->broker->boot_id, 36) == 0)
		return 0;
	return fail(&q->error, SHMQ_ESTALE,
	            "%s was left by an earlier boot of this machine (it is not on a tmpfs); remove it", q->dir);
}

static int open_broker(struct shmq *q, bool create)
{
	int r = map_open(&q->error, q->dirfd, "broker", !q->observe, FILE_BROKER, 0, &q->map);

	if (r == SHMQ_ENOENT && create) {
		r = make_broker(q);
		if (r == 0)
			r = map_open(&q->error, q->dirfd, "broker", !q->observe, FILE_BROKER, 0, &q->map);
	}
	if (r == SHMQ_ENOENT)
		return fail(&q->error, r, "no broker in %s; mqpub or mqd topic create makes one", q->dir);
	if (r < 0) {
		char text[sizeof q->error.text];

		memcpy(text, q->error.text, sizeof text);
		return fail(&q->error, r, "%.200s: %.300s", q->dir, text);
	}
	if (q->map.bytes != sizeof *q->broker) {
		map_close(&q->map);
		return fail(&q->error, SHMQ_ECORRUPT, "%s/broker: impossible size", q->dir);
	}
	q->broker = q->map.at;
	return check_boot(q);
}

static int open_dirs(struct shmq *q)
{
	q->place.broker = q->broker;
	q->place.dirfd = openat(q->dirfd, "sessions", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	q->topics_dirfd = openat(q->dirfd, "t", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	q->daemon.sessions = &q->place;
	q->daemon.dir = q->dir;
	q->daemon.dirfd = q->dirfd;
	if (q->place.dirfd >= 0 && q->topics_dirfd >= 0)
		return 0;
	return fail_errno(&q->error, "%s: its sessions/ and t/", q->dir);
}

static int attach(struct shmq *q)
{
	int r;

	pthread_mutex_lock(&handles_lock); /* no fork while descriptors hold the lock */
	r = session_attach(&q->error, &q->place, &q->map, q->program, &q->session);
	pthread_mutex_unlock(&handles_lock);
	if (r == 0)
		q->counters = &q->broker->counters[q->session.slot];
	return r;
}

int shmq_open(shmq **out, const struct shmq_open_options *o)
{
	static const struct shmq_open_options defaults;
	struct shmq *q = calloc(1, sizeof *q);
	int r;

	*out = q;
	if (q == NULL)
		return SHMQ_ENOMEM;
	if (o == NULL)
		o = &defaults;
	q->dirfd = q->topics_dirfd = q->place.dirfd = -1;
	q->session = SESSION_NONE;
	q->map = MAP_NONE;
	q->daemon = DAEMON_NONE;
	q->observe = (o->flags & SHMQ_OBSERVE) != 0;
	q->notice = o->notice;
	q->context = o->context;
	snprintf(q->program, sizeof q->program, "%s",
	         o->program != NULL ? o->program : program_invocation_short_name);
	handle_add(q);
	r = choose_dir(q, o->dir);
	if (r == 0)
		r = open_dir(q, (o->flags & SHMQ_CREATE) != 0);
	if (r == 0)
		r = open_broker(q, (o->flags & SHMQ_CREATE) != 0);
	if (r == 0)
		r = open_dirs(q);
	if (r == 0 && !q->observe)
		r = attach(q);
	if (r < 0)
		map_close(&q->map);
	return r;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void shmq_close(shmq *q)
{
	if (q == NULL)
		return;
	if (q->forked) { /* its mappings did not come along, its descriptors did */
		q->map.at = NULL;
	} else {
		handle_remove(q);
		if (q->map.at != NULL)
			session_detach(&q->place, &q->session);
	}
	daemon_close(&q->daemon, q->forked);
	map_close(&q->map);
	close_fd(q->dirfd);
	close_fd(q->topics_dirfd);
	close_fd(q->place.dirfd);
	free(q);
}

const char *shmq_error(const shmq *q)
{
	return q == NULL ? "no private memory" : q->error.text;
}

const char *shmq_dir(const shmq *q)
{
	return q->dir;
}

int shmq_counters_read(shmq *q, struct shmq_counters *sum)
{
	int r = broker_check(q, false);

	*sum = (struct shmq_counters){0};
	if (r < 0)
		return r;
	for (unsigned slot = 0; slot < SESSIONS; slot++) {
		const struct slot_counters *c = &q->broker->counters[slot];

		if (load_acquire(&q->broker->sessions[slot]) == 0) /* alive pairs enter */
			continue; /* never used: its page may not be backed */
		/* relaxed: a sum of figures that move on */
		sum->messages_published += load_relaxed(&c->messages_published);
		sum->bytes_published += load_relaxed(&c->bytes_published);
		sum->frames_linked += load_relaxed(&c->frames_linked);
		sum->messages_delivered += load_relaxed(&c->messages_delivered);
		sum->bytes_delivered += load_relaxed(&c->bytes_delivered);
		sum->messages_dropped += load_relaxed(&c->messages_dropped);
		sum->messages_missed += load_relaxed(&c->messages_missed);
		sum->publisher_blocks += load_relaxed(&c->publisher_blocks);
		sum->wakeups += load_relaxed(&c->wakeups);
	}
	return 0;
}
