# SPDX-License-Identifier: Apache-2.0
"""occurs.py DIR OBJECT...: the bytes that the proof speaks of are the library's.

The .text of each object is found exactly once in libaco.so and in libaco.a of DIR,
whichever there are.  What the linker fills in may be anything in the archive; in
the shared library it is the distance to the function that the object names.
"""

import os
import re
import struct
import subprocess
import sys
import tempfile


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def text(path):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["objcopy", "-O", "binary", "--only-section=.text", path,
                        out.name], check=True)
        with open(out.name, "rb") as copy:
            return copy.read()


def relocations(path):
    """Pairs of an offset and the name of a function."""
    for line in output("objdump", "-r", "-j", ".text", path).splitlines():
        found = re.match(r"([0-9a-f]+) R_\w+ +(\w+)", line)
        if found:
            yield int(found[1], 16), found[2]


def places(code, fields, path):
    """Where the code is in a file, whatever there is in its fields of four bytes."""
    pattern, done = b"", 0
    for field in sorted(fields):
        pattern += re.escape(code[done:field]) + b"...."
        done = field + 4
    pattern += re.escape(code[done:])
    with open(path, "rb") as file:
        image = file.read()
    return image, [m.start() for m in re.finditer(b"(?=" + pattern + b")", image, re.S)]


def address(path, offset):
    """Where executable bytes of a file are loaded."""
    for line in output("readelf", "-lW", path).splitlines():
        word = line.split()
        if word[:1] == ["LOAD"] and "E" in word[6:-1]:
            start, virtual, _, size = (int(w, 16) for w in word[1:5])
            if start <= offset < start + size:
                return virtual + offset - start
    sys.exit(f"{path}: what is at {offset:#x} of the file is not executable")


def symbols(path):
    return {w[2]: int(w[0], 16) for w in map(str.split, output("nm", path).splitlines())
            if len(w) == 3}


def check(path, code, calls, name):
    image, found = places(code, [offset for offset, _ in calls], path)
    if len(found) != 1:
        sys.exit(f"{path} has the text of {name} {len(found)} times")
    if not path.endswith(".so"):
        return
    start, known = address(path, found[0]), symbols(path)
    for offset, function in calls:
        distance = struct.unpack_from("<i", image, found[0] + offset)[0]
        if start + offset + 4 + distance != known[function]:
            sys.exit(f"{path}: a call in {name} is none of {function}")


def main(folder, *objects):
    libraries = [path for path in (os.path.join(folder, "libaco.so"),
                                   os.path.join(folder, "libaco.a"))
                 if os.path.exists(path)]
    if not libraries:
        sys.exit(f"no library in {folder}")
    if not objects:
        sys.exit("no object to look for")
    size = 0
    for name in objects:
        code, calls = text(name), list(relocations(name))
        size += len(code)
        for path in libraries:
            check(path, code, calls, os.path.basename(name))
    print(f"{size} bytes, once in", " and ".join(map(os.path.basename, libraries)))


main(*sys.argv[1:])
