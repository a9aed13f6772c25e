/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite.c - units query a few databases in memory, each with statements of its
 * own, and yield between steps and in SQL functions, which are called in the
 * middle of a step
 *
 * A progress handler and a collation must not use the connection that calls them,
 * and neither may a co that they yield to.  So some units have a database for
 * themselves, where these yield, too.
 */
#include "real.h"

#include <sqlite3.h>

#define UNITS 200 /* of a database: SQLite has its cursors in one list */
#define OWN(u) ((u)->id % 64 == 0)

static sqlite3 **common;

#define SQL(db, text) \
	REQUIRE(sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK)

/* -------------------------------------------------------- that yield -- */

static void echo(sqlite3_context *context, int n, sqlite3_value **value)
{
	(void)n;
	real_yield();
	sqlite3_result_value(context, value[0]);
}

struct sum {
	sqlite3_int64 total;
};

static void add(sqlite3_context *context, int n, sqlite3_value **value)
{
	struct sum *s = sqlite3_aggregate_context(context, sizeof(*s));

	(void)n;
	if (sqlite3_value_int(value[0]) % 4 == 0)
		real_yield();
	s->total = s->total * 3 + sqlite3_value_int(value[0]);
}

static void get_sum(sqlite3_context *context)
{
	struct sum *s = sqlite3_aggregate_context(context, sizeof(*s));

	real_yield();
	sqlite3_result_int64(context, s->total);
}

static int collate(void *u, int len_a, const void *a, int len_b, const void *b)
{
	int order = memcmp(a, b, len_a < len_b ? len_a : len_b);

	if (u)
		real_yield_sometimes(u, 4);
	return order ? order : len_a - len_b;
}

static int make_progress(void *u)
{
	(void)u;
	real_yield();
	return 0;
}

/* --------------------------------------------------------- databases -- */

/* u: whose it is, or NULL. */
static sqlite3 *open_database(struct real_unit *u)
{
	sqlite3 *db;

	REQUIRE(sqlite3_open(":memory:", &db) == SQLITE_OK);
	REQUIRE(sqlite3_create_collation(db, "slow", SQLITE_UTF8, u, collate) ==
		SQLITE_OK);
	REQUIRE(sqlite3_create_function(db, "echo", 1, SQLITE_UTF8, NULL, echo,
					NULL, NULL) == SQLITE_OK);
	REQUIRE(sqlite3_create_function(db, "sum3", 1, SQLITE_UTF8, NULL, NULL,
					add, get_sum) == SQLITE_OK);
	if (u)
		sqlite3_progress_handler(db, 200, make_progress, u);
	SQL(db,
	    "CREATE TABLE word (n INTEGER, x REAL, name TEXT COLLATE slow)");
	SQL(db, "CREATE TABLE note (unit INTEGER, n INTEGER, x TEXT, "
		"PRIMARY KEY (unit, n)) WITHOUT ROWID");
	SQL(db, "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 "
		"FROM i WHERE n < 100) INSERT INTO word SELECT n, n / 7.0, "
		"printf('%x', n * 7919 % 100) FROM i");
	SQL(db, "CREATE INDEX by_name ON word (name)");
	return db;
}

static void begin(struct real_unit *u, unsigned count)
{
	(void)u;
	common = calloc(count / UNITS + 1, sizeof(sqlite3 *));
	REQUIRE(common);
	for (unsigned i = 0; i <= count / UNITS; i++)
		common[i] = open_database(NULL);
}

static void end(unsigned count)
{
	for (unsigned i = 0; i <= count / UNITS; i++)
		REQUIRE(sqlite3_close(common[i]) == SQLITE_OK);
	free(common);
}

/* ----------------------------------------------------------- queries -- */

static void query(struct real_unit *u, sqlite3 *db, const char *text)
{
	sqlite3_stmt *q;
	int more;

	REQUIRE(sqlite3_prepare_v2(db, text, -1, &q, NULL) == SQLITE_OK);
	sqlite3_bind_int(q, 1, u->id);
	sqlite3_bind_int(q, 2, real_random(&u->random) % 20);
	real_yield();
	while ((more = sqlite3_step(q)) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(q); i++)
			real_hash(u, sqlite3_column_text(q, i),
				  sqlite3_column_bytes(q, i));
		real_yield();
	}
	REQUIRE(more == SQLITE_DONE);
	REQUIRE(sqlite3_finalize(q) == SQLITE_OK);
	u->done++;
}

static void work(struct real_unit *u)
{
	sqlite3 *db = OWN(u) ? open_database(u) : common[u->id / UNITS];

	query(u, db,
	      "SELECT echo(n + ?1), x, name FROM word "
	      "WHERE n BETWEEN ?2 AND ?2 + 5 ORDER BY name DESC");
	query(u, db,
	      "SELECT n % 3, sum3(n + ?1) FROM word WHERE n < ?2 + 10 "
	      "GROUP BY n % 3");
	if (u->id % 8 == 0) {
		query(u, db, "INSERT INTO note VALUES (?1, ?2, 'first')");
		query(u, db,
		      "INSERT INTO note SELECT ?1, 99, x FROM word "
		      "WHERE n = ?2 + 1");
		query(u, db, "SELECT n, echo(x) FROM note WHERE unit = ?1");
		query(u, db, "UPDATE note SET x = x || ?2 WHERE unit = ?1");
	}
	query(u, db,
	      "SELECT count(*), group_concat(x) FROM note "
	      "WHERE unit = ?1");
	if (OWN(u)) {
		query(u, db,
		      "SELECT a.n, b.n FROM word a JOIN word b USING "
		      "(name) WHERE a.name > printf('%x', ?2 + ?1)");
		REQUIRE(sqlite3_close(db) == SQLITE_OK);
	}
}

const struct real_program real_program = {
	.name = "sqlite",
	.counts = "queries",
	.units = 10000,
	.stack = 65536,
	.begin = begin,
	.work = work,
	.end = end,
};
