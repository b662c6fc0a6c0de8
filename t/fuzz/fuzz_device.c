// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any answers of sysfs, FS_IOC_GETLBMD_CAP and Identify Namespace.  The binary
 * part of the input is followed by lines for sysfs: "queue/max_sectors_kb 128".
 *
 * wrap: fstat ioctl open openat read close fdopendir readdir closedir readlinkat nvme_get_nsid nvme_identify
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <libnvme.h>

#include "device.h"
#include "namespace.h"
#include "reach.h"
#include "sibling.h"
#include "tuple.h"

#define SYSFS	"/fuzz"
#define FD	1000

/* file descriptors that stand for sysfs */
enum {
	ROOT_DIR = 2000,
	TOP_DIR,
	LOWER_DIR,
	SLAVES_DIR,
	ATTRIBUTE,
	END,
};

enum {
	HAS_CAP		= 1 << 0,
	CHARACTER	= 1 << 1,
	HAS_NSID	= 1 << 2,
	IDENTIFIES	= 1 << 3,
	HAS_NVM		= 1 << 4,
	PARTITION	= 1 << 5,
};

struct input {
	uint8_t bits;
	uint8_t lower;
	struct pi_uapi_cap cap;
	uint8_t nlbaf;
	uint8_t flbas;
	uint8_t mc;
	uint8_t dpc;
	uint8_t dps;
	uint64_t nsze;
	uint32_t lbaf[2];
	uint32_t elbaf[2];
} __attribute__((packed));

static struct {
	bool active;
	struct input in;
	const char *lines;
	const char *value;
	unsigned int listed;
	struct dirent entry;
} fake;

int __real_fstat(int fd, struct stat *st);
int __real_open(const char *path, int flags, ...);
int __real_openat(int dir, const char *path, int flags, ...);
ssize_t __real_read(int fd, void *buf, size_t size);
int __real_close(int fd);
DIR *__real_fdopendir(int fd);
struct dirent *__real_readdir(DIR *dir);
int __real_closedir(DIR *dir);
ssize_t __real_readlinkat(int dir, const char *path, char *buf, size_t size);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_fstat(int fd, struct stat *st);
int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
ssize_t __wrap_read(int fd, void *buf, size_t size);
int __wrap_close(int fd);
DIR *__wrap_fdopendir(int fd);
struct dirent *__wrap_readdir(DIR *dir);
int __wrap_closedir(DIR *dir);
ssize_t __wrap_readlinkat(int dir, const char *path, char *buf, size_t size);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_nvme_get_nsid(int fd, __u32 *nsid);
int __wrap_nvme_identify(struct nvme_identify_args *args);

int __wrap_fstat(int fd, struct stat *st)
{
	if (!fake.active)
		return __real_fstat(fd, st);
	*st = (struct stat) {
		.st_mode = fake.in.bits & CHARACTER ? S_IFCHR : S_IFBLK,
		.st_rdev = makedev(259, fd - FD),
	};
	return 0;
}

int __wrap_open(const char *path, int flags, ...)
{
	if (!fake.active)
		return __real_open(path, flags, 0600);
	if (!strcmp(path, SYSFS))
		return ROOT_DIR;
	CHECK(!strncmp(path, "/dev/", 5) && flags == (O_RDONLY | O_CLOEXEC));
	errno = EACCES;
	return fake.in.lower & 0x80 ? -1 : __real_open("/dev/null", O_RDONLY);
}

/* find the value of an attribute in the lines for sysfs */
static const char *value_of(const char *name)
{
	const size_t len = strlen(name);
	const char *line = fake.lines;

	for (; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, name, len) && line[len] == ' ' &&
		    line[len + 1])
			return line + len + 1;
	return NULL;
}

int __wrap_openat(int dir, const char *path, int flags, ...)
{
	if (!fake.active)
		return __real_openat(dir, path, flags, 0600);
	errno = EBADF;
	if (dir == -1)
		return -1;
	CHECK(dir >= ROOT_DIR && dir <= LOWER_DIR && !(flags & O_ACCMODE));
	if (dir == ROOT_DIR) {
		CHECK(!strncmp(path, "dev/", 4));
		return strcmp(strrchr(path, ':'), ":0") ? LOWER_DIR : TOP_DIR;
	}
	errno = ENOENT;
	if (!strcmp(path, "slaves"))
		/* those below are no stacks */
		return fake.in.lower & 3 && dir == TOP_DIR ? SLAVES_DIR : -1;
	if (flags & O_DIRECTORY)
		return dir;
	fake.value = value_of(path);
	return fake.value ? ATTRIBUTE : -1;
}

ssize_t __wrap_read(int fd, void *buf, size_t size)
{
	size_t len;

	if (!fake.active || fd != ATTRIBUTE)
		return __real_read(fd, buf, size);
	len = strcspn(fake.value, "\n") ?: 1;
	len = len < size ? len : size;
	memcpy(buf, fake.value, len);
	return len;
}

int __wrap_close(int fd)
{
	return fake.active && fd >= ROOT_DIR && fd < END ? 0 : __real_close(fd);
}

DIR *__wrap_fdopendir(int fd)
{
	if (!fake.active)
		return __real_fdopendir(fd);
	CHECK(fd == SLAVES_DIR);
	fake.listed = 0;
	return (DIR *)&fake;
}

struct dirent *__wrap_readdir(DIR *dir)
{
	if (!fake.active)
		return __real_readdir(dir);
	if (fake.listed == (fake.in.lower & 3))
		return NULL;
	snprintf(fake.entry.d_name, sizeof(fake.entry.d_name), "%s%u",
		 fake.listed ? "sd" : ".", fake.listed);
	fake.listed++;
	return &fake.entry;
}

int __wrap_closedir(DIR *dir)
{
	return fake.active ? 0 : __real_closedir(dir);
}

ssize_t __wrap_readlinkat(int dir, const char *path, char *buf, size_t size)
{
	static const char name[] = "link ";
	const char *line = fake.lines;
	size_t len;

	if (!fake.active)
		return __real_readlinkat(dir, path, buf, size);
	line = strstr(line, name);
	if (!line)
		return -1;
	line += strlen(name);
	len = strcspn(line, "\n");
	len = len < size ? len : size;
	memcpy(buf, line, len);
	return len;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct pi_uapi_cap *cap;
	va_list ap;

	va_start(ap, request);
	cap = va_arg(ap, struct pi_uapi_cap *);
	va_end(ap);
	if (!fake.active)
		return __real_ioctl(fd, request, cap);
	errno = ENOTTY;
	if (request != PI_FS_IOC_GETLBMD_CAP || !(fake.in.bits & HAS_CAP))
		return -1;
	*cap = fake.in.cap;
	return 0;
}

int __wrap_nvme_get_nsid(int fd, __u32 *nsid)
{
	(void)fd;
	*nsid = 1;
	errno = ENOTTY;
	return fake.in.bits & HAS_NSID ? 0 : -1;
}

static void identify_ns(struct nvme_id_ns *ns)
{
	const struct input *in = &fake.in;

	memset(ns, 0, sizeof(*ns));
	ns->nlbaf = in->nlbaf;
	ns->flbas = in->flbas;
	ns->mc = in->mc;
	ns->dpc = in->dpc;
	ns->dps = in->dps;
	ns->nsze = in->nsze;
	for (int i = 0; i < 64; i++)
		memcpy(&ns->lbaf[i], &in->lbaf[i % 2], sizeof(ns->lbaf[i]));
}

int __wrap_nvme_identify(struct nvme_identify_args *args)
{
	struct nvme_nvm_id_ns *nvm = args->data;

	if (args->cns == NVME_IDENTIFY_CNS_NS) {
		errno = EACCES;
		if (!(fake.in.bits & IDENTIFIES))
			return fake.in.lower & 0x40 ? 2 : -1;
		identify_ns(args->data);
		return 0;
	}
	memset(nvm, 0, sizeof(*nvm));
	/* fixed values, so that the corpus keeps its meaning */
	nvm->pic = fake.in.nlbaf;
	nvm->lbstm = fake.in.nsze;
	for (int i = 0; i < 64; i++)
		nvm->elbaf[i] = fake.in.elbaf[i % 2];
	return fake.in.bits & HAS_NVM ? 0 : 2;
}

/* invariants that the rest of the code relies on */
static void check_device(const struct pi_device *dev)
{
	const struct pi_format *f = &dev->format;
	const struct pi_tuple_options options = { .opaque = true };
	struct pi_tuple tuple;
	char name[64];

	CHECK(f->guard && f->md_size);
	CHECK(f->interval >= 512 && f->interval == 1U << f->shift);
	CHECK(f->pi_offset + f->guard->pi_size <= f->md_size);
	CHECK(f->type == 1 || f->type == 3);
	CHECK(f->storage_bits >= f->guard->storage_min);
	CHECK(f->storage_bits <= f->guard->storage_max);
	CHECK(!(f->storage_mask & ~pi_low_bits(f->storage_bits)));
	CHECK(!pi_tuple_init(&tuple, f, &options));
	pi_format_name(f, name, sizeof(name));
	CHECK(name[0]);
}

static void probe(int fd)
{
	struct pi_lba_format formats[PI_MAX_LBA_FORMATS];
	struct pi_reason reason = { "" };
	struct pi_device dev;
	char other[64];
	int ret;

	ret = pi_device_probe_at(SYSFS, fd, &dev, &reason);
	if (ret) {
		CHECK(ret < 0 && reason.text[0]);
		CHECK(memchr(reason.text, '\0', sizeof(reason.text)));
		CHECK(!strchr(reason.text, '\n'));
	} else {
		check_device(&dev);
	}
	if (pi_sibling_at(SYSFS, fd, other, sizeof(other)) >= 0)
		CHECK(!strncmp(other, "/dev/n", 6));
	ret = pi_namespace_lba_formats(fd, formats);
	CHECK(ret <= PI_MAX_LBA_FORMATS);
	for (int i = 0; i < ret; i++)
		CHECK(formats[i].lbs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t head = size < sizeof(fake.in) ? size : sizeof(fake.in);
	char *lines;

	fake.in = (struct input) { 0 };
	memcpy(&fake.in, data, head);
	size -= head;
	lines = malloc(size + 1);
	memcpy(lines, data + head, size);
	lines[size] = '\0';
	fake.lines = lines;
	fake.active = true;
	probe(FD);
	fake.active = false;
	free(lines);
	fuzz_reached();
	return 0;
}
