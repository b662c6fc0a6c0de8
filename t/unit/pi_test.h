/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_TEST_H
#define PI_TEST_H

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "reason.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

/* cmocka 2 deprecates assert_in_range(), cmocka 1 has no replacement */
#define pi_test_in_range(value, min, max)				\
	do {								\
		const uintmax_t v_ = (value), min_ = (min), max_ = (max); \
									\
		if (v_ < min_ || v_ > max_)				\
			fail_msg("%s: %ju is not within %ju and %ju",	\
				 #value, v_, min_, max_);		\
	} while (0)

/* fill pattern that shows which bytes were written */
#define PI_TEST_CANARY		0xa5

static struct {
	uint64_t seed;
	uint64_t state;
} pi_test_random;

/* group setup: PI_TEST_SEED repeats a run that failed */
static inline int pi_test_seed(void **state)
{
	const char *text = getenv("PI_TEST_SEED");
	struct timespec now;

	(void)state;
	clock_gettime(CLOCK_REALTIME, &now);
	pi_test_random.seed = text ? strtoull(text, NULL, 0) :
			      (uint64_t)now.tv_nsec << 32 ^ now.tv_sec ^ getpid();
	printf("# PI_TEST_SEED=0x%" PRIx64 "\n", pi_test_random.seed);
	return 0;
}

/* test setup: make random numbers independent of earlier tests */
static inline int pi_test_rewind(void **state)
{
	(void)state;
	pi_test_random.state = pi_test_random.seed;
	return 0;
}

/* skip a test; this is a failure unless EXPECT_SKIP names it */
static inline void pi_test_skip(const char *name, const char *why)
{
	const char *list = getenv("PI_EXPECT_SKIP");
	const size_t len = strlen(name);

	print_message("# %s: %s\n", name, why);
	for (const char *at = list; at && (at = strstr(at, name)); at += len)
		if ((at == list || at[-1] == ' ') &&
		    (!at[len] || at[len] == ' '))
			skip();
	fail_msg("not tested: %s; if that was to be expected: make check EXPECT_SKIP=%s",
		 why, name);
}

#define pi_test_with_random(test) \
	cmocka_unit_test_setup(test, pi_test_rewind)

/* splitmix64 */
static inline uint64_t pi_test_rand(void)
{
	uint64_t z = pi_test_random.state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static inline uint64_t pi_test_below(uint64_t limit)
{
	return pi_test_rand() % limit;
}

static inline void pi_test_fill(void *buf, size_t size)
{
	for (uint8_t *p = buf; size--; p++)
		*p = pi_test_rand() >> 32;
}

/*
 * Loop condition for fuzzing: true for PI_FUZZ_SECONDS, or if that is not set for
 * @rounds iterations and at most two seconds.
 */
struct pi_test_fuzz {
	struct timespec start;
	unsigned long rounds;
	long seconds;
};

static inline struct pi_test_fuzz pi_test_fuzz(unsigned long rounds)
{
	const char *text = getenv("PI_FUZZ_SECONDS");
	struct pi_test_fuzz fuzz = {
		.rounds		= text ? ULONG_MAX : rounds,
		.seconds	= text ? strtol(text, NULL, 0) : 2,
	};

	clock_gettime(CLOCK_MONOTONIC, &fuzz.start);
	return fuzz;
}

static inline bool pi_test_fuzz_more(struct pi_test_fuzz *fuzz)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return fuzz->rounds-- && now.tv_sec - fuzz->start.tv_sec < fuzz->seconds;
}

/* memory between two inaccessible pages, to catch what ASan cannot see */
struct pi_test_fence {
	uint8_t *begin;
	uint8_t *end;
};

static inline struct pi_test_fence pi_test_fence(size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);
	size_t room = (size + page - 1) & ~(page - 1);
	uint8_t *map = mmap(NULL, room + 2 * page, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(map, MAP_FAILED);
	assert_return_code(mprotect(map + page, room, PROT_READ | PROT_WRITE), 0);
	return (struct pi_test_fence) {
		.begin	= map + page,
		.end	= map + page + room,
	};
}

static inline void pi_test_fence_free(struct pi_test_fence *fence)
{
	size_t page = sysconf(_SC_PAGESIZE);

	munmap(fence->begin - page, fence->end - fence->begin + 2 * page);
}

/* store a number at an offset taken from the kernel's headers */
#define pi_test_put(bytes, offset, type, value) \
	memcpy((uint8_t *)(bytes) + (offset), &(type) { (value) }, sizeof(type))

/* next free file descriptor, to detect leaks */
static inline int pi_test_next_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

/* check that a reason is a single line that contains @part */
static inline void pi_test_says(const struct pi_reason *reason, const char *part)
{
	pi_test_in_range(strnlen(reason->text, sizeof(reason->text)),
			 1, sizeof(reason->text) - 2);
	assert_null(strchr(reason->text, '\n'));
	if (!strstr(reason->text, part))
		fail_msg("\"%s\" does not say \"%s\"", reason->text, part);
}

#endif
