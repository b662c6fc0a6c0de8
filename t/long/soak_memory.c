// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linked into the engine for t/long/soak.t (-Wl,--wrap): makes allocation number
 * PI_SOAK_FAIL fail.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
int __real_posix_memalign(void **ptr, size_t align, size_t size);

static bool fails(void)
{
	static unsigned long count, number;

	if (!number) {
		const char *text = getenv("PI_SOAK_FAIL");

		number = text ? strtoul(text, NULL, 10) : -1UL;
	}
	return __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED) == number;
}

void *__wrap_malloc(size_t size)
{
	if (!fails())
		return __real_malloc(size);
	errno = ENOMEM;
	return NULL;
}

void *__wrap_calloc(size_t nr, size_t size)
{
	if (!fails())
		return __real_calloc(nr, size);
	errno = ENOMEM;
	return NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
	if (!fails())
		return __real_realloc(old, size);
	errno = ENOMEM;
	return NULL;
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	if (!fails())
		return __real_aligned_alloc(align, size);
	errno = ENOMEM;
	return NULL;
}

int __wrap_posix_memalign(void **ptr, size_t align, size_t size)
{
	return fails() ? ENOMEM : __real_posix_memalign(ptr, align, size);
}
