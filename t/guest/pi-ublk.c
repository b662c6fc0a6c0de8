// SPDX-License-Identifier: GPL-2.0-only
/*
 * pi-ublk - a disk with protection information that looks at none of it
 *
 * For tests only.  Data and metadata are two files, and a read returns what is
 * in them, whoever has put it there.  Runs in the background as soon as the
 * disk is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ublk.h"
#include "uapi.h"

#define DEPTH		64
#define MAX_BYTES	(1U << 20)
#define CONTROL		DEPTH		/* user_data; of an I/O, its tag */

struct disk {
	unsigned int number;
	unsigned int block;
	unsigned int md_size;
	unsigned int pi_offset;
	unsigned int type;
	const char *guard;
	uint64_t bytes;
	const char *directory;
	char *data;
	char *md;
	int control;
	int fd;
	struct io_uring ring;
	const struct ublk_desc *descs;
};

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "ublk: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	exit(1);
}

/* where there was nothing yet, a drive has tuples that nobody checks */
static char *backing(const struct disk *d, const char *what, size_t bytes,
		     int fill)
{
	char name[256];
	char *map;
	int fd;

	snprintf(name, sizeof(name), "%s/ublk%u.%s", d->directory, d->number,
		 what);
	fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || ftruncate(fd, bytes))
		die("%s: %s", name, strerror(errno));
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("%s: %s", name, strerror(errno));
	if (fill)
		memset(map, fill, bytes);
	close(fd);
	return map;
}

static void *prepare(struct disk *d, int fd, uint32_t op, uint64_t user_data)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&d->ring);

	if (!sqe)
		die("the ring is full");
	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->off = op;
	sqe->user_data = user_data;
	return (char *)sqe + PI_SQE_ATTR_OFFSET;
}

static void control(struct disk *d, uint32_t op, void *buf, uint16_t len,
		    uint64_t data)
{
	struct ublk_ctrl_cmd *cmd = prepare(d, d->control, op, CONTROL);

	*cmd = (struct ublk_ctrl_cmd) {
		.dev_id		= d->number,
		.queue_id	= UINT16_MAX,
		.len		= len,
		.addr		= (uintptr_t)buf,
		.data		= data,
	};
	io_uring_submit(&d->ring);
}

static int control_wait(struct disk *d, uint32_t op, void *buf, uint16_t len)
{
	struct io_uring_cqe *cqe;
	int ret;

	control(d, op, buf, len, 0);
	ret = io_uring_wait_cqe(&d->ring, &cqe);
	if (ret)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(&d->ring, cqe);
	return ret;
}

static void add(struct disk *d)
{
	struct ublk_info info = {
		.nr_queues	= 1,
		.depth		= DEPTH,
		.max_bytes	= MAX_BYTES,
		.dev_id		= d->number,
		.flags		= UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_USER_COPY |
				  (d->md_size ? UBLK_F_INTEGRITY : 0),
	};
	int ret = control_wait(d, UBLK_ADD_DEV, &info, sizeof(info));

	if (ret)
		die("no device %u: %s", d->number, strerror(-ret));
	if (d->md_size && !(info.flags & UBLK_F_INTEGRITY))
		die("no metadata in this kernel (UBLK_F_INTEGRITY, Linux 7.0); use --kernel stock");
}

static void set_params(struct disk *d)
{
	const unsigned int shift = __builtin_ctz(d->block);
	struct ublk_params params = {
		.len	= sizeof(params),
		.types	= UBLK_PARAM_BASIC,
		.basic	= {
			.logical_shift	= shift,
			.physical_shift	= shift,
			.opt_shift	= shift,
			.min_shift	= shift,
			.max_sectors	= MAX_BYTES >> 9,
			.sectors	= d->bytes >> 9,
		},
	};
	int ret;

	if (d->md_size) {
		params.types |= UBLK_PARAM_INTEGRITY;
		params.integrity.flags = PI_LBMD_CAP_INTEGRITY |
			(d->type == 1 ? PI_LBMD_CAP_REFTAG : 0);
		params.integrity.interval_shift = shift;
		params.integrity.md_size = d->md_size;
		params.integrity.pi_offset = d->pi_offset;
		params.integrity.csum =
			!d->type ? PI_LBMD_CSUM_NONE :
			!strcmp(d->guard, "ip") ? PI_LBMD_CSUM_IP :
			!strcmp(d->guard, "crc64") ? PI_LBMD_CSUM_CRC64_NVME :
						     PI_LBMD_CSUM_CRC16_T10DIF;
	}
	ret = control_wait(d, UBLK_SET_PARAMS, &params, sizeof(params));
	if (ret)
		die("such a disk cannot be: %s", strerror(-ret));
}

static int copy(const struct disk *d, bool write, char *buf, size_t len,
		uint64_t pos)
{
	ssize_t ret = write ? pread(d->fd, buf, len, pos) :
			      pwrite(d->fd, buf, len, pos);

	return ret == (ssize_t)len ? 0 : ret < 0 ? -errno : -EIO;
}

/* bytes that were moved, or an error */
static int serve(const struct disk *d, unsigned int tag)
{
	const struct ublk_desc *desc = &d->descs[tag];
	const unsigned int op = desc->op_flags & UBLK_OP_MASK;
	const uint64_t offset = desc->sector << 9;
	const uint32_t bytes = desc->sectors << 9;
	int ret;

	if (op == UBLK_OP_FLUSH)
		return 0;
	if (op > UBLK_OP_WRITE || offset + bytes > d->bytes)
		return -EIO;
	ret = copy(d, op == UBLK_OP_WRITE, d->data + offset, bytes,
		   UBLK_DATA_POS(tag));
	if (!ret && desc->op_flags & UBLK_OP_F_INTEGRITY)
		ret = copy(d, op == UBLK_OP_WRITE,
			   d->md + offset / d->block * d->md_size,
			   bytes / d->block * d->md_size, UBLK_MD_POS(tag));
	return ret ?: (int)bytes;
}

static void fetch(struct disk *d, unsigned int tag, uint32_t op, int result)
{
	struct ublk_io_cmd *cmd = prepare(d, d->fd, op, tag);

	*cmd = (struct ublk_io_cmd) {
		.tag	= tag,
		.result	= result,
	};
}

static void open_disk(struct disk *d)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	const size_t bytes = (DEPTH * sizeof(*d->descs) + page - 1) & -page;
	char name[32];

	snprintf(name, sizeof(name), "/dev/ublkc%u", d->number);
	d->fd = open(name, O_RDWR | O_CLOEXEC);
	if (d->fd < 0)
		die("%s: %s", name, strerror(errno));
	d->descs = mmap(NULL, bytes, PROT_READ, MAP_SHARED | MAP_POPULATE,
			d->fd, 0);
	if (d->descs == MAP_FAILED)
		die("%s: %s", name, strerror(errno));
	for (unsigned int tag = 0; tag < DEPTH; tag++)
		fetch(d, tag, UBLK_FETCH, 0);
}

/* whoever waits for the disk reads on, or sees the end of the messages */
static void tell(int ready)
{
	const int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	if (write(ready, "", 1) == 1)
		close(ready);
}

static void done(struct disk *d, const struct io_uring_cqe *cqe, int ready)
{
	if (cqe->user_data == CONTROL && cqe->res)
		die("no disk: %s", strerror(-cqe->res));
	else if (cqe->user_data == CONTROL)
		tell(ready);
	else if (cqe->res)
		exit(0);	/* the disk goes away */
	else
		fetch(d, cqe->user_data, UBLK_COMMIT_AND_FETCH,
		      serve(d, cqe->user_data));
}

/* adding the disk waits for all that is fetched, and reads from it */
static void run(struct disk *d, int ready)
{
	struct io_uring_cqe *cqe;
	int ret;

	control(d, UBLK_START_DEV, NULL, 0, getpid());
	do {
		ret = io_uring_submit_and_wait(&d->ring, 1);
		while (!io_uring_peek_cqe(&d->ring, &cqe)) {
			done(d, cqe, ready);
			io_uring_cqe_seen(&d->ring, cqe);
		}
	} while (ret >= 0 || ret == -EINTR);
}

static void background(struct disk *d, int ready)
{
	const uint64_t blocks = d->bytes / d->block;

	d->control = open("/dev/ublk-control", O_RDWR | O_CLOEXEC);
	if (d->control < 0)
		die("not in this kernel; use --kernel stock or lab");
	if (io_uring_queue_init(2 * DEPTH, &d->ring, IORING_SETUP_SQE128))
		die("no ring: %s", strerror(errno));
	d->data = backing(d, "data", d->bytes, 0);
	if (d->md_size)
		d->md = backing(d, "md", blocks * d->md_size, 0xff);
	add(d);
	set_params(d);
	open_disk(d);
	run(d, ready);
}

int main(int argc, char **argv)
{
	struct disk d = { 0 };
	int ready[2];
	char byte;

	if (argc != 9) {
		fprintf(stderr, "usage: pi-ublk NUMBER BLOCK METADATA PI-OFFSET TYPE GUARD BYTES DIRECTORY\n");
		return 2;
	}
	d.number = atoi(argv[1]);
	d.block = atoi(argv[2]);
	d.md_size = atoi(argv[3]);
	d.pi_offset = atoi(argv[4]);
	d.type = atoi(argv[5]);
	d.guard = argv[6];
	d.bytes = strtoull(argv[7], NULL, 10);
	d.directory = argv[8];
	if (pipe(ready))
		die("%s", strerror(errno));
	if (!fork()) {
		background(&d, ready[1]);
		return 1;
	}
	close(ready[1]);
	return read(ready[0], &byte, 1) != 1;
}
