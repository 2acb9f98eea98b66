/* SPDX-License-Identifier: MIT */
/* io_open_test.c - which disk is taken where a kernel, a filesystem or a filter refuses, and what is said of it. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "io_disk.h"

/* Opens, says which kind it was, or the error; `why` is kept. */
static char why[200];
static const char *opened(enum io_kind kind, bool *direct)
{
	static char text[80];
	struct io *got = NULL;
	int r;

	strcpy(why, "?");
	r = io_open(dir, kind, &got, direct, why, sizeof why);
	snprintf(text, sizeof text, "%s", r < 0 ? strerror(-r) : got->ops->name);
	if (r == 0)
		got->ops->free(got);
	else if (got != NULL)
		strcat(text, ", and a disk");
	return text;
}

static void probed(const char *filesystem, bool direct_wanted)
{
	bool direct = !direct_wanted;

	is_str(opened(IO_AUTO, &direct), "uring", "%s: the ring is taken", filesystem);
	is_str(why, "", "%s: without a reason", filesystem);
	is_i64(direct, direct_wanted, "%s: past the page cache, or not", filesystem);
	is_str(opened(IO_URING, &direct), "uring", "%s: the ring was asked for", filesystem);
	direct = !direct_wanted;
	is_str(opened(IO_SYNC, &direct), "sync", "%s: plain calls were asked for", filesystem);
	is_i64(direct, direct_wanted, "%s: past the page cache, or not", filesystem);
	is_u64(names_left(), 0, "%s: nothing is left behind", filesystem);
}

/* Each refused write of the probe is one of plain calls, here: those of a ring cannot be stood in for. */
static void large_blocks(void)
{
	bool direct = true;
	struct io *got = NULL;
	int file;

	refuse_direct_writes = true;
	need(io_open(dir, IO_SYNC, &got, &direct, why, sizeof why));
	ok(!direct, "blocks of the device that are larger than ours: through the page cache");
	file = got->ops->open(got, "x", IO_CREATE | IO_DIRECT);
	is_i64(got->ops->write(got, file, blocks, IO_BLOCK, 0), IO_BLOCK, "and so is what is opened later");
	drops = 0;
	is_i64(got->ops->read(got, file, blocks, IO_BLOCK, 0), IO_BLOCK, "it is read");
	is_u64(drops, 1, "but not what the cache has of it");
	got->ops->close(got, file);
	file = got->ops->open(got, "x", IO_READ_ONLY);
	is_i64(got->ops->read(got, file, blocks, IO_BLOCK, 0), IO_BLOCK, "it is read from the cache");
	is_u64(drops, 1, "where that is not asked for");
	refuse_direct_writes = false;
	got->ops->remove(got, "x");
	got->ops->free(got);
}

static void left_behind(void)
{
	bool direct;

	close(openat(dir, "io.probe", O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	is_str(opened(IO_SYNC, &direct), "sync", "what a killed probe has left is no obstacle");
	is_u64(names_left(), 0, "and is removed");
}

struct denial {
	const char *what, *says;
	unsigned call, error;
};

static bool deny(unsigned call, unsigned error)
{
	struct sock_filter code[] = {
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = sizeof code / sizeof code[0], .filter = code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

static int complaint(int status, const char *want)
{
	printf("# %s; want %s\n", why, want);
	fflush(stdout);
	return status;
}

/* In a process of its own, that cannot get rid of the filter. Its exit status: 0 is good. */
static void denied(void *argument)
{
	const struct denial *d = argument;
	unsigned at_first = descriptors();
	bool direct;

	if (!deny(d->call, d->error))
		_exit(77);
	if (strcmp(opened(IO_AUTO, &direct), "sync") != 0)
		_exit(complaint(1, "plain calls"));
	if (strcmp(why, d->says) != 0)
		_exit(complaint(2, d->says));
	if (strcmp(opened(IO_URING, &direct), strerror((int)d->error)) != 0 || strcmp(why, d->says) != 0)
		_exit(complaint(3, "the error, and its sentence"));
	if (strcmp(opened(IO_SYNC, &direct), "sync") != 0 || why[0] != '\0')
		_exit(complaint(4, "no complaint"));
	if (descriptors() != at_first)
		_exit(complaint(5, "no descriptor left open"));
	_exit(names_left() == 0 ? 0 : complaint(6, "no file"));
}

static void denials(void)
{
	static struct denial all[] = {
	        {"the ring (EPERM)",
	         "io_uring: setting it up: Operation not permitted (a seccomp filter, or kernel.io_uring_disabled)",
	         SYS_io_uring_setup, EPERM},
	        {"the ring (ENOSYS)",
	         "io_uring: setting it up: Function not implemented (the kernel, or a seccomp filter)",
	         SYS_io_uring_setup, ENOSYS},
	        {"its operations",
	         "io_uring: a write: Operation not permitted (a seccomp filter, or kernel.io_uring_disabled)",
	         SYS_io_uring_enter, EPERM},
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		int status = finish(start(denied, &all[i]));

		if (status == 77)
			skip("no filters of system calls");
		else
			is_i64(status, 0, "a filter refuses %s", all[i].what);
	}
}

/* A store that is full must open, to become less full. */
static void full_disk(void)
{
	bool direct;

	fill_up();
	is_str(opened(IO_AUTO, &direct), "uring", "full: a disk is opened all the same");
	is_str(why, "", "full: and no ring is blamed");
	is_str(opened(IO_SYNC, &direct), "sync", "full: by plain calls, too");
	free_up();
}

static void on_memory(void)
{
	open_dir("tmpfs");
	full_disk();
	close(dir);
	open_ramfs();
	probed("ramfs", false);
	close(dir);
}

int main(void)
{
	unsigned at_first;

	begin();
	at_first = descriptors();
	open_dir("disk");
	probed("disk", true);
	large_blocks();
	left_behind();
	denials();
	close(dir);
	if (small_filesystem())
		on_memory();
	else
		skip("mounting a small filesystem: %s", strerror(errno));
	is_u64(descriptors(), at_first, "no descriptor is left open");
	return done();
}
