/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lua.c - each unit runs a program in Lua that calls a C function which yields the
 * co: in loops, in comparisons of a sort, in errors that longjmp(3) past it, in
 * finalizers, and in Lua's own coroutines
 *
 * Half of the units have a state of their own, whose allocator yields, too.  The
 * others run as threads of one state, as if it had a lock that a C function gives
 * away.
 */
#include "real.h"

#include <lauxlib.h>
#include <lualib.h>

static lua_State *common;
static int *references; /* to the threads of common, which else are collected */

static const char text[] =
	"local seed, yield = ...\n"
	"local out = {}\n"
	"local function say(...)\n"
	"  for _, x in ipairs({...}) do out[#out + 1] = tostring(x) end\n"
	"end\n"
	"local function random(n)\n"
	"  seed = (seed * 1103515245 + 12345) % 2147483648\n"
	"  return seed // 65536 % n + 1\n"
	"end\n"
	/* recursion */
	"local function fib(n)\n"
	"  if n < 2 then yield() return n end\n"
	"  return fib(n - 1) + fib(n - 2)\n"
	"end\n"
	"say(fib(6 + seed % 3))\n"
	/* a sort, whose comparison yields */
	"local t = {}\n"
	"for i = 1, 30 do t[i] = random(100) / 7 end\n"
	"table.sort(t, function(a, b) yield() return a < b end)\n"
	"for i, x in ipairs(t) do say(string.format('%.17g', x / 3)) end\n"
	/* errors from several depths, caught */
	"local function deep(n)\n"
	"  yield()\n"
	"  if n == 0 then error({ code = random(9) }) end\n"
	"  return pcall(deep, n - 1) and deep(n - 1) or error('no')\n"
	"end\n"
	"for i = 1, 3 do\n"
	"  local ok, e = pcall(string.gsub, 'abc', '.', function(c)\n"
	"    yield() if c == 'c' then deep(i) end return c .. c end)\n"
	"  say(ok, type(e) == 'table' and e.code or e)\n"
	"end\n"
	"say(select(2, xpcall(fib, function(m) yield() return #m end, {})))\n"
	/* coroutines of Lua, one in the other */
	"local function numbers(n)\n"
	"  return coroutine.wrap(function()\n"
	"    for i = 1, n do yield() coroutine.yield(i) end\n"
	"    if n > 1 then for i in numbers(n // 2) do\n"
	"      coroutine.yield(-i) end end\n"
	"  end)\n"
	"end\n"
	"for i in numbers(8) do say(i) end\n"
	/* patterns with a table and strings that grow */
	"local s = ('x'):rep(50):gsub('x', function() yield() return "
	"random(10) "
	"end)\n"
	"say(s, #s)\n"
	/* garbage, and the end of objects */
	"for i = 1, 20 do setmetatable({}, { __gc = function() yield() end }) "
	"end\n"
	"return table.concat(out, ' ')\n";

static int yields(lua_State *L)
{
	char bytes[64];

	memset(bytes, lua_gettop(L), sizeof(bytes));
	__asm__ volatile("" : : "r"(bytes) : "memory");
	real_yield();
	__asm__ volatile("" : : "r"(bytes) : "memory");
	REQUIRE(bytes[63] == lua_gettop(L));
	return 0;
}

static void *allocate(void *u, void *old, size_t old_size, size_t size)
{
	(void)old_size;
	if (real_random(&((struct real_unit *)u)->random) % 16 == 0)
		real_yield();
	if (size)
		return realloc(old, size);
	free(old);
	return NULL;
}

/* An error of the script is an error of the test. */
static void run(struct real_unit *u, lua_State *L, uint32_t seed)
{
	REQUIRE(luaL_loadstring(L, text) == LUA_OK);
	lua_pushinteger(L, seed);
	lua_pushcfunction(L, yields);
	if (lua_pcall(L, 2, 1, 0) != LUA_OK)
		real_fail(lua_tostring(L, -1), __FILE__, __LINE__);
	real_hash(u, lua_tostring(L, -1), lua_rawlen(L, -1));
	u->done++;
}

static void work(struct real_unit *u)
{
	uint32_t seed = real_random(&u->random);
	lua_State *L;

	if (u->id % 2) {
		L = lua_newthread(common);
		references[u->id] = luaL_ref(common, LUA_REGISTRYINDEX);
		run(u, L, seed);
		luaL_unref(common, LUA_REGISTRYINDEX, references[u->id]);
		return;
	}
	L = lua_newstate(allocate, u);
	REQUIRE(L);
	luaL_openlibs(L);
	run(u, L, seed);
	lua_close(L);
}

static void begin(struct real_unit *u, unsigned count)
{
	(void)u;
	common = luaL_newstate();
	references = calloc(count, sizeof(*references));
	REQUIRE(common && references);
	luaL_openlibs(common);
}

static void end(unsigned count)
{
	(void)count;
	lua_close(common);
	free(references);
}

const struct real_program real_program = {
	.name = "lua",
	.counts = "scripts",
	.units = 300,
	.stack = 65536,
	.rounds = true,
	.begin = begin,
	.work = work,
	.end = end,
};
