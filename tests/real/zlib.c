/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zlib.c - each unit deflates a text in small pieces and inflates it again in two
 * ways, and yields after each piece, in allocations, and in the callbacks of
 * inflateBack(), which are called in the middle of its loop
 */
#include "real.h"

#include <zlib.h>

#define MOST 12000
#define BOUND (2 * MOST + 1000)

struct text {
	struct real_unit *u;
	Bytef *plain, *packed, *copy;
	uInt plain_len, packed_len, in, out;
	Bytef window[1 << 15]; /* in the heap, with this */
};

static void *allocate(void *u, unsigned n, unsigned size)
{
	void *p = calloc(n, size);

	REQUIRE(p);
	real_yield_sometimes(u, 2);
	return p;
}

static void release(void *u, void *p)
{
	real_yield_sometimes(u, 2);
	free(p);
}

/* Words that repeat, among bytes that don't. */
static void make_text(struct real_unit *u, struct text *t)
{
	t->u = u;
	t->plain_len = 100 + real_random(&u->random) % (MOST - 100);
	t->plain = malloc(MOST);
	t->packed = malloc(BOUND);
	t->copy = malloc(MOST);
	REQUIRE(t->plain && t->packed && t->copy);
	for (uInt i = 0; i < t->plain_len; i++) {
		uint32_t r = real_random(&u->random);

		t->plain[i] = i > 50 && r % 8 ? t->plain[i - 1 - r / 8 % 3 * 17]
					      : r >> 8;
	}
}

/* How much the next call gets. */
static uInt piece(struct real_unit *u, uInt left)
{
	uInt n = 1 + real_random(&u->random) % 700;

	return n < left ? n : left;
}

static void pack(struct text *t, int raw)
{
	struct real_unit *u = t->u;
	z_stream z = { .zalloc = allocate, .zfree = release, .opaque = u };
	int bits = 9 + u->id % 7, level = u->id % 10, end = Z_OK;

	REQUIRE(deflateInit2(&z, level, Z_DEFLATED, raw ? -bits : bits,
			     1 + u->id % 4, u->id % 5) == Z_OK);
	z.next_in = t->plain;
	z.next_out = t->packed;
	while (end != Z_STREAM_END) {
		uInt left = t->plain + t->plain_len - z.next_in;

		z.avail_in = piece(u, left);
		z.avail_out = piece(u, t->packed + BOUND - z.next_out);
		end = deflate(&z, z.avail_in == left ? Z_FINISH : Z_NO_FLUSH);
		REQUIRE(end == Z_OK || end == Z_STREAM_END ||
			end == Z_BUF_ERROR);
		real_yield();
	}
	t->packed_len = z.next_out - t->packed;
	REQUIRE(deflateEnd(&z) == Z_OK);
	real_hash(u, t->packed, t->packed_len);
}

static void unpack(struct text *t)
{
	z_stream z = { .zalloc = allocate, .zfree = release, .opaque = t->u };
	int end = Z_OK;

	REQUIRE(inflateInit2(&z, 15) == Z_OK);
	z.next_in = t->packed;
	z.next_out = t->copy;
	while (end != Z_STREAM_END) {
		z.avail_in = piece(t->u, t->packed + t->packed_len - z.next_in);
		z.avail_out = piece(t->u, t->copy + MOST - z.next_out);
		end = inflate(&z, Z_NO_FLUSH);
		REQUIRE(end == Z_OK || end == Z_STREAM_END ||
			end == Z_BUF_ERROR);
		real_yield();
	}
	t->out = z.next_out - t->copy;
	REQUIRE(inflateEnd(&z) == Z_OK);
}

static unsigned more_input(void *arg, z_const unsigned char **next)
{
	struct text *t = arg;
	uInt n = piece(t->u, t->packed_len - t->in);

	real_yield();
	*next = t->packed + t->in;
	t->in += n;
	return n;
}

static int take_output(void *arg, unsigned char *from, unsigned n)
{
	struct text *t = arg;

	real_yield();
	REQUIRE(t->out + n <= MOST);
	memcpy(t->copy + t->out, from, n);
	t->out += n;
	return 0;
}

static void unpack_by_callbacks(struct text *t)
{
	z_stream z = { .zalloc = allocate, .zfree = release, .opaque = t->u };

	t->in = t->out = 0;
	REQUIRE(inflateBackInit(&z, 15, t->window) == Z_OK);
	REQUIRE(inflateBack(&z, more_input, t, take_output, t) == Z_STREAM_END);
	REQUIRE(inflateBackEnd(&z) == Z_OK);
}

static void work(struct real_unit *u)
{
	struct text *t = calloc(1, sizeof(*t));

	REQUIRE(t);
	make_text(u, t);
	for (int raw = 0; raw < 2; raw++) {
		pack(t, raw);
		memset(t->copy, 0, MOST);
		(raw ? unpack_by_callbacks : unpack)(t);
		REQUIRE(t->out == t->plain_len);
		REQUIRE(!memcmp(t->copy, t->plain, t->out));
		u->done += 2;
	}
	free(t->plain);
	free(t->packed);
	free(t->copy);
	free(t);
}

const struct real_program real_program = {
	.name = "zlib",
	.counts = "streams",
	.units = 500,
	.stack = 32768,
	.work = work,
};
