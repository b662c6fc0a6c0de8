// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <dirent.h>
#include <linux/fs.h>
#include <libnvme.h>
#include <liburing.h>
#include <linux/nvme_ioctl.h>

#include "kernel.h"
#include "reach.h"
#include "uapi.h"

#define MAX_FD		1024
#define MAX_RINGS	64
#define RING_FD		(1 << 20)
#define PAGE		4096UL
#define LAST_OP		64

/* features that the kernel may lack, and properties of the disk */
enum {
	NO_CAP		= 1 << 0,	/* FS_IOC_GETLBMD_CAP, before 6.17 */
	NO_ATTR		= 1 << 1,	/* IORING_FEAT_RW_ATTR, before 6.14 */
	NO_LAB		= 1 << 2,
	SMALL_REQUESTS	= 1 << 3,
	PARTITION	= 1 << 4,
	TYPE2		= 1 << 5,
};

static const struct format {
	uint16_t interval;
	uint8_t md_size;
	uint8_t csum;
	uint8_t pi_size;
	uint8_t pi_offset;
	uint8_t type;
	bool extended;
	const char *profile;
	uint32_t elbaf;
} formats[] = {
	{ 4096, 8, PI_LBMD_CSUM_CRC16_T10DIF, 8, 0, 1, false, "T10-DIF-TYPE1-CRC", 0 },
	{ 512, 8, PI_LBMD_CSUM_CRC16_T10DIF, 8, 0, 1, false, "T10-DIF-TYPE1-CRC", 0 },
	{ 4096, 8, PI_LBMD_CSUM_CRC16_T10DIF, 8, 0, 3, false, "T10-DIF-TYPE3-CRC", 0 },
	{ 4096, 64, PI_LBMD_CSUM_CRC16_T10DIF, 8, 56, 1, false, "T10-DIF-TYPE1-CRC", 0 },
	{ 512, 64, PI_LBMD_CSUM_CRC16_T10DIF, 8, 0, 1, false, "T10-DIF-TYPE1-CRC", 0 },
	{ 4096, 16, PI_LBMD_CSUM_CRC64_NVME, 16, 0, 1, false, "EXT-DIF-TYPE1-CRC64", 0 },
	{ 4096, 64, PI_LBMD_CSUM_CRC64_NVME, 16, 48, 3, false, "EXT-DIF-TYPE3-CRC64", 0 },
	{ 512, 8, PI_LBMD_CSUM_IP, 8, 0, 1, false, "T10-DIF-TYPE1-IP", 0 },
	{ 4096, 8, PI_LBMD_CSUM_NONE, 0, 0, 3, false, "nop", 0 },
	{ 4096, 0, PI_LBMD_CSUM_NONE, 0, 0, 3, false, "none", 0 },
	{ 512, 8, PI_LBMD_CSUM_CRC16_T10DIF, 8, 0, 1, true, "none", 0 },
	{ 4096, 64, PI_LBMD_CSUM_CRC16_T10DIF, 8, 56, 1, true, "none", 0 },
	{ 4096, 16, PI_LBMD_CSUM_CRC64_NVME, 16, 0, 1, true, "none", 0 },
	{ 4096, 8, PI_LBMD_CSUM_NONE, 0, 0, 3, true, "none", 0 },
	/* with storage tags, which the kernel's block device does not support */
	{ 4096, 16, PI_LBMD_CSUM_NONE, 16, 0, 1, false, "none", 1 << 7 | 40 },
	{ 512, 64, PI_LBMD_CSUM_NONE, 16, 48, 3, false, "none", 3 << 7 | 2 << 9 | 48 },
	{ 4096, 8, PI_LBMD_CSUM_NONE, 8, 0, 1, false, "none", 12 },
};

#define NR_FORMATS	(sizeof(formats) / sizeof(formats[0]))

enum file {
	NO_FILE,
	DISK,
	NG,
};

struct ring {
	unsigned int flags;
	unsigned int entries;
	unsigned int cq_entries;
	unsigned int sq_head;
	unsigned int sq_tail;
	unsigned int sq_flags;
	unsigned int cq_head;
	unsigned int cq_tail;
	unsigned int *array;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	struct io_uring_cqe *pending;
	unsigned int nr_pending;
	int *files;
	unsigned int nr_files;
	struct iovec *buffers;
	unsigned int nr_buffers;
	char *region;
	uint64_t region_size;
};

static struct {
	bool up;
	const struct format *format;
	unsigned int lacks;
	const char *next;	/* what becomes of the next I/O */
	const char *log;
	uint64_t blocks;
	uint8_t *data;
	uint8_t *md;
	uint8_t files[MAX_FD];
	bool sysfs[MAX_FD];		/* directories there */
	struct ring *rings[MAX_RINGS];
	pthread_mutex_t lock;
} kernel = { .lock = PTHREAD_MUTEX_INITIALIZER };

void fuzz_kernel_boot(const char *line, const char *log)
{
	const size_t len = strlen(line);
	const struct format *f = &formats[0];
	unsigned int units = 4;

	kernel.lacks = 0;
	if (len > 0)
		f = &formats[(unsigned char)(line[0] - 'a') % NR_FORMATS];
	if (len > 1)
		kernel.lacks = (line[1] - '0') & 63;
	if (len > 2)
		units = 1 + (line[2] - '0') % 16U;
	kernel.format = f;
	kernel.next = line + (len < 3 ? len : 3);
	kernel.log = log;
	kernel.blocks = units * 65536 / f->interval;
	kernel.data = calloc(kernel.blocks, f->interval);
	kernel.md = malloc(kernel.blocks * f->md_size);
	/* never written: every tuple is the escape */
	memset(kernel.md, 0xff, kernel.blocks * f->md_size);
	kernel.up = true;
}

void fuzz_kernel_halt(void)
{
	kernel.up = false;
}

static bool lacks(unsigned int what)
{
	return kernel.lacks & what;
}

/* whether to misbehave at this point; never after the end of the line */
static bool happens(char what)
{
	if (*kernel.next != what)
		return false;
	kernel.next++;
	return true;
}

static char whatever(void)
{
	return *kernel.next ? *kernel.next++ : '.';
}

/*
 * Files: wrap: open open64 fopen fopen64 stat stat64 lstat lstat64 fstat fstat64 ioctl readlink readlinkat opendir
 * wrap: unlink rename mkdir rmdir truncate system popen usleep openat openat64 access
 * wrap: setuid setgid kill mmap
 */

int __real_open(const char *path, int flags, ...);
FILE *__real_fopen(const char *path, const char *mode);
int __real_stat(const char *path, struct stat *st);
int __real_lstat(const char *path, struct stat *st);
int __real_fstat(int fd, struct stat *st);
int __real_ioctl(int fd, unsigned long request, ...);
ssize_t __real_readlink(const char *path, char *buf, size_t size);
ssize_t __real_readlinkat(int dir, const char *path, char *buf, size_t size);
DIR *__real_opendir(const char *path);
int __real_unlink(const char *path);
int __real_rename(const char *from, const char *to);
int __real_mkdir(const char *path, mode_t mode);
int __real_rmdir(const char *path);
int __real_truncate(const char *path, off_t len);
int __real_system(const char *command);
FILE *__real_popen(const char *command, const char *mode);
int __real_usleep(useconds_t usec);
int __real_openat(int dir, const char *path, int flags, ...);
int __real_access(const char *path, int mode);
int __real_setuid(uid_t id);
int __real_setgid(gid_t id);
int __real_kill(pid_t pid, int sig);
void *__real_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);

static enum file file_of(const char *path)
{
	return !strcmp(path, FUZZ_DISK) ? DISK : !strcmp(path, FUZZ_NG) ? NG :
	       NO_FILE;
}

static bool readable(const char *path)
{
	return !strncmp(path, "/proc/", 6) || !strncmp(path, "/sys/", 5) ||
	       !strncmp(path, "/etc/", 5);
}

static int file_with(const char *text)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (text && (write(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET)))
		abort();
	if (fd >= 0 && fd < MAX_FD)
		kernel.sysfs[fd] = false;
	return fd;
}

static int sysfs_dir(void)
{
	int fd = file_with(NULL);

	if (fd >= 0 && fd < MAX_FD)
		kernel.sysfs[fd] = true;
	return fd;
}

static int refuse(int err)
{
	errno = err;
	return -1;
}

int __wrap_open(const char *path, int flags, mode_t mode)
{
	int fd;

	if (!kernel.up)
		return __real_open(path, flags, mode);
	if (!strcmp(path, FUZZ_LOG))
		return file_with(kernel.log);
	if (file_of(path)) {
		fd = file_with(NULL);
		if (fd >= 0 && fd < MAX_FD)
			kernel.files[fd] = file_of(path);
		return fd;
	}
	if (!strcmp(path, "/sys"))
		return sysfs_dir();
	if (flags & O_DIRECTORY)
		return !strcmp(path, "dir") ? file_with(NULL) : refuse(ENOENT);
	if (flags & O_CREAT && !strchr(path, '/') && path[0])
		return file_with(NULL);
	if ((flags & O_ACCMODE) == O_RDONLY && readable(path))
		return __real_open(path, flags);
	return refuse(ENOENT);
}

int __wrap_open64(const char *path, int flags, mode_t mode)
{
	return __wrap_open(path, flags, mode);
}

static int attribute(const char *name, char *text, size_t size)
{
	const struct format *f = kernel.format;
	const struct {
		const char *name;
		uint64_t value;
		bool is;
	} numbers[] = {
		{ "queue/logical_block_size", f->interval, true },
		{ "queue/max_sectors_kb", lacks(SMALL_REQUESTS) ? 16 : 1280, true },
		{ "queue/max_hw_sectors_kb", lacks(SMALL_REQUESTS) ? 16 : 2048, true },
		{ "queue/max_segments", 127, true },
		{ "queue/io_poll", 1, !lacks(SMALL_REQUESTS) },
		{ "metadata_bytes", f->md_size, true },
		{ "size", kernel.blocks * f->interval >> 9, true },
		{ "partition", 1, lacks(PARTITION) },
		{ "start", 2048, lacks(PARTITION) },
		{ "integrity/protection_interval_bytes", f->interval, f->pi_size },
	};

	if (!strcmp(name, "integrity/format"))
		return snprintf(text, size, "%s\n", f->profile);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i].is && !strcmp(name, numbers[i].name))
			return snprintf(text, size, "%lu\n", numbers[i].value);
	return 0;
}

/* all sysfs directories of the disk are one, because no name is in two of them */
static int sysfs_openat(const char *path, int flags)
{
	char text[64];

	if (flags & O_PATH)
		return sysfs_dir();
	return attribute(path, text, sizeof(text)) ? file_with(text) :
						     refuse(ENOENT);
}

/* in sysfs, or in the directory for wrong blocks */
int __wrap_openat(int dir, const char *path, int flags, mode_t mode)
{
	if (!kernel.up)
		return __real_openat(dir, path, flags, mode);
	if (dir < 0)
		return refuse(EBADF);
	if (dir < MAX_FD && kernel.sysfs[dir])
		return sysfs_openat(path, flags);
	CHECK(!strchr(path, '/'));
	return file_with(NULL);
}

int __wrap_openat64(int dir, const char *path, int flags, mode_t mode)
{
	return __wrap_openat(dir, path, flags, mode);
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
	if (!kernel.up)
		return __real_fopen(path, mode);
	if (!strcmp(path, FUZZ_LOG))
		return fdopen(file_with(kernel.log), "r");
	if (mode[0] == 'r' && !strchr(mode, '+') && readable(path) &&
	    strncmp(path, "/sys/dev/", 9))
		return __real_fopen(path, mode);
	errno = ENOENT;
	return NULL;
}

FILE *__wrap_fopen64(const char *path, const char *mode)
{
	return __wrap_fopen(path, mode);
}

static int device_stat(enum file file, struct stat *st)
{
	*st = (struct stat) {
		.st_mode	= (file == NG ? S_IFCHR : S_IFBLK) | 0600,
		.st_rdev	= makedev(259, 9),
		.st_blksize	= PAGE,
		.st_nlink	= 1,
	};
	return 0;
}

int __wrap_stat(const char *path, struct stat *st)
{
	if (!kernel.up)
		return __real_stat(path, st);
	if (file_of(path))
		return device_stat(file_of(path), st);
	if (!strcmp(path, FUZZ_LOG)) {
		*st = (struct stat) { .st_mode = S_IFREG | 0600 };
		return 0;
	}
	return readable(path) ? __real_stat(path, st) : refuse(ENOENT);
}

int __wrap_stat64(const char *path, struct stat *st)
{
	return __wrap_stat(path, st);
}

int __wrap_lstat(const char *path, struct stat *st)
{
	return kernel.up ? __wrap_stat(path, st) : __real_lstat(path, st);
}

int __wrap_lstat64(const char *path, struct stat *st)
{
	return __wrap_lstat(path, st);
}

int __wrap_fstat(int fd, struct stat *st)
{
	if (kernel.up && fd >= 0 && fd < MAX_FD && kernel.files[fd])
		return device_stat(kernel.files[fd], st);
	return __real_fstat(fd, st);
}

int __wrap_fstat64(int fd, struct stat *st)
{
	return __wrap_fstat(fd, st);
}

static int get_cap(struct pi_uapi_cap *cap)
{
	const struct format *f = kernel.format;

	if (lacks(NO_CAP))
		return refuse(ENOTTY);
	*cap = (struct pi_uapi_cap) { .interval = f->interval };
	if (f->extended || f->elbaf)
		return 0;
	cap->size = f->md_size;
	cap->pi_size = f->pi_size;
	cap->pi_offset = f->pi_offset;
	cap->guard_tag_type = f->csum;
	cap->flags = f->type == 3 ? 0 : PI_LBMD_CAP_REFTAG;
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	if (!kernel.up || fd < 0 || fd >= MAX_FD || !kernel.files[fd])
		return __real_ioctl(fd, request, arg);
	if (kernel.files[fd] == NG)
		return refuse(ENOTTY);
	switch (request) {
	case PI_FS_IOC_GETLBMD_CAP:
		return get_cap(arg);
	case BLKGETSIZE64:
		*(uint64_t *)arg = kernel.blocks * kernel.format->interval;
		return 0;
	case BLKSSZGET:
		*(int *)arg = kernel.format->interval;
		return 0;
	case BLKFLSBUF:
	case BLKDISCARD:
		return 0;
	default:
		return refuse(ENOTTY);
	}
}

static ssize_t link_of(const char *path, char *buf, size_t size)
{
	const char *to = strstr(path, "char/") ? "../../devices/ng9n9" :
			 "../../devices/nvme9n9";

	if (!strstr(path, "/259:9"))
		return refuse(ENOENT);
	if (lacks(PARTITION) && !strstr(path, "char/"))
		to = "../../devices/nvme9n9/nvme9n9p1";
	size = strlen(to) < size ? strlen(to) : size;
	memcpy(buf, to, size);
	return size;
}

ssize_t __wrap_readlink(const char *path, char *buf, size_t size)
{
	return kernel.up ? link_of(path, buf, size) :
			   __real_readlink(path, buf, size);
}

ssize_t __wrap_readlinkat(int dir, const char *path, char *buf, size_t size)
{
	return kernel.up ? link_of(path, buf, size) :
			   __real_readlinkat(dir, path, buf, size);
}

DIR *__wrap_opendir(const char *path)
{
	if (!kernel.up)
		return __real_opendir(path);
	errno = ENOENT;
	return NULL;
}

#define REFUSED(name, parameters, arguments)				\
int __wrap_##name parameters						\
{									\
	return kernel.up ? refuse(EPERM) : __real_##name arguments;	\
}

REFUSED(unlink, (const char *path), (path))
REFUSED(rename, (const char *from, const char *to), (from, to))
REFUSED(rmdir, (const char *path), (path))
REFUSED(truncate, (const char *path, off_t len), (path, len))
REFUSED(system, (const char *command), (command))
REFUSED(setuid, (uid_t id), (id))
REFUSED(setgid, (gid_t id), (id))
REFUSED(kill, (pid_t pid, int sig), (pid, sig))
REFUSED(access, (const char *path, int mode), (path, mode))

/* fio checks that /dev exists */
int __wrap_mkdir(const char *path, mode_t mode)
{
	return kernel.up ? refuse(EEXIST) : __real_mkdir(path, mode);
}

FILE *__wrap_popen(const char *command, const char *mode)
{
	return kernel.up ? NULL : __real_popen(command, mode);
}

/* fio polls every 10 ms whether its jobs have ended */
int __wrap_usleep(useconds_t usec)
{
	return __real_usleep(kernel.up && usec > 500 ? 500 : usec);
}

/* place the metadata right before an inaccessible page */
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	const size_t whole = (len + PAGE - 1) & ~(PAGE - 1);
	char *map;

	if (!kernel.up || !(flags & MAP_POPULATE) || fd != -1 || len > 1U << 30)
		return __real_mmap(addr, len, prot, flags, fd, offset);
	map = __real_mmap(addr, whole + PAGE, prot, flags, fd, offset);
	if (map != MAP_FAILED)
		mprotect(map + whole, PAGE, PROT_NONE);
	return map;
}

/*
 * The namespace: wrap: nvme_get_nsid nvme_identify
 */

int __wrap_nvme_get_nsid(int fd, __u32 *nsid)
{
	*nsid = 9;
	return fd >= 0 && fd < MAX_FD && kernel.files[fd] ? 0 : refuse(ENOTTY);
}

int __wrap_nvme_identify(struct nvme_identify_args *args)
{
	const struct format *f = kernel.format;
	struct nvme_id_ns *ns = args->data;
	struct nvme_nvm_id_ns *nvm = args->data;

	if (args->cns != NVME_IDENTIFY_CNS_NS) {
		memset(nvm, 0, sizeof(*nvm));
		if (f->csum == PI_LBMD_CSUM_CRC64_NVME)
			nvm->elbaf[0] = 2 << 7;
		nvm->elbaf[0] |= f->elbaf;
		nvm->pic = 0xf;
		nvm->lbstm = 0xffff00ffffffffff;
		return 0;
	}
	memset(ns, 0, sizeof(*ns));
	ns->nsze = kernel.blocks;
	ns->flbas = f->extended ? NVME_NS_FLBAS_META_EXT : 0;
	ns->mc = 3;
	ns->dpc = 0x1f;
	ns->lbaf[0].ds = f->interval == 512 ? 9 : 12;
	ns->lbaf[0].ms = f->md_size;
	if (f->pi_size)
		ns->dps = (f->type == 1 && lacks(TYPE2) ? 2 : f->type) |
			  (f->pi_offset ? 0 : NVME_NS_DPS_PI_FIRST);
	return 0;
}

/*
 * io_uring: wrap: io_uring_setup io_uring_queue_mmap io_uring_queue_exit io_uring_enter io_uring_register
 * wrap: io_uring_register_files io_uring_register_buffers io_uring_get_probe_ring io_uring_free_probe
 */

static struct ring *ring_of(int fd)
{
	CHECK(fd >= RING_FD && fd < RING_FD + MAX_RINGS);
	CHECK(kernel.rings[fd - RING_FD]);
	return kernel.rings[fd - RING_FD];
}

static unsigned int sqe_shift(const struct ring *ring)
{
	return !!(ring->flags & IORING_SETUP_SQE128);
}

static unsigned int cqe_shift(const struct ring *ring)
{
	return !!(ring->flags & IORING_SETUP_CQE32);
}

static unsigned int power_of_two(unsigned int n)
{
	unsigned int power = 1;

	while (power < n)
		power <<= 1;
	return power;
}

static void show(const struct ring *ring, int fd, struct io_uring *uring)
{
	struct ring *r = (struct ring *)ring;

	*uring = (struct io_uring) {
		.sq = {
			.khead		= &r->sq_head,
			.ktail		= &r->sq_tail,
			.kflags		= &r->sq_flags,
			.array		= r->array,
			.sqes		= r->sqes,
			.ring_mask	= r->entries - 1,
			.ring_entries	= r->entries,
		},
		.cq = {
			.khead		= &r->cq_head,
			.ktail		= &r->cq_tail,
			.cqes		= r->cqes,
			.ring_mask	= r->cq_entries - 1,
			.ring_entries	= r->cq_entries,
		},
		.flags		= r->flags,
		.ring_fd	= fd,
		.enter_ring_fd	= fd,
	};
}

int __wrap_io_uring_setup(unsigned int entries, struct io_uring_params *p)
{
	struct ring *ring;
	int slot = 0;

	while (slot < MAX_RINGS && kernel.rings[slot])
		slot++;
	CHECK(slot < MAX_RINGS);
	if (happens('!'))
		return -ENOMEM;
	if (!entries || entries > 32768 || (lacks(NO_LAB) &&
	    p->flags & PI_IORING_SETUP_SQE_MIXED))
		return -EINVAL;
	if (p->flags & IORING_SETUP_SQ_AFF && p->sq_thread_cpu > 1)
		return -EINVAL;
	ring = calloc(1, sizeof(*ring));
	ring->flags = p->flags;
	ring->entries = power_of_two(entries);
	ring->cq_entries = power_of_two(p->cq_entries ?: 2 * entries);
	ring->array = calloc(ring->entries, sizeof(*ring->array));
	ring->sqes = calloc((size_t)ring->entries << sqe_shift(ring),
			    sizeof(*ring->sqes));
	ring->cqes = calloc((size_t)ring->cq_entries << cqe_shift(ring),
			    sizeof(*ring->cqes));
	ring->pending = calloc(ring->cq_entries, sizeof(*ring->pending));
	if (p->flags & IORING_SETUP_SQPOLL)
		ring->sq_flags = IORING_SQ_NEED_WAKEUP;
	p->features = lacks(NO_ATTR) ? 0 : PI_IORING_FEAT_RW_ATTR;
	kernel.rings[slot] = ring;
	return RING_FD + slot;
}

int __wrap_io_uring_queue_mmap(int fd, struct io_uring_params *p,
			       struct io_uring *uring)
{
	(void)p;
	show(ring_of(fd), fd, uring);
	return 0;
}

void __wrap_io_uring_queue_exit(struct io_uring *uring)
{
	struct ring *ring = ring_of(uring->ring_fd);

	kernel.rings[uring->ring_fd - RING_FD] = NULL;
	free(ring->array);
	free(ring->sqes);
	free(ring->cqes);
	free(ring->pending);
	free(ring->files);
	free(ring->buffers);
	free(ring);
}

int __wrap_io_uring_register_files(struct io_uring *uring, const int *files,
				   unsigned int nr)
{
	struct ring *ring = ring_of(uring->ring_fd);

	if (happens('!'))
		return -EMFILE;
	ring->files = calloc(nr, sizeof(*files));
	memcpy(ring->files, files, nr * sizeof(*files));
	ring->nr_files = nr;
	return 0;
}

int __wrap_io_uring_register_buffers(struct io_uring *uring,
				     const struct iovec *iovecs, unsigned int nr)
{
	struct ring *ring = ring_of(uring->ring_fd);

	if (happens('!'))
		return -ENOMEM;
	ring->buffers = calloc(nr, sizeof(*iovecs));
	memcpy(ring->buffers, iovecs, nr * sizeof(*iovecs));
	ring->nr_buffers = nr;
	return 0;
}

int __wrap_io_uring_register(int fd, unsigned int opcode, const void *arg,
			     unsigned int nr)
{
	const struct pi_uapi_region_reg *reg = arg;
	const struct pi_uapi_region *region;
	struct ring *ring = ring_of(fd);

	if (opcode != PI_IORING_REGISTER_MEM_REGION || nr != 1 || lacks(NO_ATTR))
		return -EINVAL;
	region = (const void *)(uintptr_t)reg->region_uptr;
	ring->region = (char *)(uintptr_t)region->user_addr;
	ring->region_size = region->size;
	return 0;
}

struct io_uring_probe *__wrap_io_uring_get_probe_ring(struct io_uring *uring)
{
	const unsigned int last = lacks(NO_LAB) ? LAST_OP : PI_LAB_OP_WRITE_META;
	struct io_uring_probe *probe;

	CHECK(ring_of(uring->ring_fd));
	if (happens('!'))
		return NULL;
	probe = calloc(1, sizeof(*probe) + (last + 1) * sizeof(probe->ops[0]));
	probe->last_op = last;
	probe->ops_len = last + 1;
	for (unsigned int op = 0; op <= last; op++)
		probe->ops[op].flags = IO_URING_OP_SUPPORTED;
	return probe;
}

void __wrap_io_uring_free_probe(struct io_uring_probe *probe)
{
	free(probe);
}

/* one read or write, whatever kind of SQE it came from */
struct rw {
	bool write;
	bool pi;
	struct iovec iov[2];
	const struct iovec *iovs;
	unsigned int nr_iovs;
	uint64_t first;
	uint64_t blocks;
	uint64_t len;
	uint8_t *md;
	uint32_t md_len;
};

static uint32_t stride(void)
{
	const struct format *f = kernel.format;

	return f->interval + (f->extended ? f->md_size : 0);
}

/* copy between @mem and the caller's buffers, starting at offset @at */
static void move(const struct rw *rw, uint64_t at, uint8_t *mem, size_t len)
{
	for (unsigned int i = 0; i < rw->nr_iovs && len; i++) {
		const struct iovec *iov = &rw->iovs[i];
		size_t piece;

		if (at >= iov->iov_len) {
			at -= iov->iov_len;
			continue;
		}
		piece = iov->iov_len - at < len ? iov->iov_len - at : len;
		if (rw->write)
			memcpy(mem, (char *)iov->iov_base + at, piece);
		else
			memcpy((char *)iov->iov_base + at, mem, piece);
		mem += piece;
		len -= piece;
		at = 0;
	}
	CHECK(!len);
}

static void transfer(const struct rw *rw, uint64_t blocks)
{
	const struct format *f = kernel.format;
	const bool beside = rw->md && rw->pi && !f->extended;

	for (uint64_t i = 0; i < blocks; i++) {
		uint8_t *data = kernel.data + (rw->first + i) * f->interval;
		uint8_t *md = kernel.md + (rw->first + i) * f->md_size;

		move(rw, i * stride(), data, f->interval);
		if (f->extended && stride() != f->interval)
			move(rw, i * stride() + f->interval, md, f->md_size);
		else if (beside && rw->write)
			memcpy(md, rw->md + i * f->md_size, f->md_size);
		else if (beside)
			memcpy(rw->md + i * f->md_size, md, f->md_size);
	}
}

/* flip a bit of the data read or written */
static void damage(const struct rw *rw, char how)
{
	const struct format *f = kernel.format;
	const uint64_t block = rw->first + (unsigned char)whatever() % rw->blocks;
	uint8_t *md = kernel.md + block * f->md_size;

	if (how == 'd')
		kernel.data[block * f->interval + (unsigned char)whatever()] ^= 1;
	else if (f->md_size)
		md[(unsigned char)whatever() % f->md_size] ^=
			how == 'm' ? whatever() : 0x10;
}

/* result of an I/O, converted for commands */
static int fate(const struct rw *rw, bool command)
{
	static const int statuses[] = { 0x282, 0x283, 0x284, 0x281, 0x280, 0x4281 };
	char what = whatever();

	switch (what) {
	case 'd':
	case 'g':
	case 'm':
		if (!rw->write)
			damage(rw, what);
		transfer(rw, rw->blocks);
		if (rw->write)
			damage(rw, what);
		break;
	case 'e':
		return -EIO;
	case 'E':
		return -(1 + (unsigned char)whatever() % 133);
	case 'c':
		transfer(rw, rw->blocks);
		return command ? statuses[(unsigned char)whatever() % 6] : -EILSEQ;
	case 's':
		if (command)
			return 1 + (unsigned char)whatever() * 8;
		transfer(rw, rw->blocks / 2);
		return rw->blocks / 2 * stride();
	case '0':
		return command ? 0x4 : 0;
	default:
		transfer(rw, rw->blocks);
	}
	return command ? 0 : rw->len;
}

static int bounds(struct rw *rw, uint64_t offset)
{
	const uint32_t size = stride();

	rw->len = 0;
	for (unsigned int i = 0; i < rw->nr_iovs; i++)
		rw->len += rw->iovs[i].iov_len;
	if (offset % size || rw->len % size)
		return -EINVAL;
	rw->first = offset / size;
	rw->blocks = rw->len / size;
	if (rw->first >= kernel.blocks)
		return rw->write ? -ENOSPC : 0;
	if (rw->blocks > kernel.blocks - rw->first) {
		rw->blocks = kernel.blocks - rw->first;
		rw->len = rw->blocks * size;
	}
	return 1;
}

/* get the attribute in whatever layout; NULL means EINVAL */
static const struct pi_uapi_attr *find_attr(const struct ring *ring,
					    const struct io_uring_sqe *sqe,
					    const struct pi_uapi_sqe_attr *at,
					    bool mixed)
{
	const uint64_t mask = at->attr_type_mask;
	const struct pi_lab_attr_flat *flat;
	const struct pi_lab_attr_vec *vec;

	if (mask == PI_IORING_RW_ATTR_FLAG_PI)
		return (const void *)(uintptr_t)at->attr_ptr;
	if (lacks(NO_LAB))
		return NULL;
	if (mask & PI_LAB_ATTR_INLINE)
		return mixed || ring->flags & IORING_SETUP_SQE128 ?
		       (const void *)(sqe + 1) : NULL;
	if (mask & PI_LAB_ATTR_VEC) {
		vec = (const void *)(uintptr_t)at->attr_ptr;
		return vec->type ? NULL : (const void *)(uintptr_t)vec->addr;
	}
	if (mask & PI_LAB_ATTR_FLAT) {
		flat = (const void *)(uintptr_t)at->attr_ptr;
		CHECK((mask >> PI_LAB_ATTR_FLAT_SIZE_SHIFT & 0xffff) == sizeof(*flat));
		return flat->map == PI_IORING_RW_ATTR_FLAG_PI ? &flat->pi : NULL;
	}
	if (!(mask & PI_LAB_ATTR_REGION) || !ring->region)
		return NULL;
	CHECK(at->attr_ptr + sizeof(struct pi_uapi_attr) <= ring->region_size);
	return (const void *)(ring->region + at->attr_ptr);
}

static int find_metadata(const struct ring *ring, const struct io_uring_sqe *sqe,
			 bool mixed, bool meta_opcode, struct rw *rw)
{
	struct pi_uapi_sqe_attr at;
	struct pi_lab_sqe_meta meta;
	struct pi_uapi_attr attr;
	const void *from;

	memcpy(&at, (const char *)sqe + PI_SQE_ATTR_OFFSET, sizeof(at));
	if (meta_opcode) {
		memcpy(&meta, (const char *)sqe + PI_SQE_ATTR_OFFSET, sizeof(meta));
		rw->md = (uint8_t *)(uintptr_t)meta.addr;
		rw->md_len = meta.len;
		rw->pi = true;
		return 0;
	}
	if (!at.attr_type_mask || lacks(NO_ATTR))
		return 0;
	from = find_attr(ring, sqe, &at, mixed);
	if (!from)
		return -EINVAL;
	memcpy(&attr, from, sizeof(attr));
	CHECK(!attr.rsvd);
	rw->md = (uint8_t *)(uintptr_t)attr.addr;
	rw->md_len = attr.len;
	rw->pi = true;
	return 0;
}

/* the real kernel would bounce metadata that needlessly crosses a page */
static void check_metadata(const struct rw *rw)
{
	const uintptr_t md = (uintptr_t)rw->md;

	CHECK(md % 64 == 0);
	if (rw->md_len && rw->md_len <= PAGE)
		CHECK(md / PAGE == (md + rw->md_len - 1) / PAGE);
}

static int file_of_sqe(const struct ring *ring, const struct io_uring_sqe *sqe)
{
	int fd = sqe->fd;

	if (sqe->flags & IOSQE_FIXED_FILE) {
		CHECK((unsigned int)fd < ring->nr_files);
		fd = ring->files[fd];
	}
	return fd >= 0 && fd < MAX_FD ? kernel.files[fd] : NO_FILE;
}

static void check_fixed(const struct ring *ring, const struct io_uring_sqe *sqe)
{
	const struct iovec *buffer;

	CHECK(sqe->buf_index < ring->nr_buffers);
	buffer = &ring->buffers[sqe->buf_index];
	CHECK(sqe->addr >= (uintptr_t)buffer->iov_base);
	CHECK(sqe->addr + sqe->len <= (uintptr_t)buffer->iov_base + buffer->iov_len);
}

static void buffers_of(const struct ring *ring, const struct io_uring_sqe *sqe,
		       bool vectored, bool fixed, struct rw *rw)
{
	rw->iov[0].iov_base = (void *)(uintptr_t)sqe->addr;
	rw->iov[0].iov_len = sqe->len;
	rw->iovs = rw->iov;
	rw->nr_iovs = 1;
	if (vectored) {
		rw->iovs = (void *)(uintptr_t)sqe->addr;
		rw->nr_iovs = sqe->len;
		CHECK(rw->nr_iovs <= 1024);
	} else if (fixed) {
		check_fixed(ring, sqe);
	}
}

static const struct op {
	uint8_t op;
	bool write;
	bool vectored;
	bool fixed;
	bool mixed;
	bool meta;
} ops[] = {
	{ .op = IORING_OP_READ },
	{ .op = IORING_OP_WRITE, .write = true },
	{ .op = IORING_OP_READV, .vectored = true },
	{ .op = IORING_OP_WRITEV, .write = true, .vectored = true },
	{ .op = IORING_OP_READ_FIXED, .fixed = true },
	{ .op = IORING_OP_WRITE_FIXED, .write = true, .fixed = true },
	{ .op = PI_LAB_OP_READ128, .mixed = true },
	{ .op = PI_LAB_OP_WRITE128, .write = true, .mixed = true },
	{ .op = PI_LAB_OP_READV128, .vectored = true, .mixed = true },
	{ .op = PI_LAB_OP_WRITEV128, .write = true, .vectored = true, .mixed = true },
	{ .op = PI_LAB_OP_READ_FIXED128, .fixed = true, .mixed = true },
	{ .op = PI_LAB_OP_WRITE_FIXED128, .write = true, .fixed = true, .mixed = true },
	{ .op = PI_LAB_OP_READ_META, .meta = true },
	{ .op = PI_LAB_OP_WRITE_META, .write = true, .meta = true },
};

static int do_rw(const struct ring *ring, const struct io_uring_sqe *sqe,
		 const struct op *op)
{
	struct rw rw = { .write = op->write };
	int ret = find_metadata(ring, sqe, op->mixed, op->meta, &rw);
	enum file file;

	if (ret)
		return ret;
	file = file_of_sqe(ring, sqe);
	if (file == NO_FILE)
		return -EBADF;
	CHECK(file == DISK);
	buffers_of(ring, sqe, op->vectored, op->fixed, &rw);
	ret = bounds(&rw, sqe->off);
	if (ret <= 0)
		return ret;
	if (rw.pi && rw.md_len != rw.blocks * kernel.format->md_size)
		return -EINVAL;
	if (rw.pi)
		check_metadata(&rw);
	return fate(&rw, false);
}

static int do_command(const struct ring *ring, const struct io_uring_sqe *sqe)
{
	const struct nvme_uring_cmd *cmd = (const void *)sqe->cmd;
	const uint64_t slba = cmd->cdw10 | (uint64_t)cmd->cdw11 << 32;
	struct io_uring_sqe as = *sqe;
	struct rw rw = { 0 };
	int ret;

	CHECK(ring->flags & IORING_SETUP_SQE128 && ring->flags & IORING_SETUP_CQE32);
	CHECK(cmd->nsid == 9);
	if (cmd->opcode == nvme_cmd_flush || cmd->opcode == nvme_cmd_dsm)
		return happens('c') ? 0x281 : 0;
	CHECK(cmd->opcode == nvme_cmd_read || cmd->opcode == nvme_cmd_write);
	as.addr = cmd->addr;
	as.len = cmd->data_len;
	rw.write = cmd->opcode == nvme_cmd_write;
	buffers_of(ring, &as, sqe->cmd_op == NVME_URING_CMD_IO_VEC,
		   sqe->uring_cmd_flags & 1, &rw);
	if (cmd->cdw12 & 1U << 29)
		return happens('c') ? 0x282 : 0;
	rw.md = (uint8_t *)(uintptr_t)cmd->metadata;
	rw.md_len = cmd->metadata_len;
	rw.pi = rw.md_len;
	ret = bounds(&rw, slba * stride());
	if (ret <= 0)
		return 0x80;
	CHECK(rw.blocks == (cmd->cdw12 & 0xffff) + 1);
	CHECK(rw.md_len == (kernel.format->extended ? 0 :
			    rw.blocks * kernel.format->md_size));
	check_metadata(&rw);
	return fate(&rw, true);
}

static int do_sqe(const struct ring *ring, const struct io_uring_sqe *sqe)
{
	if (sqe->opcode > (lacks(NO_LAB) ? LAST_OP : PI_LAB_OP_WRITE_META))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (ops[i].op == sqe->opcode)
			return do_rw(ring, sqe, &ops[i]);
	if (sqe->opcode != IORING_OP_URING_CMD)
		return happens('e') ? -EIO : 0;
	if (file_of_sqe(ring, sqe) == NG)
		return do_command(ring, sqe);
	return happens('e') ? -EINVAL : 0;
}

static unsigned int slots_of(const struct ring *ring, const struct io_uring_sqe *sqe)
{
	if (!(ring->flags & PI_IORING_SETUP_SQE_MIXED))
		return 1;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (ops[i].op == sqe->opcode && ops[i].mixed)
			return 2;
	return 1;
}

static int submit(struct ring *ring, unsigned int nr)
{
	unsigned int done = 0;

	CHECK(nr <= ring->sq_tail - ring->sq_head);
	if (nr > 1 && happens('/'))
		nr /= 2;
	while (done < nr) {
		const unsigned int index =
			ring->array[ring->sq_head & (ring->entries - 1)];
		const struct io_uring_sqe *sqe =
			&ring->sqes[(size_t)index << sqe_shift(ring)];
		const unsigned int slots = slots_of(ring, sqe);

		CHECK(index < ring->entries);
		if (done + slots > nr && done)
			break;
		CHECK(ring->nr_pending < ring->cq_entries);
		ring->pending[ring->nr_pending++] = (struct io_uring_cqe) {
			.user_data	= sqe->user_data,
			.res		= do_sqe(ring, sqe),
		};
		ring->sq_head += slots;
		done += slots;
	}
	return done;
}

static void complete(struct ring *ring)
{
	const bool backwards = happens('<');

	for (unsigned int i = 0; i < ring->nr_pending; i++) {
		const unsigned int at = ring->cq_tail & (ring->cq_entries - 1);

		CHECK(ring->cq_tail - ring->cq_head < ring->cq_entries);
		ring->cqes[(size_t)at << cqe_shift(ring)] =
			ring->pending[backwards ? ring->nr_pending - 1 - i : i];
		ring->cq_tail++;
	}
	ring->nr_pending = 0;
}

int __wrap_io_uring_enter(unsigned int fd, unsigned int nr, unsigned int min,
			  unsigned int flags, sigset_t *sig)
{
	struct ring *ring = ring_of(fd);
	int ret = 0;

	(void)sig;
	pthread_mutex_lock(&kernel.lock);
	if (happens('!')) {
		ret = -EINTR;
	} else if (happens('?')) {
		ret = -EAGAIN;
	} else {
		if (flags & IORING_ENTER_SQ_WAKEUP)
			nr = ring->sq_tail - ring->sq_head;
		if (nr)
			ret = submit(ring, nr);
		complete(ring);
		/* the real kernel would wait forever */
		CHECK(ring->cq_tail - ring->cq_head >= min || nr);
	}
	pthread_mutex_unlock(&kernel.lock);
	return ret;
}
