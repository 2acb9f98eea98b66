/* SPDX-License-Identifier: MIT */
/* machine.c - what the figures were measured on. */
#include "bench.h"

#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* The value of the first "key : value" line of a file of /proc, or "unknown". */
static void proc_value(const char *path, const char *key, char *value, size_t room)
{
	char line[256];
	FILE *f = fopen(path, "re");

	snprintf(value, room, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (!colon || strncmp(line, key, strlen(key)) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(value, room, "%s", colon + 1 + strspn(colon + 1, " \t"));
		break;
	}
	if (f)
		fclose(f);
}

void machine_print(void)
{
	struct utsname u;
	char model[128], date[64];
	time_t now = time(NULL);
	double load[1] = {0};

	uname(&u);
	proc_value("/proc/cpuinfo", "model name", model, sizeof(model));
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S%z", localtime(&now));
	if (getloadavg(load, 1) != 1)
		load[0] = 0;
	printf("date    %s\nkernel  %s %s %s\ncpu     %s, %ld cores online\n", date, u.sysname,
	       u.release, u.machine, model, sysconf(_SC_NPROCESSORS_ONLN));
	printf("load    %.2f%s\n", load[0],
	       load[0] > 0.5 ? ": other programs are running, the figures will show it" : "");
}

void machine_print_disk(const char *path)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} known[] = {{EXT4_SUPER_MAGIC, "ext4"},        {XFS_SUPER_MAGIC, "xfs"},
		     {BTRFS_SUPER_MAGIC, "btrfs"},      {F2FS_SUPER_MAGIC, "f2fs"},
		     {NFS_SUPER_MAGIC, "NFS"},          {OVERLAYFS_SUPER_MAGIC, "overlay"},
		     {TMPFS_MAGIC, "tmpfs: NO DISK, the figures of topics on disk show nothing"}};
	const char *name = "another filesystem";
	struct statfs fs;

	if (statfs(path, &fs))
		return;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if ((unsigned long)fs.f_type == known[i].magic)
			name = known[i].name;
	printf("disk    %s, %.4g GB free\n", name, (double)fs.f_bavail * (double)fs.f_bsize / 1e9);
}

uint64_t machine_memory_available(void)
{
	char value[64];

	proc_value("/proc/meminfo", "MemAvailable", value, sizeof(value));
	return strtoull(value, NULL, 10) * 1024;
}

static long topology(int cpu, const char *what)
{
	char path[128];
	long id = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/%s", cpu, what);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fscanf(f, "%ld", &id) != 1)
		id = -1;
	fclose(f);
	return id;
}

static bool same_core(int a, int b)
{
	long core = topology(a, "core_id");

	return core >= 0 && core == topology(b, "core_id") &&
	       topology(a, "physical_package_id") == topology(b, "physical_package_id");
}

/* Two cores when there are two: hardware threads of one core share its cache, so a cache line
 * would not have to move. */
int machine_cpus(int cpus[2])
{
	cpu_set_t set;

	cpus[0] = cpus[1] = -1;
	if (sched_getaffinity(0, sizeof(set), &set))
		CPU_ZERO(&set);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET((size_t)i, &set))
			continue;
		if (cpus[0] < 0)
			cpus[0] = i;
		else if (cpus[1] < 0 || same_core(cpus[0], cpus[1]))
			cpus[1] = i;
	}
	if (cpus[0] < 0)
		cpus[0] = 0;
	if (cpus[1] < 0)
		cpus[1] = cpus[0];
	return cpus[0] == cpus[1] ? 1 : 2;
}
