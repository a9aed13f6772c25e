# SPDX-License-Identifier: Apache-2.0
"""What tests/gdb.sh does inside of gdb.  $mode says which part: live, core, many,
stripped, two, or non-stop.  Ends with a line "all checked"."""

import re
import sys

import gdb

MODE = gdb.parse_and_eval("$mode").string()


def run(command):
    return gdb.execute(command, False, True)


def check(holds, text):
    if not holds:
        raise gdb.GdbError("FAIL (%s): %s" % (MODE, text))


def refuses(command, says):
    try:
        text = run(command)
    except gdb.error as error:
        text = str(error)
    check(re.search(says, text) and "Error occurred in Python" not in text,
          "%s says: %s" % (command, text))


def address(expression):
    return int(gdb.parse_and_eval(expression))


def table(command):
    """{address: the rest of its line}"""
    lines = re.findall(r"^[* ]?\d+ +0x([0-9a-f]+) +(.*)$", run(command), re.M)
    return {int(at, 16): rest for at, rest in lines}


STATES = {
    "own": r"suspended +\d+ +sleeper +deep at gdb-program.c:\d+$",
    "fresh": r"init +0 +sleeper$",
    "ended": r"end +\d+ +waiter$",
    "large": r"suspended +\d+ +sleeper \"over pages\" +deep at gdb-program.c:\d+$",
    "first": r"suspended +\d+ of shared 0x[0-9a-f]+, saved +sleeper +deep at ",
    "second": r"suspended +3\d\d\d of shared 0x[0-9a-f]+, saved +wide_sleeper "
              r"+wide at ",
    "third": r"suspended +\d+ of shared 0x[0-9a-f]+ +sleeper +deep at ",
    "mask": r"suspended +\d+ of shared 0x[0-9a-f]+, saved +sleeper ",
    "over_mask": r"suspended +\d+ of shared 0x[0-9a-f]+ +sleeper ",
    "gone_first": r"suspended +\d+ of shared 0x[0-9a-f]+, saved +sleeper +deep at ",
    "gone_last": r"suspended +\d+ of shared 0x[0-9a-f]+ +sleeper +(deep at|\?$)",
    "outer": r"resuming +\d+ +0x[0-9a-f]+ +outer_function +outer_function at ",
    "inner": r"running +- +0x[0-9a-f]+ +inner_function +thread 1 ",
    "away": r"suspended +\d+ +sleeper \"far\?away\" +deep at ",
    "main_co": r"resuming +\(main co\) +main at ",
    "away_main": r"running +\(main co\) +thread 2 ",
}


def check_lists():
    found = table("info cos -all")
    expected = {address(name): name for name in STATES}
    for i in range(address("count")):
        expected[address("many[%d]" % i)] = "many"
    check(set(found) == set(expected),
          "missing: %s; none: %s" % (
              [name for at, name in expected.items() if at not in found],
              [(hex(at), line) for at, line in found.items()
               if at not in expected]))
    for name, line in STATES.items():
        check(re.match(line, found[address(name)]),
              "%s: %s" % (name, found[address(name)]))

    def names(options):
        return {expected[at] for at in table("info cos " + options)}

    check(names("-state end") == {"ended"}, "-state end")
    check(names("-state main") == {"main_co", "away_main"}, "-state main")
    check(names("-state running") == {"inner"}, "-state running")
    check(names("-state suspended -function wide") == {"second"}, "-function")
    check(names("-function far.away") == {"away"}, "-function of a name")
    check(names("-stack shared") == {"first", "second", "third"}, "-stack")
    check(names("-stack 0") == {"main_co", "away_main"}, "-stack 0")
    check(not re.search(r"^2 .*deep", run("info cos -group -function wide"), re.M) and
          re.search(r"^[4-7] .*suspended +sleeper +deep at",
                    run("info cos -group"), re.M), "-group")
    refuses("info cos -function [", "unterminated")
    refuses("info cos -stack nothing_here", "No symbol")
    refuses("info cos -state asleep", "A state is one of")
    refuses("info cos -what", "What is")

    # the program may be in another language than C
    run("set language rust")
    check(names("-state end") == {"ended"}, "in Rust")
    run("set language auto")

    stacks = run("info share-stacks")
    lines = {int(line.split()[0], 16): line for line in
             stacks.splitlines()[1:]}
    check(re.search(r" 3 +0x%x" % address("third"),
                    lines.get(address("shared"), "")), stacks)
    check(re.search(" no +malloc +1 ", lines[address("large->share_stack")]), stacks)
    check(address("destroyed") not in lines, "a destroyed stack is listed")
    check(" kept" in run("info share-stacks -all"), "-all")
    for name in STATES:
        stack = address(name + "->share_stack")
        check(not stack or stack in lines, "no stack of " + name)


NUMBERS = {"over_mask": 720, "own": 100, "large": 400, "first": 500, "third": 700, "away": 900,
           "gone_first": 740}


def frames():
    return re.findall(r"^#\d+ +(?:0x\w+ in )?([a-z_]+)", run("backtrace"), re.M)


def select(function, which=0):
    """The frames of it, the innermost first."""
    frame = gdb.selected_frame()
    while frame:
        if frame.name() == function:
            if not which:
                frame.select()
                return
            which -= 1
        frame = frame.older()
    check(False, "no frame of %s: %s" % (function, run("backtrace")))


def check_frames(name, number):
    run("co " + name)
    shown = [f for f in frames() if not f.startswith("aco_")]
    check(shown[:4] == ["deep", "deep", "deep", "sleeper"],
          "%s: %s" % (name, shown))
    check("main" not in shown and "ready" not in shown, "%s: %s" % (name, shown))
    for level in range(2):
        run("co " + name)
        select("deep", level + 1)
        check(address("number") == 1000 * (level + 1) + number,
              "%s: number %s" % (name, address("number")))
        check("of this co" in run("info locals"), run("info locals"))
        check(address("level") == level + 1, "level")
    select("sleeper")
    check(address("start") == number, "%s: start" % name)


def bytes_of(stack):
    return bytes(gdb.selected_inferior().read_memory(
        address(stack + "->ptr") + address(stack + "->sz") - 8192, 8192))


def check_looking():
    before = run("backtrace")
    stack = bytes_of("shared")
    registers = run("info registers")
    for name, number in NUMBERS.items():
        check_frames(name, number)
    run("co second")
    select("wide")
    check(address("number") == 600, "second: number")
    check(address("room[2999]") == 600 % 256, "second: room")
    run("co outer")
    check([f for f in frames() if not f.startswith("aco_")][:2] ==
          ["outer_function", "signal"] or
          "outer_function" in frames(), "outer: %s" % frames())
    check("main" in frames(), "outer: no main: %s" % frames())
    select("outer_function")
    check(address("wait_for") == 77, "outer: wait_for")
    run("co main_co")
    check("main" in frames() and "ready" not in frames(), "main_co")

    # by number, and back
    number = re.search(r"^[* ](\d+) +0x%x " % address("first"),
                       run("info cos -all"), re.M).group(1)
    run("co " + number)
    select("deep", 1)
    check(address("number") == 1500, "by number")
    for leave in ("co", "co 0"):
        run("co first")
        run(leave)
        check(run("backtrace") == before, "after %s: %s" % (leave,
                                                          run("backtrace")))
    check("number = 1500" in run("co first apply backtrace -full"), "apply")
    text = run("co all -state suspended apply backtrace")
    check(len(re.findall(r"^\[co ", text, re.M)) == 10 + address("count") and
          "wide_sleeper" in text, text)
    check(run("backtrace") == before, "after apply")
    refuses("co fresh", "has not started")
    refuses("co ended", "has ended")
    refuses("co inner", "running, in thread")
    refuses("co gone_last", "destroyed")
    refuses("co 12345", "no co")
    refuses("co nothing_here", "No symbol")
    refuses("co first apply nothing", "Undefined command")
    check(run("backtrace") == before, "after apply of no command")
    refuses('aco-gcore ""', "Usage")
    check_lists_while_looking()

    # nothing was written
    check(bytes_of("shared") == stack, "the stack has changed")
    check(run("info registers") == registers, "registers have changed")

    text = run("print *first")
    check("co (suspended, sleeper) = {" in text and "share_stack = 0x" in text, text)
    check("3 users) = {" in run("print *shared"), run("print *shared"))
    check("co (main)" in run("print *main_co"), run("print *main_co"))


def forget():
    """What the commands remember of places."""
    sys.modules["libaco_gdb"].forget_places()


def check_lists_while_looking():
    """A list is the same, and the view afterwards."""
    forget()
    expected = table("info cos -all")
    for name in ("second", "own"):
        run("co " + name)
        select("wide" if name == "second" else "deep")
        before = run("frame"), run("backtrace")
        forget()
        check(table("info cos -all") == expected, "looking from " + name)
        check(re.search(r"^[*]\d+ +0x%x " % address(name), run("info cos -all"), re.M),
              "no * at " + name)
        check((run("frame"), run("backtrace")) == before, "after info cos: " +
              run("backtrace"))
        run("co all -function wide apply frame")
        check((run("frame"), run("backtrace")) == before, "after apply: " +
              run("backtrace"))
    run("co")


def with_overwritten(at, size, value, checks):
    inferior = gdb.selected_inferior()
    old = bytes(inferior.read_memory(at, size))
    inferior.write_memory(at, (value & ((1 << 8 * size) - 1)).to_bytes(size, "little"))
    gdb.invalidate_cached_frames()
    forget()
    checks()
    inferior.write_memory(at, old)
    gdb.invalidate_cached_frames()


def check_overwritten():
    """What of the data of the library is as it was is shown."""
    lib = sys.modules["libaco_gdb"].Library()
    slab, note, arena, thread, names = (
        lib.pointer(lib.slabs[0]),
        [head for head in lib.words(lib.notes[0], lib.note_lists) if head][0] ^
        ((1 << 8 * lib.word) - 1),
        lib.pointer(lib.arenas[0]), lib.pointer(lib.threads[0]),
        lib.words(address("(unsigned long)&aco_debug_") + 24, 5)[4])

    def some():
        text = run("info cos -all")
        check("cos or share stacks may be missing" in text, text)
        check(len(table("info cos -all")) > 0, text)
        run("info share-stacks")

    bad = 0x4141414141414141
    word = lib.word
    for at, size, value in ((slab + lib.slabs[1], word, bad),
                            (slab + lib.slabs[3], 4, bad),
                            (slab + lib.slabs[4], 4, bad),
                            (note + lib.notes[1], word, bad),
                            (note + lib.notes[1], word, 1),
                            (note + lib.notes[2], word, bad & ~1),
                            (arena + lib.arenas[1], word, bad),
                            (arena + lib.arenas[2], 4, bad),
                            (thread + lib.threads[1], word, bad),
                            (thread + lib.threads[2], word, bad),
                            (names, word, bad), (names + word, word, bad)):
        with_overwritten(at, size, value, some)

    def first():
        check(set(STATES) - {name for name in STATES
                             if address(name) in table("info cos -all")} == set(),
              run("info cos -all"))
        refuses("co first", "Cannot access memory")
        check("inner_function" in run("backtrace"), run("backtrace"))
        text = run("co all -state suspended apply backtrace")
        check(len(re.findall(r"^\[co ", text, re.M)) == 10 + address("count"), text)

    with_overwritten(address("&first->save_stack.ptr"), word, 16, first)
    with_overwritten(address("&destroyed->origin"), 1, 0x41, check_lists)
    forget()


def check_two():
    """Two processes, whose functions have other names at the same addresses."""
    def functions(names):
        text = run("info cos -all")
        check(all(name in text for name in names), text)
        check("dreamer" in names or "dreamer" not in text, text)
        check("sleeper" in names or "sleeper" not in text, text)

    show = "x/64xb 0x%x" % address("first->reg[1]")
    stack = run(show)
    functions(["sleeper", "deep"])
    number = re.search(r"^[* ](\d+) +0x%x " % address("large"),
                       run("info cos -all"), re.M).group(1)
    check_frames("first", 500)
    run("inferior 2")
    functions(["dreamer", "deeq"])
    check("deep" not in run("backtrace"), run("backtrace"))
    run("co second")
    check("wide_dreamer" in frames(), run("backtrace"))
    run("co")
    run("inferior 1")
    check(run(show) == stack, "the bytes of another co")
    check_frames("first", 500)
    # of the end of another process nothing changes here
    run("kill inferiors 2")
    check("sleeper" in frames(), run("backtrace"))
    run("co")
    check(run(show) == stack, "the bytes of another co")
    text = run("co " + number)
    check("0x%x" % address("large") in text, "another number: " + text)


def check_non_stop():
    """The selected thread runs."""
    run("thread 2")
    check(set(table("info cos")) == {address(name) for name in STATES},
          run("info cos"))
    refuses("co first", "is running")
    refuses("co first apply backtrace", "is running")
    run("thread 1")
    check_frames("first", 500)


def check_many():
    count = address("count")
    text = run("info cos")
    check(re.search(r"^%d cos$" % (count + len(STATES)), text, re.M), text)
    check(re.search(r"^%d .* suspended +waiter +other_place at " % (count // 10),
                    text, re.M), text)
    check(len(text.splitlines()) < 20, text)
    check_frames("many[%d]" % (count // 2 + 1), 1)


def check_stripped():
    found = table("info cos")
    check(len(found) == len(STATES), run("info cos"))
    check(len([line for line in found.values()
               if re.match(r"suspended .* 0x[0-9a-f]+ in gdb-program|"
                           r"suspended .* (0x[0-9a-f]+|\?)$", line)]) == 10,
          run("info cos"))
    first = [at for at, line in found.items() if "3" in line and
             ", saved" in line][0]
    run("co 0x%x" % first)
    check(len(re.findall(r"^#", run("backtrace"), re.M)) >= 3, run("backtrace"))
    run("co")


if MODE == "many":
    check_many()
elif MODE == "stripped":
    check_stripped()
elif MODE == "two":
    check_two()
elif MODE == "non-stop":
    check_non_stop()
else:
    check_lists()
    check_looking()
    if MODE == "live":
        check_overwritten()
        # a view ends when the process goes on
        show = "x/64xb 0x%x" % address("first->reg[1]")
        stack = run(show)
        run("co first")
        check(run(show) != stack, "these are the bytes of another co")
        gdb.execute("stepi", False, True)
        check("sleeper" not in run("backtrace"), "after stepi")
        check(run(show) == stack, "after stepi: the bytes of another co")
        # nor does a command go on with cos as they were before
        run("co own")
        text = run("co all -state suspended apply stepi")
        check(len(re.findall(r"^\[co ", text, re.M)) == 1, text)
        check("sleeper" not in run("backtrace"), "after apply stepi")
        run("co own")
        text = run("co all -state suspended apply print inc(1)")
        check(len(re.findall(r" = 2$", text, re.M)) == 9 + address("count"), text)
        check("sleeper" in run("backtrace"), "after apply print")
        # main() may be the innermost frame, which for gdb is the outermost
        run("tbreak *(char *)&in_main")
        run("continue")
        check(frames() == ["main"], "in main: %s" % frames())
        check_frames("own", 100)
        run("co")
        check(frames() == ["main"], "in main: %s" % frames())
        run("co first")
        run("continue")
        check("exited normally" in run("info program") or
              "not being run" in run("info program"), run("info program"))
        refuses("info cos", "does not run")
print("all checked")
