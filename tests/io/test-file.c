/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-file.c - regular files
 */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64

#include "ioutil.h"

#include <fcntl.h>

#define SIZE 300000

static char written[SIZE];

static void fill(void)
{
	uint32_t seed = 5;

	for (int i = 0; i < SIZE; i++)
		written[i] = (char)t_random(&seed);
}

/* What can be, is taken out of the page cache. */
static void drop_cache(int file)
{
	fdatasync(file);
	posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
}

static void check_pread(int file, int64_t offset, size_t len, ssize_t expected)
{
	char on_stack[20000]; /* that moves */
	char *buf = len > sizeof(on_stack) ? malloc(len) : on_stack;

	ck_assert_ptr_nonnull(buf);
	memset(buf, 0x55, len);
	ck_assert_int_eq(aco_io_pread(file, buf, len, offset), expected);
	ck_assert(!memcmp(buf, written + offset, (size_t)expected));
	if ((size_t)expected < len)
		ck_assert_int_eq(buf[expected], 0x55);
	if (buf != on_stack)
		free(buf);
}

static void check_reads(int file)
{
	check_pread(file, 0, 1, 1);
	check_pread(file, 4095, 2, 2);
	check_pread(file, 0, 20000, 20000);
	check_pread(file, 70000, 20000, 20000);
	check_pread(file, 0, SIZE, SIZE);
	check_pread(file, SIZE - 10, 100, 10);
	check_pread(file, SIZE - 150000, SIZE, 150000);
	check_pread(file, SIZE, 10, 0);
	check_pread(file, 5, 0, 0);
}

IO_TEST(cached_and_not)
{
	int file = io_file();

	fill();
	ck_assert_int_eq(aco_io_pwrite(file, written, SIZE, 0), SIZE);
	check_reads(file);
	drop_cache(file);
	check_reads(file);
	/* A part is in the cache: the rest is missing. */
	drop_cache(file);
	check_pread(file, 0, 4096, 4096);
	check_pread(file, 0, SIZE, SIZE);
	close(file);
}

/* From the stack of a task, while others run there. */
static int others_left;

static void uses_the_stack(void *unused)
{
	char scratch[30000];
	char *p = scratch;

	(void)unused;
	memset(scratch, 0xee, sizeof(scratch));
	t_opaque(p);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(aco_io_yield(), 0);
	t_opaque(p);
	others_left--;
}

static void check_written(int file, int64_t offset, size_t len)
{
	char buf[20000];

	ck_assert_int_eq(pread(file, buf, len, (off_t)offset), (ssize_t)len);
	ck_assert(!memcmp(buf, written, len));
}

IO_TEST(buffers_that_move)
{
	char buf[10000];
	int file = io_file();

	fill();
	memcpy(buf, written, sizeof(buf));
	others_left = 5;
	for (int i = 0; i < 5; i++)
		io_go(NULL, uses_the_stack, NULL);
	for (int64_t at = 0; others_left > 0; at += 10000)
		ck_assert_int_eq(
			aco_io_pwrite(file, buf, sizeof(buf), at % 100000),
			10000);
	ck_assert(!memcmp(buf, written, sizeof(buf)));
	check_written(file, 0, sizeof(buf));
	drop_cache(file);
	others_left = 5;
	for (int i = 0; i < 5; i++)
		io_go(NULL, uses_the_stack, NULL);
	while (others_left > 0) {
		memset(buf, 0, sizeof(buf));
		drop_cache(file);
		ck_assert_int_eq(aco_io_pread(file, buf, sizeof(buf), 0),
				 10000);
		ck_assert(!memcmp(buf, written, sizeof(buf)));
		ck_assert_int_eq(aco_io_yield(), 0);
	}
	close(file);
}

IO_TEST(beyond_4_gib)
{
	const int64_t offset = (INT64_C(5) << 30) + 17;
	char buf[16] = "";
	int file = io_file();

	ck_assert_int_eq(aco_io_pwrite(file, "beyond", 6, offset), 6);
	ck_assert_int_eq(aco_io_pread(file, buf, sizeof(buf), offset), 6);
	ck_assert_str_eq(buf, "beyond");
	/* Not where the lower half of the offset points to. */
	ck_assert_int_eq(
		aco_io_pread(file, buf, 6, offset & INT64_C(0xffffffff)), 6);
	ck_assert_int_eq(buf[0], 0);
	close(file);
}

IO_TEST(refusals)
{
	int file = io_file(), ends[2];
	char c = 0;

	io_fails(aco_io_pread(-1, &c, 1, 0), EBADF);
	io_fails(aco_io_pwrite(-1, &c, 1, 0), EBADF);
	io_fails(aco_io_pread(file, &c, 1, -5), EINVAL);
	io_put(file, "xy", 2); /* not at the offset of the file */
	ck_assert_int_eq(lseek(file, 0, SEEK_SET), 0);
	io_fails(aco_io_pread(file, &c, 1, -1), EINVAL);
	ck_assert_int_eq(lseek(file, 0, SEEK_CUR), 0);
	io_fails(aco_io_pwrite(file, &c, 1, -5), EINVAL);
	ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
	io_fails(aco_io_pread(ends[0], &c, 1, 0), ESPIPE);
	io_fails(aco_io_pwrite(ends[1], &c, 1, 0), ESPIPE);
	close(ends[0]);
	close(ends[1]);
	if (io_flags) /* no copy can be so large */
		io_fails(aco_io_pwrite(file, &c, SSIZE_MAX, 0), EINVAL);
	close(file);
	file = open("/dev/null", O_RDONLY);
	io_fails(aco_io_pwrite(file, &c, 1, 0), EBADF);
	close(file);
}

START_TEST(outside_tasks)
{
	char c = 0;

	io_fails(aco_io_pread(0, &c, 1, 0), EPERM);
	io_fails(aco_io_pwrite(1, &c, 1, 0), EPERM);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("io-file");
	TCase *tc = io_case(s, "file");

	io_add(tc, cached_and_not);
	io_add(tc, buffers_that_move);
	io_add(tc, beyond_4_gib);
	io_add(tc, refusals);
	tcase_add_test(tc, outside_tasks);
	return s;
}
