# SPDX-License-Identifier: Apache-2.0
"""What programs, workloads and implementations are called, in their order."""

import fnmatch

# Programs, and what to install where one of them could not be built.
PROGRAMS = {
    "run-aco": "nothing: it was not built (make bench-programs)",
    "run-aco-call": "nothing: it was not built (make bench-programs)",
    "run-aco-clang": "clang",
    "run-aco-c++": "g++",
    "run-boost-fcontext": "libboost-context-dev and g++",
    "run-boost-fiber": "libboost-context-dev and g++",
    "run-cxx20": "g++ (10 or newer)",
    "run-swapcontext": "nothing: it was not built (make bench-programs)",
    "run-pthread": "nothing: it was not built (make bench-programs)",
    "run-pth": "libpth-dev",
    "run-st": "libst-dev",
    "run-go": "golang-go",
}

# The implementation that every other one is compared with.
REFERENCE = "boost-fcontext"

SHARE_SIZES = (8, 24, 56, 120, 136, 488, 1000, 2000, 8000)
SCALES = tuple(10**n for n in range(2, 8))
RANDOM = tuple(10**n for n in range(4, 8))
RANDOM_OWN = tuple(10**n for n in range(4, 7))

WORKLOADS = {
    "switch": "one co: resume and yield",
    "nested": "one co: resumed in a called function, yields four calls deep",
    "nested-both": "one co: four calls deep on both sides",
    "turn-2": "two cos in turn, each on its own guarded stack",
    "yield-to": "two cos, each on its own guarded stack, that go on in each other",
    "yield-to-share": "two cos on one stack that go on in each other",
    "value": "one co: resume and yield, with a pointer each way",
    "turn-1000": "1,000 cos in turn, each on its own guarded stack",
    "turn-100000": "100,000 cos in turn, each on its own stack from malloc",
    **{
        f"share-{n}": f"two cos in turn on one stack, {n:,} bytes wanted in their frames"
        for n in SHARE_SIZES
    },
    "create-new": "create, run, destroy: with a guarded stack of its own",
    "create-new-4": "the same by each of four threads at a time",
    "create-reuse": "create, run, destroy: on a stack that is there",
    "reset": "reset, run",
    **{f"scale-{n}": f"{n:,} cos in turn on one stack, frames of 120 bytes" for n in SCALES},
    **{
        f"random-{n}": f"{n:,} cos in random order on one stack, frames of 120 bytes"
        for n in RANDOM
    },
    **{
        f"random-own-{n}": f"{n:,} cos in random order, each on 4 KiB from malloc"
        for n in RANDOM_OWN
    },
    **{
        f"wake-{n}": f"resume of the next of many on one stack, {n:,} bytes wanted in their frames"
        for n in SHARE_SIZES
    },
    "memory-given": "resident bytes of a suspended co, frame of 120 bytes, save stack size given",
    "memory-0": "resident bytes of a suspended co, frame of 120 bytes, save stack size 0",
    "memory-back": "resident bytes of a suspended co when 9 of 10 are destroyed, in random order",
    "memory-own": "resident bytes of a suspended task with a stack of its own, at most 10,000 tasks",
    "memory-deep": "resident bytes of two cos on one stack, one of them in a call with 1 MiB of frame",
    "memory-left": "the same a little after it has left that call",
    "guarded-memory": "resident bytes of a standalone co with a guarded stack",
    "guarded-create": "a standalone co with a guarded stack, never used before: create and resume",
    "guarded-turn": "standalone cos in turn, each on its own guarded stack",
}

IMPLEMENTATIONS = {
    "aco-shared": "libaco, shared control words",
    "aco-shared-prefetch": "libaco, shared, aco_prefetch()",
    "aco-own": "libaco, own control words",
    "aco-call-shared": "libaco ACO_NO_INLINE, shared",
    "aco-call-own": "libaco ACO_NO_INLINE, own",
    "aco-clang-shared": "libaco by clang, shared",
    "aco-clang-own": "libaco by clang, own",
    "aco-c++-shared": "libaco beside libstdc++, shared",
    "aco-c++-own": "libaco beside libstdc++, own",
    "control-words": "control words of two switches",
    "control-words-compared": "the same, loaded if different",
    "boost-fcontext": "boost fcontext",
    "boost-fiber": "boost fiber",
    "boost-fiber-pooled": "boost fiber, pooled stacks",
    "swapcontext": "swapcontext (glibc)",
    "c++20": "C++20 coroutine (stackless)",
    "pthread": "pthread, condition variables",
    "pth": "GNU Pth",
    "st": "State Threads",
    "go": "goroutine, channels, 1 processor",
}

# In these programs there are threads that can't be stepped.
NOT_COUNTED = ("pthread", "go")


def program(impl):
    """Which program has the rows of an implementation."""
    if impl.startswith("control-words"):
        return "run-aco"
    for name in sorted(PROGRAMS, key=len, reverse=True):
        if f"run-{impl}".replace("c++20", "cxx20").startswith(name):
            return name
    raise ValueError(impl)


def scale(workload):
    """How many cos a workload makes of which there is one for each number, or 0."""
    kind, _, number = workload.rpartition("-")
    return int(number) if kind in ("scale", "random", "random-own") else 0


def matches(pattern, workload, impl):
    return any(
        fnmatch.fnmatchcase(name, pattern) for name in (workload, f"{workload}/{impl}")
    )


def implementations(pattern):
    """Those of which rows may have such a name, although their program may be missing."""
    return [
        impl
        for impl in IMPLEMENTATIONS
        if any(matches(pattern, workload, impl) for workload in WORKLOADS)
    ]
