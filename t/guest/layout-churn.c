// SPDX-License-Identifier: GPL-2.0-only
/*
 * layout-churn - registered metadata that is replaced, unregistered and cloned
 * while I/O is on its way, cancelled, or left behind by a process that ends
 *
 * For tests only, and overwrites the first megabytes of DEVICE, which has
 * metadata and whole tags: what a kernel that watches itself says of it counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "tuple.h"
#include "uapi.h"

#define IOS		8
#define SLOT		(1U << 20)
#define APP_TAG		0x1234
#define CANCEL		IOS
#define CLONE_BUFFERS	30	/* IORING_REGISTER_CLONE_BUFFERS, Linux 6.12 */

enum buffer { DATA, MD, NR_BUFFERS };
enum churn { NOTHING, UPDATE, UNREGISTER, CLONE, CANCEL_ALL, LEAVE, NR_CHURNS };

/* @bytes: of it that are known to be on the media */
struct slot {
	uint32_t bytes;
	uint64_t seed;
	uint32_t asked;
	unsigned int dir;
	uint8_t *md;
};

static struct pi_tuple tuple;
static struct pi_device dev;
static uint32_t md_slot;
static int fd;
static uint8_t *data, *sides[2];
static unsigned int side;
static struct slot slots[IOS];
static struct pi_uapi_attr attrs[IOS];
/* where on the device: what a process has left on its way may still arrive */
static uint64_t base;

static void die(const char *what, int error)
{
	fprintf(stderr, "layout-churn: %s: %s\n", what, strerror(error));
	exit(1);
}

static void *memory(size_t bytes)
{
	void *p = NULL;

	if (posix_memalign(&p, 4096, bytes))
		die("memory", ENOMEM);
	memset(p, 0, bytes);
	return p;
}

static void register_buffers(struct io_uring *ring)
{
	const struct iovec iov[NR_BUFFERS] = {
		[DATA]	= { data, IOS * SLOT },
		[MD]	= { sides[side], IOS * md_slot },
	};
	int ret = io_uring_register_buffers(ring, iov, NR_BUFFERS);

	if (ret)
		die("registered buffers", -ret);
}

static void generate(const struct slot *slot, uint8_t *buf)
{
	uint64_t word = slot->seed;

	for (uint32_t at = 0; at < slot->asked; at += sizeof(word)) {
		word = word * 6364136223846793005ULL + 1;
		memcpy(buf + at, &word, sizeof(word));
	}
	tuple.generate(&tuple, buf, slot->md, slot->asked >> dev.format.shift, slot->seed,
		       slot->seed);
}

/* an I/O of its own part of the device, with or without a registered buffer for its data */
static void prepare(struct io_uring *ring, unsigned int nr, bool fixed, bool last)
{
	struct slot *slot = &slots[nr];
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct pi_uapi_sqe_attr *attr = (void *)((char *)sqe + PI_SQE_ATTR_OFFSET);
	uint32_t block = 1U << dev.format.shift;
	uint8_t *buf = data + nr * SLOT;
	uint64_t offset = base + nr * SLOT;

	slot->dir = !slot->bytes || rand() % 2;
	slot->asked = rand() % 4 ? block * (1 + rand() % 16) : SLOT;
	/* now and then what no device takes without a copy */
	slot->md = sides[side] + nr * md_slot + (rand() % 4 ? 0 : rand() % 64);
	if (slot->dir) {
		slot->bytes = 0;
		slot->seed = rand();
		generate(slot, buf);
		(fixed ? io_uring_prep_write_fixed(sqe, fd, buf, slot->asked, offset, DATA) :
			 io_uring_prep_write(sqe, fd, buf, slot->asked, offset));
	} else {
		slot->asked = slot->bytes;
		memset(slot->md, 0, (slot->asked >> dev.format.shift) * dev.format.md_size);
		(fixed ? io_uring_prep_read_fixed(sqe, fd, buf, slot->asked, offset, DATA) :
			 io_uring_prep_read(sqe, fd, buf, slot->asked, offset));
	}
	sqe->user_data = nr;
	sqe->flags |= rand() % 4 ? 0 : IOSQE_ASYNC;
	sqe->flags |= last || rand() % 8 ? 0 : IOSQE_IO_LINK;
	attrs[nr] = (struct pi_uapi_attr) {
		.flags		= PI_LAB_FIXED_MD | PI_IO_INTEGRITY_CHK_GUARD |
				  PI_IO_INTEGRITY_CHK_REFTAG | PI_IO_INTEGRITY_CHK_APPTAG,
		.app_tag	= APP_TAG,
		.len		= (slot->asked >> dev.format.shift) * dev.format.md_size,
		.addr		= (uintptr_t)slot->md,
		.seed		= slot->seed,
		.rsvd		= MD,
	};
	attr->attr_ptr = (uintptr_t)&attrs[nr];
	attr->attr_type_mask = PI_IORING_RW_ATTR_FLAG_PI;
}

static void clone_buffers(struct io_uring *ring)
{
	struct {
		uint32_t src_fd, flags, src_off, dst_off, nr, pad[3];
	} arg = { .src_fd = ring->ring_fd };
	struct io_uring other;
	int ret = io_uring_queue_init(IOS, &other, 0);

	if (!ret)
		ret = io_uring_register(other.ring_fd, CLONE_BUFFERS, &arg, 1);
	if (ret)
		die("cloned buffers", -ret);
	io_uring_unregister_buffers(ring);
	io_uring_queue_exit(&other);
	register_buffers(ring);
}

static void churn(struct io_uring *ring, enum churn what)
{
	struct io_uring_sqe *sqe;
	struct iovec iov;

	switch (what) {
	case UPDATE:
		side = !side;
		iov = (struct iovec) { sides[side], IOS * md_slot };
		if (io_uring_register_buffers_update_tag(ring, MD, &iov, &(__u64) { 0 }, 1) != 1)
			die("a buffer's update", EIO);
		break;
	case UNREGISTER:
		io_uring_unregister_buffers(ring);
		side = !side;
		register_buffers(ring);
		break;
	case CLONE:
		clone_buffers(ring);
		break;
	case CANCEL_ALL:
		sqe = io_uring_get_sqe(ring);
		io_uring_prep_rw(IORING_OP_ASYNC_CANCEL, sqe, -1, NULL, 0, 0);
		sqe->cancel_flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
		sqe->user_data = CANCEL;
		io_uring_submit(ring);
		break;
	default:
		break;
	}
}

/* whether an I/O has done what it should */
static bool good(unsigned int nr, int res, enum churn what)
{
	struct slot *slot = &slots[nr];
	struct pi_mismatch bad;

	if (what == CANCEL_ALL && (res == -ECANCELED || res == -EINTR))
		return true;
	if (res != (int)slot->asked)
		return false;
	if (slot->dir) {
		slot->bytes = slot->asked;
		return true;
	}
	return !tuple.verify(&tuple, data + nr * SLOT, slot->md, slot->asked >> dev.format.shift,
			     slot->seed, slot->seed, &bad);
}

static bool turn(struct io_uring *ring)
{
	enum churn what = rand() % NR_CHURNS;
	unsigned int nr = 1 + rand() % IOS, left = nr + (what == CANCEL_ALL);
	/* the data's buffer is looked up as late as in io-wq */
	bool fixed = (what == NOTHING || what == UPDATE) && rand() % 2;
	bool all_good = true;

	for (unsigned int i = 0; i < nr; i++)
		prepare(ring, i, fixed, i == nr - 1);
	if (io_uring_submit(ring) != (int)nr)
		die("io_uring_enter", EIO);
	if (what == LEAVE)
		_exit(0);
	churn(ring, what);
	while (left--) {
		struct io_uring_cqe *cqe;
		int ret = io_uring_wait_cqe(ring, &cqe);

		if (ret)
			die("io_uring_wait_cqe", -ret);
		if (cqe->user_data < IOS && !good(cqe->user_data, cqe->res, what)) {
			fprintf(stderr, "layout-churn: after churn %d: %s of %u bytes: %d\n", what,
				slots[cqe->user_data].dir ? "write" : "read",
				slots[cqe->user_data].asked, cqe->res);
			all_good = false;
		}
		io_uring_cqe_seen(ring, cqe);
	}
	return all_good;
}

/* until it is left with I/O on its way, or the time is up */
static int live(time_t end)
{
	struct io_uring ring;
	int ret = io_uring_queue_init(2 * IOS, &ring, 0);

	if (ret)
		die("ring", -ret);
	memset(slots, 0, sizeof(slots));
	register_buffers(&ring);
	for (unsigned int turns = 0; time(NULL) < end || turns < 16; turns++)
		if (!turn(&ring))
			return 1;
	io_uring_queue_exit(&ring);
	return 0;
}

int main(int argc, char **argv)
{
	const struct pi_tuple_options options = { .app = APP_TAG, .app_mask = 0xffff };
	struct pi_reason reason;
	time_t end;
	int status = 0;

	fd = argc == 4 ? open(argv[1], O_RDWR | O_DIRECT) : -1;
	if (fd < 0)
		die("usage: layout-churn DEVICE SECONDS SEED", errno);
	if (pi_device_probe(fd, &dev, &reason) || pi_tuple_init(&tuple, &dev.format, &options))
		die(argv[1], EINVAL);
	md_slot = (SLOT >> dev.format.shift) * dev.format.md_size + 64;
	data = memory(IOS * SLOT);
	sides[0] = memory(IOS * md_slot);
	sides[1] = memory(IOS * md_slot);
	end = time(NULL) + atoi(argv[2]);
	for (unsigned int lives = 0; !status && (time(NULL) < end || !lives); lives++) {
		pid_t child = fork();

		if (!child) {
			srand(atoi(argv[3]) + lives);
			base = (lives % 4) * IOS * SLOT;
			_exit(live(end));
		}
		if (child < 0 || waitpid(child, &status, 0) != child)
			die("fork", errno);
	}
	return status != 0;
}
