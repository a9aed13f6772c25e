#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
generators.py - cos with Python functions as bodies, by ctypes alone

A generator of Python yields from its own frame only.  A co yields at any depth:
below, in a function that sorted() calls, and in a walk that calls itself.

CPython keeps the frames of a thread in a thread state.  A co needs a thread
state of its own, or its frames would mix with those of its resumer.  So each co
first runs in a new thread, for which the callback of ctypes makes a thread
state.  The thread ends when the co first yields, and the co keeps the state:
ctypes puts it aside, with the interpreter lock, around each call of a CDLL.

What holds:

- A co has a stack for itself, because CPython keeps addresses in the stack.
- threading.local() and the recursion limit are those of the co, and
  threading.get_ident() is that of the thread that has resumed it.
- Tried with CPython 3.6 to 3.13 on amd64.  Newer versions compare the stack
  pointer with the bounds of the stack of the thread; they need a way to tell
  them of the stack of a co.

It prints:

	tree: 1 2 3 4 5
	sorted: [3, 2, 1], after 3 yields
	ValueError from the body: no luck
	given up: cleaned up
"""

import ctypes
import os

lib = ctypes.CDLL(os.environ.get("LIBACO", "libaco.so.2"), use_errno=True)
libc = ctypes.CDLL(None, use_errno=True)
python = ctypes.PyDLL(None)  # calls with the interpreter lock held

function = ctypes.CFUNCTYPE(None)
pointer = ctypes.c_void_p


def declare(library, name, result, *arguments):
    getattr(library, name).restype = result
    getattr(library, name).argtypes = arguments


declare(lib, "aco_create", pointer, pointer, pointer, ctypes.c_size_t, function, pointer)
declare(lib, "aco_destroy", None, pointer)
declare(lib, "aco_exit", None)
declare(lib, "aco_get_co", pointer)
declare(lib, "aco_is_end", ctypes.c_int, pointer)
declare(lib, "aco_resume", None, pointer)
declare(lib, "aco_share_stack_destroy", None, pointer)
declare(lib, "aco_share_stack_new", pointer, ctypes.c_size_t)
declare(lib, "aco_yield", None)
declare(libc, "pthread_create", ctypes.c_int, pointer, pointer, pointer, pointer)
declare(libc, "pthread_join", ctypes.c_int, ctypes.c_ulong, pointer)
declare(python, "PyThreadState_Get", pointer)
declare(python, "PyThreadState_Clear", None, pointer)
declare(python, "PyThreadState_Delete", None, pointer)


def check(made):
    if not made:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return made


main_co = check(lib.aco_create(None, None, 0, function(), None))


class GivenUp(BaseException):
    """Raised in a co that is closed before its body has ended."""


class Generator:
    """Runs body(yield_) in a co; yields what it passes to yield_()."""

    running = {}  # by the address of the co

    def __init__(self, body):
        self.body, self.values, self.error, self.closing = body, [], None, False
        self.stack = check(lib.aco_share_stack_new(0))
        self.co = lib.aco_create(main_co, self.stack, 0, enter, None)
        if not self.co:
            lib.aco_share_stack_destroy(self.stack)
            check(None)
        self.running[self.co] = self
        thread = ctypes.c_ulong()
        resume = ctypes.cast(lib.aco_resume, pointer)
        error = libc.pthread_create(ctypes.byref(thread), None, resume, self.co)
        if error:
            raise OSError(error, os.strerror(error))
        libc.pthread_join(thread, None)

    def run(self):
        self.thread_state = python.PyThreadState_Get()
        lib.aco_yield()  # and the thread ends
        try:
            if not self.closing:
                self.body(self.yield_)
        except GivenUp:
            pass
        except BaseException as error:
            self.error = error

    def yield_(self, value):
        self.values.append(value)
        lib.aco_yield()
        if self.closing:
            raise GivenUp

    def resume(self):
        lib.aco_resume(self.co)
        if self.error:
            error, self.error = self.error, None
            raise error

    def __iter__(self):
        while not lib.aco_is_end(self.co):
            self.resume()
            while self.values:
                yield self.values.pop(0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Let the body end, then free what it ran on."""
        self.closing = True
        while not lib.aco_is_end(self.co):
            lib.aco_resume(self.co)
        python.PyThreadState_Clear(self.thread_state)
        python.PyThreadState_Delete(self.thread_state)
        lib.aco_destroy(self.co)
        lib.aco_share_stack_destroy(self.stack)
        del self.running[self.co]


def run():
    Generator.running[lib.aco_get_co()].run()


# Returning would end the thread state of the thread, which is another one by now.
@function
def enter():
    run()
    lib.aco_exit()


def walk(tree, yield_):
    if tree:
        left, value, right = tree
        walk(left, yield_)
        yield_(value)
        walk(right, yield_)


def main():
    tree = (((None, 1, None), 2, (None, 3, None)), 4, (None, 5, None))
    with Generator(lambda yield_: walk(tree, yield_)) as values:
        print("tree:", *values)

    result = []

    def sort(yield_):
        def key(value):
            yield_(value)
            return -value

        result.extend(sorted([1, 2, 3], key=key))

    with Generator(sort) as compared:
        count = len(list(compared))
        print("sorted: %s, after %d yields" % (result, count))

    def fail(yield_):
        raise ValueError("no luck")

    with Generator(fail) as fails:
        try:
            list(fails)
        except ValueError as error:
            print("ValueError from the body:", error)

    def hold(yield_):
        try:
            yield_(1)
        finally:
            print("given up: cleaned up")

    with Generator(hold) as holds:
        next(iter(holds))


if __name__ == "__main__":
    main()
