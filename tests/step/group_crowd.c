/* SPDX-License-Identifier: MIT */
/* group_crowd.c - consumers with an outside record, and the others of a child that is one. */
#include "group_crowd.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct hand keeper;
bool (*group_again)(unsigned number);
bool group_may_miss;
void (*at_link)(void);
enum link_stop link_stop;

static struct hand heir;
static struct {
	shmq *q;
	shmq_pub *pub;
} feed;
static bool dying; /* this process dies on purpose: it keeps the record of a child */

/* ---- dying in the middle ------------------------------------------------------------ */

struct log;
bool __real_ring_link_at(struct log *l, uint64_t position, uint64_t word);
bool __wrap_ring_link_at(struct log *l, uint64_t position, uint64_t word);

static void met_link(enum link_stop where)
{
	void (*met)(void) = at_link;

	if (met && link_stop == where) {
		at_link = NULL;
		met();
	}
}

bool __wrap_ring_link_at(struct log *l, uint64_t position, uint64_t word)
{
	met_link(LINK_BEFORE);
	bool linked = __real_ring_link_at(l, position, word);

	met_link(LINK_AFTER);
	return linked;
}

static void die(void)
{
	_exit(0);
}

/* ---- inputs ------------------------------------------------------------------------- */

static char input_buffer[MESSAGE_MAX];

void inputs_create(unsigned partitions)
{
	struct shmq_topic_options o = { .slots = IN_SLOTS, .pool_bytes = 2u << 20,
		                        .keep_bytes = 1u << 20, .partitions = partitions };
	shmq *q = session_open();

	deadline("shmq_topic_create");
	int r = shmq_topic_create(q, IN, &o);

	if (r != SHMQ_OK)
		broken("shmq_topic_create returned %d: %s", r, shmq_error(q));
	shmq_close(q);
	calm();
	world.shared->sent[W_ANY_ORDER] = world.shared->sent[W_REPLACED] = WRITER_MAX;
}

static void feed_open(void)
{
	feed.q = session_open();
	deadline("shmq_pub_open of %s", IN);
	int r = shmq_pub_open(feed.q, IN, NULL, &feed.pub, NULL);

	if (r != SHMQ_OK)
		broken("shmq_pub_open of %s returned %d: %s", IN, r, shmq_error(feed.q));
	calm();
}

void inputs_send_to(int partition, unsigned count, size_t bytes)
{
	struct shared *s = world.shared;
	struct shmq_message m[16];

	if (!feed.q)
		feed_open();
	if (count > 16 || s->inputs + count > FATES_MAX)
		broken("harness: too many messages");
	for (unsigned i = 0; i < count; i++) {
		struct fate *f = &s->fate[s->inputs + i];

		message_make(input_buffer + i * bytes, W_ANY_ORDER, s->inputs + i, bytes);
		m[i] = (struct shmq_message){ .value = input_buffer + i * bytes, .value_len = bytes,
			                      .partition = partition };
		f->sent = true;
		f->partition = (uint8_t)partition;
	}
	deadline("publishing %u messages to %s", count, IN);
	int r = shmq_pub_batch(feed.pub, m, count);

	if (r != SHMQ_OK)
		broken("shmq_pub_batch returned %d: %s", r, shmq_error(feed.q));
	calm();
	s->inputs += count;
}

void inputs_send(unsigned count, size_t bytes)
{
	inputs_send_to(0, count, bytes);
}

void inputs_stop(void)
{
	if (!feed.q)
		return;
	deadline("closing the publisher of %s", IN);
	shmq_pub_close(feed.pub);
	shmq_close(feed.q);
	calm();
	feed.q = NULL;
}

/* ---- the record --------------------------------------------------------------------- */

static struct fate *fate(unsigned number)
{
	return &world.shared->fate[number];
}

static bool is_child(void)
{
	return world.child >= 0 || dying;
}

static void trying(unsigned number, enum end how)
{
	if (is_child())
		fate(number)->tried[world.child == 1] = (uint8_t)how;
}

static bool was_tried(unsigned number, enum end how)
{
	return fate(number)->tried[0] == how || fate(number)->tried[1] == how;
}

static const char *end_name(enum end e)
{
	static const char *const names[] = { "nothing", "acked", "settled", "dead", "retried", "dropped",
		                             "moved", "requeued", "replaced" };

	return names[e];
}

static bool late_is_right(const struct hand *h)
{
	return h->may_be_late || (world.child >= 0 && world.shared->stopped);
}

/* A child that was stopped in its operation returns with what is others' by then. */
static bool is_stale(const struct hand *h)
{
	return world.child >= 0 && h->operation && (world.shared->stopped || h->may_be_late);
}

/* It takes a message: whatever it is charged for, nobody knows which before it returns. */
static bool is_loose(const struct hand *h)
{
	return world.child >= 0 && !(h->flags & SHMQ_CONSUME_MANUAL_START);
}

/* A consumer that does not wait for its own. */
static bool is_held(const struct hand *h, unsigned number)
{
	for (unsigned i = 0; i < h->count && (h->flags & SHMQ_CONSUME_PIPELINED); i++)
		if (h->held[i].number == number)
			return true;
	return false;
}

/* Of an ordered group: everything before it has come to its end, or a child died on the way there. */
static void check_turn(const struct hand *h, unsigned number, const char *what)
{
	if (scenario->group.mode != SHMQ_GROUP_ORDERED)
		return;
	for (unsigned n = 0; n < number; n++)
		if (fate(n)->partition == fate(number)->partition && !fate(n)->ended &&
		    !fate(n)->may_be_skipped && !was_tried(n, END_ACK) && !was_tried(n, END_SETTLE) &&
		    !was_tried(n, END_DEAD) && !was_tried(n, END_RETRY) &&
		    !is_held(h, n))
			broken("%s: message %u is %s before %u", h->name, number, what, n);
}

static void loose_less(void)
{
	if (world.shared->loose_charges > 0)
		world.shared->loose_charges--;
}

static void check_attempt(const struct hand *h, unsigned number, unsigned attempt)
{
	struct fate *f = fate(number);

	while (attempt > 1u + (unsigned)f->charged_max &&
	       world.shared->loose_charges > (int)is_loose(h)) {
		world.shared->loose_charges--; /* a child has taken it, and did not come to say so */
		f->charged_max++;
	}
	if ((attempt < 1u + (unsigned)f->charged_min || attempt > 1u + (unsigned)f->charged_max) &&
	    !is_stale(h) && !(group_again && group_again(number)))
		broken("%s: message %u is attempt %u; it was begun %d to %d times", h->name, number, attempt,
		       f->charged_min, f->charged_max);
}

static void check_again(const struct hand *h, unsigned number)
{
	struct fate *f = fate(number);

	if (!f->ended || is_stale(h))
		return;
	if (f->ended == END_DEAD && was_tried(number, END_REQUEUE)) {
		f->ended = END_NONE; /* whoever died there had done it */
		f->charged_min = f->charged_max = 0;
		f->tried[0] = f->tried[1] = 0;
	} else if (!group_again || !group_again(number)) {
		broken("%s: message %u was %s, and is delivered again", h->name, number,
		       end_name((enum end)f->ended));
	}
}

static void handed_out(struct hand *h, const struct shmq_delivery *d)
{
	unsigned writer, number;

	message_parse(h->name, &d->message, &writer, &number);
	if ((writer != W_ANY_ORDER && writer != W_REPLACED) || !fate(number)->sent)
		broken("%s: message %u of writer %u was never published there", h->name, number, writer);
	check_again(h, number);
	check_attempt(h, number, d->attempt);
	if (!is_stale(h))
		check_turn(h, number, "delivered");
	if (!(h->flags & SHMQ_CONSUME_MANUAL_START)) {
		fate(number)->charged_max++;
		if (is_loose(h))
			loose_less();
		fate(number)->charged_min++;
	}
	if (h->count == HANDS_MAX)
		broken("harness: too many in hand");
	h->held[h->count++] = (struct in_hand){ .d = *d, .number = number };
}

static void has_ended(const struct hand *h, unsigned number, enum end how)
{
	struct fate *f = fate(number);

	if (f->ended && (!group_again || !group_again(number)))
		broken("%s was told that message %u is %s, and it was %s before", h->name, number,
		       end_name(how), end_name((enum end)f->ended));
	check_turn(h, number, end_name(how));
	f->ended = (uint8_t)how;
}

/* ---- consumers ---------------------------------------------------------------------- */

void hand_session(struct hand *h, const char *name)
{
	memset(h, 0, sizeof(*h));
	h->name = name;
	h->q = session_open();
}

bool hand_attach(struct hand *h, unsigned flags)
{
	struct shmq_consume_options o = { .flags = flags, .options = &scenario->group, .prefetch = 8 };
	bool created = false;

	h->flags = flags;
	deadline("shmq_group_open of %s", h->name);
	int r = shmq_group_open(h->q, IN, GROUP, &o, &h->g, &created);

	if (r != SHMQ_OK)
		broken("%s: shmq_group_open returned %d: %s", h->name, r, shmq_error(h->q));
	calm();
	return created;
}

void hand_open(struct hand *h, const char *name, unsigned flags)
{
	hand_session(h, name);
	hand_attach(h, flags | SHMQ_CONSUME_NO_CREATE);
}

void hand_output(struct hand *h)
{
	struct shmq_pub_options o = { .flags = SHMQ_PUB_NO_CREATE };

	deadline("shmq_pub_open of %s", h->name);
	int r = shmq_pub_open(h->q, TOPIC, &o, &h->out, NULL);

	if (r != SHMQ_OK)
		broken("%s: shmq_pub_open returned %d: %s", h->name, r, shmq_error(h->q));
	calm();
}

void hand_close(struct hand *h)
{
	for (unsigned i = 0; i < h->count; i++)
		if (fate(h->held[i].number)->charged_min > 0)
			fate(h->held[i].number)->charged_min--;
	h->count = 0;
	deadline("closing %s", h->name);
	shmq_group_close(h->g);
	shmq_pub_close(h->out);
	shmq_close(h->q);
	calm();
	h->g = NULL;
	h->q = NULL;
	h->out = NULL;
}

/* It stood still for too long: nothing that it holds is its own any more. */
static void came_late(struct hand *h)
{
	if (!late_is_right(h))
		broken("%s is late: %s", h->name, shmq_error(h->q));
	for (unsigned i = 0; i < h->count; i++)
		if (shmq_group_ack(h->g, &h->held[i].d) != SHMQ_LATE)
			broken("%s was late, and acks message %u all the same", h->name, h->held[i].number);
	h->count = 0;
}

int hand_next(struct hand *h)
{
	struct shmq_delivery d;

	if (is_loose(h))
		world.shared->loose_charges++;
	deadline("shmq_group_next of %s", h->name);
	int r = shmq_group_next(h->g, &d);

	calm();
	if (r == SHMQ_OK)
		handed_out(h, &d);
	else if (is_loose(h))
		loose_less();
	if (r == SHMQ_OK)
		return r;
	if (r == SHMQ_LATE)
		came_late(h);
	else if (r == SHMQ_GONE && h->may_be_gone)
		h->gone = true;
	else if (r != SHMQ_EMPTY && !(r == SHMQ_OVERRUN && group_may_miss))
		broken("%s: shmq_group_next returned %d: %s", h->name, r, shmq_error(h->q));
	return r;
}

void hand_must(struct hand *h, unsigned count)
{
	for (unsigned tries = 0; count > 0; tries++) {
		int r = hand_next(h);

		if (r == SHMQ_OK)
			count--;
		else if (tries > 50)
			broken("%s: %u messages too few came", h->name, count);
		else
			world_pass(25 * MS);
	}
}

void hand_must_number(struct hand *h, unsigned number)
{
	if (h->count == 0 || h->held[h->count - 1].number != number)
		broken("%s: message %u came instead of %u", h->name,
		       h->count ? h->held[h->count - 1].number : 0, number);
}

static void put_down(struct hand *h, unsigned i)
{
	h->held[i] = h->held[--h->count];
}

static int settle(struct hand *h, const struct in_hand *m)
{
	static char value[SMALL];
	struct shmq_message out = { .value = value, .value_len = SMALL, .partition = h->partition };

	if (!h->out)
		broken("harness: %s has no output", h->name);
	message_make(value, W_ANY_ORDER, m->number, SMALL);
	return shmq_group_settle(h->g, &m->d, h->out, &out, 1, 20 * (int64_t)SECOND);
}

int hand_end(struct hand *h, unsigned i, enum end how)
{
	struct in_hand m = h->held[i];

	trying(m.number, how);
	deadline("%s has message %u %s", h->name, m.number, end_name(how));
	int r = how == END_ACK      ? shmq_group_ack(h->g, &m.d)
	        : how == END_SETTLE ? settle(h, &m)
	                            : shmq_group_dead(h->g, &m.d, NULL);

	calm();
	if (r != SHMQ_OK && !(r == SHMQ_LATE && (late_is_right(h) || h->gone)) &&
	    !(r == SHMQ_FULL && how == END_DEAD) && !(r == SHMQ_GONE && h->may_be_gone))
		broken("%s: message %u was to be %s: %d, %s", h->name, m.number, end_name(how), r,
		       shmq_error(h->q));
	if (r == SHMQ_OK)
		has_ended(h, m.number, how);
	trying(m.number, END_NONE);
	put_down(h, i);
	return r;
}

int hand_retry(struct hand *h, unsigned i, int64_t delay_ns)
{
	struct in_hand m = h->held[i];
	bool dead;

	trying(m.number, END_RETRY);
	deadline("%s retries message %u", h->name, m.number);
	int r = shmq_group_retry(h->g, &m.d, delay_ns, NULL, &dead);

	calm();
	if (r != SHMQ_OK && !(r == SHMQ_LATE && late_is_right(h)))
		broken("%s: retry of message %u returned %d: %s", h->name, m.number, r, shmq_error(h->q));
	if (r == SHMQ_OK && dead)
		has_ended(h, m.number, END_DEAD);
	trying(m.number, END_NONE);
	put_down(h, i);
	return r;
}

int hand_release(struct hand *h, unsigned i)
{
	struct in_hand m = h->held[i];
	bool begun = !(h->flags & SHMQ_CONSUME_MANUAL_START);

	if (begun)
		fate(m.number)->charged_min--;
	deadline("%s releases message %u", h->name, m.number);
	int r = shmq_group_release(h->g, &m.d);

	calm();
	if (r != SHMQ_OK && !(r == SHMQ_LATE && late_is_right(h)))
		broken("%s: release of message %u returned %d: %s", h->name, m.number, r, shmq_error(h->q));
	if (begun && r == SHMQ_OK && !world.shared->stopped)
		fate(m.number)->charged_max--;
	put_down(h, i);
	return r;
}

int hand_start(struct hand *h, unsigned i)
{
	struct in_hand *m = &h->held[i];

	fate(m->number)->charged_max++;
	deadline("%s starts message %u", h->name, m->number);
	int r = shmq_group_start(h->g, &m->d);

	calm();
	if (r != SHMQ_OK && !(r == SHMQ_LATE && late_is_right(h)))
		broken("%s: start of message %u returned %d: %s", h->name, m->number, r, shmq_error(h->q));
	if (r == SHMQ_OK)
		fate(m->number)->charged_min++;
	else
		put_down(h, i);
	return r;
}

void hand_renew(struct hand *h)
{
	deadline("%s renews its lease", h->name);
	int r = shmq_group_renew(h->g);

	calm();
	if (r == SHMQ_LATE)
		came_late(h);
	else if (r == SHMQ_GONE && h->may_be_gone)
		h->gone = true;
	else if (r != SHMQ_OK)
		broken("%s: shmq_group_renew returned %d: %s", h->name, r, shmq_error(h->q));
}

enum end hand_way(const struct hand *h)
{
	return h->out ? END_SETTLE : END_ACK;
}

static void end_all(struct hand *h)
{
	while (h->count > 0) {
		if (world.child < 0 && all.q)
			view_take(&all, ALL_FRAMES); /* nobody else makes room */
		hand_end(h, 0, hand_way(h));
	}
}

unsigned hand_drain(struct hand *h)
{
	unsigned taken = 0;

	for (unsigned empty = 0; empty < 3 && !h->gone;) {
		int r = hand_next(h);

		if (r == SHMQ_EMPTY) {
			empty++;
			world_pass(25 * MS);
		} else {
			empty = 0;
			taken += r == SHMQ_OK;
			end_all(h);
		}
	}
	if (h->out) {
		deadline("%s holds nothing while it waits", h->name);
		if (shmq_pub_idle(h->out) != SHMQ_OK)
			broken("shmq_pub_idle of %s: %s", h->name, shmq_error(h->q));
		calm();
	}
	if (world.child < 0 && all.q)
		view_take(&all, ALL_FRAMES);
	return taken;
}

void hand_goes_on(struct hand *h)
{
	step_mark(MARK_END);
	h->operation = false;
	end_all(h);
	for (unsigned i = 0; i < 4 && !h->gone; i++) {
		if (hand_next(h) == SHMQ_OK && (h->flags & SHMQ_CONSUME_MANUAL_START))
			hand_start(h, h->count - 1);
		end_all(h);
	}
	hand_close(h);
}

/* ---- time and death ----------------------------------------------------------------- */

void group_time(uint64_t ns)
{
	for (uint64_t passed = 0; passed < ns; passed += SECOND) {
		world_pass(SECOND);
		if (keeper.g && !keeper.gone)
			hand_renew(&keeper);
		if (heir.g)
			hand_renew(&heir);
	}
}

static void bury(pid_t pid)
{
	int status;

	if (pid < 0)
		broken("harness: fork");
	if (waitpid(pid, &status, 0) == pid && status == 0)
		return;
	if (world.outcome->verdict == VERDICT_FAIL)
		_exit(99); /* it has said why */
	broken("harness: a consumer that was to die ended with status %#x", (unsigned)status);
}

void group_dead_consumer(unsigned take, unsigned ack, unsigned flags)
{
	struct hand h;
	pid_t pid = fork();

	if (pid == 0) {
		hand_open(&h, "a consumer that dies", flags);
		hand_must(&h, take);
		for (unsigned i = 0; i < ack; i++)
			hand_end(&h, 0, END_ACK);
		_exit(0);
	}
	bury(pid);
}

void group_dead_settler(enum link_stop where, enum end how)
{
	struct hand h;
	pid_t pid = fork();

	if (pid == 0) {
		dying = true;
		hand_open(&h, "a settler that dies", 0);
		if (how == END_SETTLE)
			hand_output(&h);
		hand_must(&h, 1);
		at_link = die;
		link_stop = where;
		if (how == END_RETRY)
			hand_retry(&h, 0, 3 * (int64_t)SECOND);
		else
			hand_end(&h, 0, how);
		broken("harness: a settler that was to die did not");
	}
	bury(pid);
}

/* ---- others ------------------------------------------------------------------------- */

void group_begin(bool target)
{
	inputs_create(1);
	if (target)
		crowd_begin();
	hand_session(&keeper, "the keeper");
	if (!hand_attach(&keeper, 0))
		broken("the keeper found the group that it was to make");
	if (target)
		hand_output(&keeper);
}

/* More than a lap of the window, of slots and of the pool. */
static void group_lap(void)
{
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned k = 0; k < IN_SLOTS / 2 - 2; k++)
			inputs_send(4, SMALL);
		inputs_send(1, LARGE);
		inputs_send(1, LARGE);
		hand_drain(&keeper);
	}
}

void group_others(void)
{
	inputs_send(8, SMALL);
	inputs_send(8, SMALL);
	unsigned n = hand_drain(&keeper);

	if (n < 16)
		broken("%u of 16 messages come through while one stands still", n);
	group_time(LEASE + 2 * SECOND);
	hand_drain(&keeper);
	group_lap();
	if (all.q)
		crowd_lap();
	if (world.shared->stopped)
		inputs_send(3, SMALL); /* for the child */
}

/* ---- the end ------------------------------------------------------------------------ */

struct shmq_group_info group_info(shmq *q)
{
	static struct shmq_group_log_info logs[SHMQ_PARTITIONS_MAX];
	struct shmq_group_info info = { .logs = logs };

	deadline("shmq_group_info");
	int r = shmq_group_info(q, IN, GROUP, &info);

	if (r != SHMQ_OK)
		broken("shmq_group_info returned %d: %s", r, shmq_error(q));
	calm();
	return info;
}

void group_letters(void (*each)(shmq_dlq *d, const struct shmq_dead_letter *letter, unsigned writer,
                                unsigned number))
{
	struct shmq_dead_letter letter;
	shmq_dlq *d;
	shmq *q = session_open();

	deadline("the dead letters");
	int r = shmq_dlq_open(q, IN, GROUP, &d);

	if (r != SHMQ_OK)
		broken("shmq_dlq_open returned %d: %s", r, shmq_error(q));
	while ((r = shmq_dlq_next(d, &letter)) == SHMQ_OK) {
		unsigned writer, number;

		message_parse("the dead letters", &letter.message, &writer, &number);
		each(d, &letter, writer, number);
	}
	if (r != SHMQ_END)
		broken("shmq_dlq_next returned %d: %s", r, shmq_error(q));
	shmq_dlq_close(d);
	shmq_close(q);
	calm();
}

static unsigned letters[FATES_MAX], letter_count;

static void count_letter(shmq_dlq *d, const struct shmq_dead_letter *letter, unsigned writer, unsigned number)
{
	(void)d;
	(void)letter;
	(void)writer;
	letters[number]++;
	letter_count++;
}

static bool is_waiting(const struct shmq_group_info *info)
{
	return info->logs[0].lag > 0 || info->logs[1].lag > 0 || info->retry > 0;
}

void group_settle_all(void)
{
	struct shmq_group_info info;

	hand_open(&heir, "a fresh consumer", 0);
	if (keeper.out)
		hand_output(&heir);
	for (unsigned i = 0; i < 4; i++) {
		group_time(2 * LEASE);
		hand_drain(&heir);
		hand_drain(&keeper);
		info = group_info(heir.q);
		if (!is_waiting(&info))
			break;
	}
	hand_close(&heir);
}

/* What may be true of a message: how it ended, or what a child had begun when it died. */
static bool may_be(unsigned number, enum end how, bool out, unsigned dead)
{
	switch (how) {
	case END_ACK:
	case END_DROP:
		return !out && dead == 0;
	case END_SETTLE:
	case END_MOVE:
		return out && dead == 0;
	case END_DEAD:
		return !out && dead == 1;
	case END_RETRY:
		return fate(number)->ended == END_NONE && !out && dead == 1;
	default:
		return false;
	}
}

static void check_message(unsigned number)
{
	const struct fate *f = fate(number);
	bool out = world.shared->offset_of[W_ANY_ORDER][number] != 0, good;
	enum end ended = (enum end)f->ended, tried[2] = { (enum end)f->tried[0], (enum end)f->tried[1] };

	if (f->may_be_skipped && ended == END_NONE)
		return;
	good = may_be(number, ended, out, letters[number]);
	if (ended == END_NONE || ended == END_DEAD) /* a child may have done more, and died */
		good = good || may_be(number, tried[0], out, letters[number]) ||
		       may_be(number, tried[1], out, letters[number]);
	if (!good)
		broken("message %u: %s, the children were about to have it %s and %s; it %s in the target, and %u "
		       "times among the dead letters",
		       number, ended ? end_name(ended) : "never ended", end_name(tried[0]),
		       end_name(tried[1]), out ? "stands" : "does not stand", letters[number]);
}

void group_check(void)
{
	struct shmq_group_info info = group_info(keeper.q);

	if (all.q)
		view_settle(&all);
	memset(letters, 0, sizeof(letters));
	letter_count = 0;
	group_letters(count_letter);
	for (unsigned n = 0; n < world.shared->inputs; n++)
		check_message(n);
	for (unsigned p = 0; p < 2; p++)
		if (info.logs[p].lag > 0 || info.logs[p].inflight > 0 || info.logs[p].waiting > 0)
			broken("in the end %llu messages are left, %llu in hands and %llu waiting",
			       (unsigned long long)info.logs[p].lag,
			       (unsigned long long)info.logs[p].inflight,
			       (unsigned long long)info.logs[p].waiting);
	if (info.retry > 0 || info.dead != letter_count)
		broken("in the end %llu messages are left in the return log, and %llu dead ones of %u",
		       (unsigned long long)info.retry, (unsigned long long)info.dead, letter_count);
}

static unsigned count_group_files(void)
{
	char path[128];
	unsigned n = 0;
	struct dirent *e, *f;

	snprintf(path, sizeof(path), "%s/t", world.dir);
	DIR *topics = opendir(path);

	while (topics && (e = readdir(topics))) {
		char topic[512];

		snprintf(topic, sizeof(topic), "%s/%s", path, e->d_name);
		DIR *d = e->d_name[0] == '.' ? NULL : opendir(topic);

		while (d && (f = readdir(d)))
			n += strncmp(f->d_name, "group.", 6) == 0;
		if (d)
			closedir(d);
	}
	if (topics)
		closedir(topics);
	return n;
}

void group_over(void)
{
	/* What one who dies has made, or a seek has passed, is removed by the next maker, deleter or seek. */
	unsigned files = count_group_files(), most = 4;

	if (world.variant == KILL)
		most += scenario->children == 2 ? 8 : 1;

	if (files > most)
		broken("%u files of one group", files);
	if (keeper.q)
		hand_close(&keeper);
	inputs_stop();
	shmq *q = session_open();

	deadline("shmq_group_delete");
	int r = shmq_group_delete(q, IN, GROUP);

	if (r != SHMQ_OK)
		broken("shmq_group_delete returned %d: %s", r, shmq_error(q));
	shmq_close(q);
	calm();
	if (count_group_files() > 0)
		broken("%u files of a group that is deleted", count_group_files());
	for (unsigned i = 0; i < 3; i++) {
		q = session_open();
		shmq_close(q);
	}
}

static void capacity(unsigned n, const char *what)
{
	world.outcome->capacity = n;
	if (n == 0 || n < world.baseline)
		broken("memory is lost: %u %s fit, and %u when nobody was stopped", n, what, world.baseline);
}

void group_capacity(void)
{
	struct shmq_pub_options o = { .flags = SHMQ_PUB_NO_WAIT };
	struct shmq_message m = { .value = input_buffer, .value_len = LARGE, .partition = 0 };
	unsigned n = 0;
	int r;

	for (unsigned i = 0; i < 3; i++) {
		inputs_send(1, LARGE);
		hand_drain(&keeper);
	}
	inputs_stop();
	shmq *q = session_open();
	shmq_pub *pub;

	deadline("filling %s", IN);
	r = shmq_pub_open(q, IN, &o, &pub, NULL);
	if (r != SHMQ_OK)
		broken("shmq_pub_open of %s returned %d: %s", IN, r, shmq_error(q));
	for (;;) {
		unsigned number = world.shared->inputs;

		message_make(input_buffer, W_ANY_ORDER, number, LARGE);
		r = shmq_pub_send(pub, &m);
		if (r == SHMQ_OK)
			r = shmq_pub_flush(pub);
		if (r != SHMQ_OK)
			break;
		fate(number)->sent = true;
		world.shared->inputs++;
		n++;
	}
	if (r != SHMQ_FULL)
		broken("publishing to %s returned %d: %s", IN, r, shmq_error(q));
	shmq_pub_close(pub);
	shmq_close(q);
	calm();
	hand_drain(&keeper);
	capacity(n, "large messages");
}

static void drop_letter(shmq_dlq *d, const struct shmq_dead_letter *letter, unsigned writer, unsigned number)
{
	(void)writer;
	if (shmq_dlq_drop(d, letter) != SHMQ_OK)
		broken("a dead letter cannot be dropped");
	fate(number)->ended = END_DROP;
}

void group_returns_capacity(void)
{
	unsigned n = 0;
	int r = SHMQ_OK;

	group_letters(drop_letter);
	while (r == SHMQ_OK && n < 40) {
		inputs_send(1, LARGE);
		hand_must(&keeper, 1);
		r = hand_end(&keeper, 0, END_DEAD);
		n += r == SHMQ_OK;
		hand_drain(&keeper); /* tells publishers how far it has come */
	}
	group_letters(drop_letter);
	group_settle_all();
	capacity(n, "large dead letters");
}

void group_finish(void)
{
	bool target = keeper.out != NULL;

	group_settle_all();
	group_check();
	if (!target)
		group_capacity();
	group_check();
	group_over();
	if (target)
		crowd_end();
}
