# SPDX-License-Identifier: Apache-2.0
# What gdb loads for the library: the module aco.py beside it, whose names so stay
# out of the way of others.  Installed as libaco.so.VERSION-gdb.py and
# libaco.so.VERSION-aco.py.
import importlib.util
import os
import re
import sys


def load_libaco():
    folder, name = os.path.split(os.path.abspath(__file__))
    module = re.sub(r"-gdb\.py$", "-aco.py", name)
    path = os.path.join(folder, module if module != name else "aco.py")
    spec = importlib.util.spec_from_file_location("libaco_gdb", path)
    sys.modules["libaco_gdb"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


if "libaco_gdb" not in sys.modules:
    keep, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        load_libaco()
    finally:
        sys.dont_write_bytecode = keep
    del keep
del load_libaco
