/* SPDX-License-Identifier: MIT */
/*
 * control_test.c - topics come and go while others are killed, stand still or meet an error between two
 * system calls of theirs.
 */
#include "hooks.h"

#include "bulk.h"
#include "topic.h"
#include "topic_end.h"

/* At the open behind the one that changes the state: the CAS is the last that is done. */
static void die_next(void)
{
	on_open = (struct hook){die, "topic", O_RDONLY};
}
static const struct hook state_changed = {die_next, "topic", O_RDWR};

/* What stands in t/, and in its directories. */
static unsigned left_over(void)
{
	return count_files("t");
}

static int send_one(shmq_pub *p, size_t bytes, int partition)
{
	static char value[200000];
	struct shmq_message m = {.value = value, .value_len = bytes, .partition = partition};
	int r = shmq_pub_send(p, &m);

	return r != 0 ? r : shmq_pub_idle(p);
}

static unsigned acked_of(shmq_pub *p, unsigned n, int partition)
{
	unsigned acked = 0;

	for (unsigned i = 0; i < n; i++)
		acked += send_one(p, 190000, partition) == 0;
	return acked;
}

/* ---- delete and repair -------------------------------------------------------------- */

static shmq *other;
static shmq_pub *pub;
static int said;

static void send_to_second(void)
{
	said = send_one(pub, 5, 1);
}

/* A publisher makes its second log just before the directory goes. */
static void late_log(void)
{
	struct shmq_topic_options o = {.partitions = 2};
	shmq *q;

	begin("the first message to a partition, while the topic is deleted");
	q = broker(), other = broker();
	shmq_topic_create(q, "t", &o);
	shmq_pub_open(other, "t", NULL, &pub, NULL);
	send_one(pub, 5, 0);
	on_unlink = (struct hook){send_to_second, NULL, AT_REMOVEDIR};
	is_i64(shmq_topic_delete(q, "t"), 0, "the topic is deleted");
	is_i64(said, SHMQ_GONE, "the publisher is told that it is gone");
	is_u64(acked_of(pub, 100, 1), 0, "nothing is acknowledged behind it");
	is_u64(left_over(), 0, "nothing is left in t/");
	shmq_pub_close(pub), shmq_close(other), shmq_close(q);
}

/* Between the state and everything else. */
static void killed_admin(bool repair, struct hook *hook, struct hook at, const char *where)
{
	struct shmq_topic_info info = {0};
	uint64_t number;
	shmq *q;
	int r;

	begin(repair ? "repair is killed" : "delete is killed");
	other = broker();
	shmq_pub_open(other, "t", NULL, &pub, NULL);
	send_one(pub, 5, 0);
	shmq_topic_info(other, "t", &info);
	number = info.number;
	if (fork() == 0) {
		q = broker();
		*hook = at;
		r = repair ? shmq_topic_repair(q, "t") : shmq_topic_delete(q, "t");
		_exit(r == 0 ? 0 : 1);
	}
	wait(NULL);
	is_u64(acked_of(pub, 20, 0), 0, "%s: nothing is acknowledged from then on", where);
	r = shmq_topic_info(other, "t", &info);
	if (repair) {
		ok(r == 0 && info.number > number, "%s: the name stands for a new number", where);
		is_i64(shmq_topic_delete(other, "t"), 0, "%s: which can be deleted", where);
	} else {
		is_i64(r, SHMQ_ENOENT, "%s: the topic is gone", where);
		is_i64(shmq_topic_delete(other, "t"), SHMQ_ENOENT, "%s: for the next deleter too", where);
	}
	is_u64(left_over(), 0, "%s: no file is left", where);
	shmq_pub_close(pub), shmq_close(other);
}

static void killed_admins(void)
{
	const struct hook bell = {die, "bell", 0}, directory = {die, NULL, AT_REMOVEDIR};

	for (int repair = 0; repair < 2; repair++) {
		killed_admin(repair, &on_open, state_changed, "behind the CAS of the state");
		killed_admin(repair, &on_unlink, bell, "before the first file goes");
		killed_admin(repair, &on_unlink, directory, "before the directory goes");
	}
}

static void flood(void)
{
	uint64_t rows, sum = 0;
	size_t room;
	void *at;

	while (sum < 20000000 && shmq_pub_lines_room(pub, 0, '\n', &at, &room) == 0) {
		memset(at, '\n', room);
		if (shmq_pub_lines_add(pub, room, &rows) != 0)
			break;
		sum += rows;
	}
}

static uint64_t first_offset(shmq *q, const char *name)
{
	static struct shmq_log_info logs[SHMQ_PARTITIONS_MAX];
	struct shmq_topic_info info = {.logs = logs};

	return shmq_topic_info(q, name, &info) == 0 ? logs[0].first_offset : 0;
}

static void repair_offsets(void)
{
	struct shmq_topic_options o = {.full = SHMQ_FULL_DROP_OLD};
	struct topic_brief t;
	shmq *q;

	begin("offsets of a repaired topic");
	q = broker(), other = broker();
	shmq_topic_create(q, "t", &o);
	shmq_pub_open(other, "t", NULL, &pub, NULL);
	flood();
	on_mkdir = (struct hook){flood, NULL, 0};
	is_i64(shmq_topic_repair(q, "t"), 0, "repaired while a publisher goes on");
	ok(first_offset(q, "t") >= 40000000 + (1ULL << 42), "they begin behind all of it");
	shmq_pub_close(pub);
	/* Moved, and nothing more. */
	topic_find(q, "t", &t);
	if (fork() == 0) {
		q = broker();
		on_open = state_changed;
		shmq_topic_repair(q, "t");
		_exit(0);
	}
	wait(NULL);
	ok(first_offset(q, "t") >= t.first_offset + (1ULL << 42), "again, finished by another");
	shmq_close(other), shmq_close(q);
}

/* Damages the header of a frame in partition 0 of topic 1. */
static void damage_newest(unsigned slot)
{
	char path[96];
	uint64_t word = 0;
	int fd;

	snprintf(path, sizeof path, "%s/t/1/log.0.0", dir);
	fd = open(path, O_RDWR);
	if (pread(fd, &word, 8, (off_t)(log_slots_at(256) + 8 * slot)) != 8 ||
	    pwrite(fd, "garbage garbage ", 16,
	           (off_t)(log_pool_at(256, 65536) + slot_word_unit(word) * FRAME_ALIGN)) != 16)
		printf("# cannot damage %s\n", path);
	close(fd);
}

/* A frame at offset 2^40 - 1000, `frames` in all, the newest damaged. */
static void repair_lost_rows(unsigned frames)
{
	const uint64_t first = (1ULL << 42) - 1000; /* so that the jump does not hide them */
	struct topic_brief t;
	uint64_t beyond = 0;
	char path[96];
	shmq *q;
	int fd;

	begin("rows of a damaged frame");
	q = broker();
	shmq_topic_create(q, "t", NULL);
	snprintf(path, sizeof path, "%s/t/1/topic", dir);
	fd = open(path, O_RDWR);
	ok(pwrite(fd, &first, 8, offsetof(struct topic_file, first_offset)) == 8, "prepared");
	close(fd);
	shmq_pub_open(q, "t", NULL, &pub, NULL);
	for (unsigned i = 0; i < frames; i++)
		send_one(pub, 5, 0);
	damage_newest(frames - 1);
	topic_find(q, "t", &t);
	is_i64(topic_offset_beyond(q, &t, &beyond), 0, "they are counted");
	ok(beyond >= 3ULL << 40, "as many as a frame can have, with %u before it", frames - 1);
	shmq_pub_close(pub), shmq_close(q);
}

static int delete_said;
static pid_t deleter;

/* The bell is about to be opened: somebody deletes the topic, and stands still before the directory
 * goes. */
static void delete_up_to_directory(void)
{
	int status;

	deleter = fork();
	if (deleter == 0) {
		shmq *q = broker();

		on_unlink = (struct hook){die, NULL, AT_REMOVEDIR};
		shmq_topic_delete(q, "t");
		_exit(1);
	}
	waitpid(deleter, &status, 0);
	delete_said = WIFSIGNALED(status);
}

static void ghost_open(void)
{
	struct shmq_topic_info info = {0};
	shmq *q;

	begin("opened while it is deleted");
	q = broker();
	shmq_topic_create(q, "t", NULL);
	on_open = (struct hook){delete_up_to_directory, "bell", O_RDWR};
	is_i64(shmq_pub_open(q, "t", NULL, &pub, NULL), 0, "a publisher opens it");
	ok(delete_said, "the deleter died on its way");
	is_i64(send_one(pub, 5, 0), 0, "and publishes");
	is_i64(shmq_topic_info(q, "t", &info), 0, "to a topic that is there");
	ok(info.number > 1, "a new one");
	shmq_pub_close(pub);
	is_i64(shmq_topic_delete(q, "t"), 0, "it is deleted");
	is_u64(left_over(), 0, "nothing is left");
	shmq_close(q);
}

static void delete_first(void)
{
	shmq *q = broker();

	said = shmq_topic_delete(q, "t");
	shmq_close(q);
}

static void lost_repair(void)
{
	shmq *q;

	begin("repaired while it is deleted");
	q = broker();
	shmq_topic_create(q, "t", NULL);
	on_link = (struct hook){delete_first, "topic", 0};
	is_i64(shmq_topic_repair(q, "t"), SHMQ_ENOENT, "the one who comes second is told");
	is_i64(said, 0, "the other one has deleted it");
	is_u64(left_over(), 0, "the new one is taken back");
	shmq_close(q);
}

static void repair_other(void)
{
	said = shmq_topic_repair(other, "t");
}

static void create_other(void)
{
	said = shmq_topic_create(other, "t", NULL);
	on_open = (struct hook){repair_other, "2", O_RDONLY};
}

static void repair_before_end(void)
{
	on_open = (struct hook){repair_other, "4", O_RDONLY};
}

/* Files that are gone by the time they are opened: the name's word has moved on. */
static void word_moves_on(void)
{
	struct shmq_topic_info info = {0};
	shmq *q;

	begin("repaired while another one looks it up");
	q = broker(), other = broker();
	on_open = (struct hook){create_other, "1", O_RDONLY};
	is_i64(shmq_topic_create(q, "t", NULL), SHMQ_EEXIST, "who creates it, too, comes second");
	is_u64(left_over(), 2, "there is one topic");
	ok(said == 0 && shmq_topic_info(q, "t", &info) == 0 && info.number == 3,
	   "the repaired one");
	on_open = (struct hook){repair_other, "3", O_RDONLY};
	is_i64(shmq_topic_info(q, "t", &info), 0, "who looks at it finds it");
	ok(said == 0 && info.number == 4, "under its new number");
	on_open = (struct hook){repair_before_end, "4", O_RDONLY};
	is_i64(shmq_topic_delete(q, "t"), 0, "who deletes it has deleted it");
	ok(said == 0 && on_open.run == NULL, "though it was repaired on the way");
	is_i64(shmq_topic_info(q, "t", &info), SHMQ_ENOENT, "nothing stands behind it");
	is_u64(left_over(), 0, "and nothing is left");
	shmq_close(other), shmq_close(q);
}

static void damage_topic_file(void)
{
	char path[96];
	int fd;

	snprintf(path, sizeof path, "%s/t/1/topic", dir);
	fd = open(path, O_RDWR);
	if (pwrite(fd, "garbage", 7, offsetof(struct topic_file, created_ns)) != 7)
		printf("# cannot damage %s\n", path);
	close(fd);
}

/* With the memory at hand: it has no other reason to look whether the topic is there. */
static void delete_damaged(void)
{
	struct shmq_message m = {.value = "m", .value_len = 1};
	shmq *q;

	begin("a damaged topic is deleted under its publisher");
	q = broker(), other = broker();
	shmq_pub_open(other, "t", NULL, &pub, NULL);
	shmq_pub_send(pub, &m);
	is_i64(shmq_pub_flush(pub), 0, "it publishes");
	damage_topic_file();
	is_i64(shmq_topic_delete(q, "t"), 0, "the topic is deleted");
	shmq_pub_send(pub, &m);
	is_i64(shmq_pub_flush(pub), SHMQ_GONE, "the publisher is told");
	is_u64(left_over(), 0, "nothing is left");
	shmq_pub_close(pub), shmq_close(other), shmq_close(q);
}

/* A handle that only observes changes nothing, and sees what will be there. */
static void observed(void)
{
	struct shmq_open_options o = {.dir = dir, .flags = SHMQ_OBSERVE};
	struct shmq_topic_info info = {0};
	shmq *q, *see;

	begin("observed half-way");
	q = broker();
	shmq_topic_create(q, "t", NULL);
	if (fork() == 0) {
		shmq *a = broker();

		on_open = state_changed;
		shmq_topic_repair(a, "t");
		_exit(0);
	}
	wait(NULL);
	shmq_open(&see, &o);
	is_i64(shmq_topic_info(see, "t", &info), 0, "a topic that moves is there");
	ok(info.number == 2 && info.unread, "under its new number");
	is_u64(first_offset(see, "t"), 1ULL << 42, "with the offset that it will have");
	is_u64(left_over(), 4, "nothing was finished by looking");
	shmq_close(see);
	shmq_topic_info(q, "t", &info); /* finishes it */
	if (fork() == 0) {
		on_open = state_changed;
		shmq_topic_delete(broker(), "t");
		_exit(0);
	}
	wait(NULL);
	shmq_open(&see, &o);
	is_i64(shmq_topic_info(see, "t", &info), SHMQ_ENOENT, "a topic that is deleted is not");
	shmq_close(see), shmq_close(q);
}

/* ---- looking ------------------------------------------------------------------------ */

static void looking(void)
{
	struct shmq_open_options o = {.dir = dir, .flags = SHMQ_OBSERVE};
	static struct shmq_log_info logs[SHMQ_PARTITIONS_MAX];
	struct shmq_topic_info info = {.logs = logs};
	shmq *q, *see;
	unsigned before;

	begin("looking");
	q = broker();
	shmq_topic_create(q, "t", NULL);
	shmq_open(&see, &o);
	before = opens;
	is_i64(shmq_topic_info(see, "t", &info), 0, "a topic that nobody has opened");
	ok(opens - before < 10, "is looked at once, not again and again");
	shmq_close(see);
	shmq_pub_open(q, "t", NULL, &pub, NULL);
	send_one(pub, 5, 0);
	send_one(pub, 5, 0);
	is_i64(shmq_topic_info(q, "t", &info), 0, "two messages");
	is_u64(logs[0].end_offset - logs[0].first_offset, 2, "are counted");
	damage_newest(1);
	is_i64(shmq_topic_info(q, "t", &info), SHMQ_ECORRUPT, "a damaged one is an error, not nothing");
	shmq_pub_close(pub), shmq_close(q);
}

/* A checksum proves that the bytes are those that were written, not that they make sense. */
static void impossible_options(void)
{
	struct shmq_topic_info info = {0};
	struct topic_brief t;
	struct map m;
	shmq *q;
	int fd;

	begin("options that cannot be");
	q = broker();
	shmq_topic_create(q, "t", NULL);
	fd = topic_dir_open(&q->error, q, 1);
	if (topic_file_open(&q->error, fd, 1, true, &m, &t) == 0) {
		struct topic_file *f = m.at;

		f->options.partitions = 1000000;
		f->hash = topic_file_hash(f);
		map_close(&m);
	}
	close(fd);
	is_i64(topic_brief_read(q, 1, &t), SHMQ_ECORRUPT, "are damage");
	is_i64(shmq_topic_info(q, "t", &info), SHMQ_ECORRUPT, "to who looks");
	is_i64(shmq_topic_repair(q, "t"), SHMQ_ECORRUPT, "and to who repairs");
	is_i64(shmq_topic_delete(q, "t"), 0, "it can be deleted");
	is_u64(left_over(), 0, "nothing is left");
	shmq_close(q);
}

/* t/1 leads elsewhere. */
static void symbolic_link(void)
{
	struct topic_brief t;
	shmq *q;

	begin("a symbolic link in t/");
	q = broker();
	shmq_topic_create(q, "t", NULL);
	shell("mv %s/t/1 %s/elsewhere && ln -s ../elsewhere %s/t/1", dir, dir, dir);
	is_i64(topic_find(q, "t", &t), SHMQ_ECORRUPT, "is not followed");
	is_i64(shmq_topic_delete(q, "t"), 0, "it can be deleted");
	is_u64(left_over(), 0, "and the link is gone");
	shell("mv %s/elsewhere %s/t/1", dir, dir);
	is_i64(topic_brief_read(q, 1, &t), 0, "what it led to is not");
	shmq_close(q);
}

/* ---- sweep -------------------------------------------------------------------------- */

static void sweep_spares(void)
{
	shmq *q;

	begin("what a sweep may not take");
	q = broker();
	shmq_topic_create(q, "t", NULL);
	shmq_topic_create(q, "u", NULL);
	shell("mkdir %s/t/77 && touch %s/t/77/log.3.0", dir, dir);
	is_i64(shmq_topic_delete(q, "nothing"), SHMQ_ENOENT, "a name that is not there");
	is_u64(left_over(), 4, "sweeps, but not what is alive");
	shmq_close(q);
}

static void bell_and_topic(void)
{
	shell("cp %s/t/1/topic %s/t/77/topic && touch %s/t/77/bell", dir, dir, dir);
}

/* A directory gets its topic, and that its bell, while a sweep looks at it. */
static void sweep_races(void)
{
	shmq *q;

	begin("a topic that is just being made");
	q = broker();
	shmq_topic_create(q, "t", NULL);
	shell("mkdir %s/t/77", dir);
	on_unlink = (struct hook){bell_and_topic, "77", AT_REMOVEDIR};
	shmq_topic_delete(q, "nothing");
	is_u64(left_over(), 5, "loses nothing to a sweep");
	shmq_close(q);
}

/* Deleted, but the deleter died behind its CAS, and nobody asks for the name. */
static void sweep_finishes(void)
{
	shmq *q;

	begin("a deletion that nobody asks for");
	q = broker();
	shmq_topic_create(q, "t", NULL);
	shmq_topic_create(q, "u", NULL);
	if (fork() == 0) {
		on_open = state_changed;
		shmq_topic_delete(broker(), "t");
		_exit(0);
	}
	wait(NULL);
	is_u64(left_over(), 4, "is left half-way");
	is_i64(shmq_topic_delete(q, "u"), 0, "another topic is deleted");
	is_u64(left_over(), 0, "and this one with it");
	shmq_close(q);
}

static const char *moved; /* the name of topic 1 */

static void finish_repair(void)
{
	struct shmq_topic_info info = {0};

	said = shmq_topic_info(other, moved, &info);
}

/* The sweep has met topic 3, and is about to ask what its name stands for: topic 1, still. */
static void finish_in_lookup(void)
{
	on_open = (struct hook){finish_repair, "1", O_RDONLY};
}

/* The sweep has seen that topic 1 is alive, and not yet what stands in t/. */
static void repair_and_die(void)
{
	if (fork() == 0) {
		on_open = state_changed;
		shmq_topic_repair(broker(), moved);
		_exit(0);
	}
	wait(NULL);
	on_open = (struct hook){finish_in_lookup, "3", O_RDONLY};
}

static void sweep_and_repair(void)
{
	bool ordered = bulk_hash("t", 1) % NAMES < bulk_hash("u", 1) % NAMES;
	struct shmq_topic_info info = {0};
	shmq *q;

	begin("a repair that another one finishes during a sweep");
	moved = ordered ? "t" : "u"; /* a sweep meets it first */
	q = broker(), other = broker();
	shmq_topic_create(q, moved, NULL);
	shmq_topic_create(q, ordered ? "u" : "t", NULL);
	on_open = (struct hook){repair_and_die, "2", O_RDONLY};
	said = -1;
	is_i64(shmq_topic_delete(q, "nothing"), SHMQ_ENOENT, "a sweep");
	is_i64(said, 0, "the repair was finished meanwhile");
	is_i64(shmq_topic_info(q, moved, &info), 0, "the topic is there");
	is_u64(info.number, 3, "under its new number");
	is_u64(left_over(), 4, "with its files");
	shmq_close(other), shmq_close(q);
}

/* Both creators are dead; what somebody has opened did stand in the registry. */
static void sweep_lost_word(void)
{
	shmq *q;

	begin("topics without a name");
	q = broker();
	if (fork() == 0) {
		shmq *a = broker();

		shmq_topic_create(a, "t", NULL);
		shmq_topic_create(a, "u", NULL);
		die();
	}
	wait(NULL);
	shmq_pub_open(q, "t", NULL, &pub, NULL);
	send_one(pub, 5, 0);
	shmq_pub_close(pub);
	registry_leave(q, "t", 1);
	registry_leave(q, "u", 2);
	is_u64(left_over(), 6, "two, one was opened");
	shmq_topic_delete(q, "nothing");
	is_u64(left_over(), 4, "a sweep takes the other one");
	shmq_close(q);
}

static void fill_window(shmq *q, unsigned state, uint64_t number, unsigned step)
{
	uint64_t hash = bulk_hash("victim", 6);

	for (unsigned i = 0; i < NAME_WINDOW; i++)
		store_relaxed(&q->broker->names[(hash + i) % NAMES],
		              name_word(state, ~hash, number + step * i));
}

static unsigned names_used(shmq *q)
{
	unsigned n = 0;

	for (unsigned i = 0; i < NAMES; i++)
		n += load_relaxed(&q->broker->names[i]) != 0;
	return n;
}

/* All words that a name may stand in are taken, by other names of the same hash. */
static void full_window(void)
{
	shmq *q;

	begin("a full window");
	q = broker();
	shmq_topic_create(q, "u", NULL);
	fill_window(q, NAME_TENTATIVE, 1, 0); /* of another name: u's number has files */
	is_i64(shmq_topic_create(q, "victim", NULL), 0, "dead creators' words make room");
	shmq_topic_delete(q, "victim");
	fill_window(q, NAME_LIVE, 1000, 1);
	is_i64(shmq_topic_create(q, "victim", NULL), 0, "so do those of topics without files");
	shmq_topic_delete(q, "victim");
	fill_window(q, NAME_LIVE, 1, 0); /* u's */
	is_i64(shmq_topic_create(q, "victim", NULL), SHMQ_ELIMIT, "those of others do not");
	fill_window(q, NAME_TENTATIVE, 1000, 1);
	shmq_topic_delete(q, "nothing");
	is_u64(names_used(q), 1, "a sweep frees words without files");
	shmq_close(q);
}

/* ---- errors are not absence --------------------------------------------------------- */

static void no_descriptors(void)
{
	struct rlimit old, none;
	uint64_t number = 0;
	struct topic_brief t;
	shmq *q;
	int r;

	begin("no descriptors left");
	q = broker();
	shmq_topic_create(q, "t", NULL);
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &none);
	is_i64(topic_find(q, "t", &t), SHMQ_ESYSTEM, "a name cannot be looked up");
	is_i64(shmq_topic_create(q, "t", NULL), SHMQ_ESYSTEM, "nor made a second time");
	is_i64(shmq_topic_delete(q, "t"), SHMQ_ESYSTEM, "nor deleted");
	is_i64(registry_enter(q, "t", 77), SHMQ_ESYSTEM, "nor entered");
	setrlimit(RLIMIT_NOFILE, &old);
	r = topic_find(q, "t", &t);
	number = t.number;
	ok(r == 0 && number == 1, "it is there all the time");
	shmq_close(q);
}

int main(void)
{
	late_log();
	killed_admins();
	repair_offsets();
	repair_lost_rows(1);
	repair_lost_rows(2);
	ghost_open();
	lost_repair();
	word_moves_on();
	delete_damaged();
	observed();
	looking();
	impossible_options();
	symbolic_link();
	sweep_spares();
	sweep_races();
	sweep_finishes();
	sweep_and_repair();
	sweep_lost_word();
	full_window();
	no_descriptors();
	shell("rm -rf %s", dir);
	return done();
}
