# SPDX-License-Identifier: Apache-2.0
"""sites.py BITS SOURCES OBJECT...: where the inline switch is in objects.

Writes SitesBITS.v, with an Example of Site.v for each kind of site that there is,
and sitesBITS.bin, with their bytes.  Each site is found twice, by the label of its
landing and by its last jump, and as many are there as the source in the folder has
to have.  Whether a site is as it should be, Coq decides.
"""

import collections
import os
import re
import struct
import subprocess
import sys
import tempfile

Site = collections.namedtuple("Site", "exchange long clang pic distance text")

# i386 without -fPIC: a site has its own address in it.
ABSOLUTE = 0x100000

# By architecture: the last jump; how the exchange begins, short and long; bytes of
# the exchange without its conditional jumps, and how many of these it has; bytes
# before the last jump, without those of clang's store, without and with -fPIC.
Shape = collections.namedtuple("Shape", "jump begins fixed jumps body store landing")
SHAPES = {
    64: Shape(jump=b"\xff\x27", begins=b"\x0f\xae\x5e\x20", fixed=37, jumps=3,
              body={False: 26, True: 26}, store=4, landing=(4, 8)),
    32: Shape(jump=b"\xff\x22", begins=b"\xf6\x40\x17\x04", fixed=46, jumps=5,
              body={False: 20, True: 26}, store=3, landing=(4, 7)),
}


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Object:
    def __init__(self, path, bits):
        self.path, self.shape = path, SHAPES[bits]
        self.name = os.path.basename(path)[:-2]
        self.clang = self.name.startswith("clang")
        self.pic = bits == 64 or "-fPIC-" in self.name
        self.optimized = "-O0-" not in self.name
        self.source = self.name.rsplit("-", 1)[1] + ".c"
        self.labels, self.functions = {}, []
        self.symbols()
        with tempfile.NamedTemporaryFile() as out:
            subprocess.run(["objcopy", "-O", "binary", "--only-section=.text", path,
                            out.name], check=True)
            with open(out.name, "rb") as copy:
                self.text = copy.read()
        self.fields = {}
        for line in output("objdump", "-r", "-j", ".text", path).splitlines():
            word = line.split()
            if len(word) == 3 and word[1].startswith("R_"):
                self.fields[int(word[0], 16)] = word[1:]

    def fail(self, what):
        sys.exit(f"{self.name}: {what}")

    def symbols(self):
        for line in output("objdump", "-t", self.path).splitlines():
            found = re.match(r"([0-9a-f]+) (.{7}) (\S+)\s+([0-9a-f]+) (?:\.hidden )?(\S+)$", line)
            if not found:
                continue
            place, flags, section, size, name = found.groups()
            place, size = int(place, 16), int(size, 16)
            if re.match(r"\.Lacoe?\d+$", name):
                if section != ".text":
                    self.fail(f"{name} is in {section}")
                self.labels[name] = place
            elif flags[6] == "F" and name != "prepare" and section == ".text":
                self.functions.append((name, place, size))

    def sites(self):
        """The sites, and for each function how many without and with exchange."""
        counts = {name: [0, 0] for name, _, _ in self.functions}
        for label, landing in self.labels.items():
            if label.startswith(".Lacoe"):
                continue
            site = self.site(landing, self.labels.get(".Lacoe" + label[5:]))
            for name, place, size in self.functions:
                if place <= landing < place + size:
                    counts[name][site.exchange] += 1
            yield site
        self.count(counts)

    def site(self, landing, exchanged):
        shape, text = self.shape, self.text
        last = text.rfind(shape.jump, 0, landing)
        jump = last - shape.body[self.pic] - shape.store * self.clang
        begin, long = jump, False
        if exchanged is not None:
            if exchanged != jump:
                self.fail(f"the exchange ends at {exchanged:#x}, not at {jump:#x}")
            for length in 2, 6:
                begin = jump - shape.fixed - length * shape.jumps
                long = length == 6
                if text.startswith(shape.begins, begin):
                    break
            else:
                self.fail(f"no exchange ends at {jump:#x}")
        end = landing + shape.landing[self.clang]
        return Site(exchanged is not None, long, self.clang, self.pic, landing - begin,
                    self.linked(begin, end))

    def linked(self, begin, end):
        """The bytes, as the linker leaves them if they begin at ABSOLUTE."""
        code = bytearray(self.text[begin:end])
        for offset, (kind, symbol) in self.fields.items():
            if not begin - 4 < offset < end:
                continue
            place = 0 if symbol == ".text" else self.labels.get(symbol)
            if self.pic or kind != "R_386_32" or place is None:
                self.fail(f"{kind} {symbol} in a site at {offset:#x}")
            place += struct.unpack_from("<I", self.text, offset)[0]
            struct.pack_into("<I", code, offset - begin, place - begin + ABSOLUTE)
        return bytes(code)

    def count(self, counts):
        all_sites = sum(map(sum, counts.values()))
        register = {b"\xff\x27": "rdi", b"\xff\x22": "edx"}[self.shape.jump]
        jumps = re.findall(rf"\tjmp +\*\(%{register}\)", output("objdump", "-d", self.path))
        if len(jumps) != all_sites:
            self.fail(f"{len(jumps)} jumps, {all_sites} labels of landings in functions")
        calls = CALLS[self.source]
        if not self.optimized and all_sites != 2 * calls:
            self.fail(f"{all_sites} sites for {calls} calls, each of which has two")
        # a compiler that knows leaves one out, in the functions named so
        for name, (plain, exchange) in counts.items():
            if not (plain or name == "has_words"):
                self.fail(f"{name} has no switch without control words")
            if not (exchange or name == "shares_words"):
                self.fail(f"{name} has no switch with control words")


def calls(path):
    with open(path, encoding="utf-8") as file:
        return len(re.findall(r"^\t+aco_(?:resume|yield)\(", file.read(), re.M))


def boolean(value):
    return "true" if value else "false"


def example(number, site, names):
    kind = "site_64" if BITS == 64 else "site_32" if site.pic else "site_32_at"
    place = "" if site.pic else f" {ABSOLUTE:#x}"
    code = "; ".join(f"{byte:#04x}" for byte in site.text)
    code = re.sub(r"((?:0x..; ){15}0x..;) ", r"\1\n   ", code)
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return (f"(* {names[0]}{more} *)\n"
            f"Example found_{number} : {kind} {boolean(site.exchange)} {boolean(site.long)} "
            f"{boolean(site.clang)}{place} {site.distance}\n  [{code}].\n"
            "Proof. site. Qed.\n\n")


BITS = int(sys.argv[1])
CALLS = {name: calls(os.path.join(sys.argv[2], name))
         for name in os.listdir(sys.argv[2]) if name.endswith(".c")}
kinds = collections.OrderedDict()
for path in sys.argv[3:]:
    item = Object(path, BITS)
    for found in item.sites():
        kinds.setdefault(found, []).append(item.name)

with open(f"Sites{BITS}.v", "w", encoding="utf-8") as out:
    out.write("(* Made by sites.py. *)\nRequire Import ZArith List. Require Import Site.\n"
              "Import ListNotations. Open Scope Z_scope.\n\n")
    for index, (found, places) in enumerate(kinds.items()):
        out.write(example(index + 1, found, places))
with open(f"sites{BITS}.bin", "wb") as out:
    for found in kinds:
        out.write(found.text)
print(f"{sum(map(len, kinds.values()))} in {len(sys.argv) - 3} objects,"
      f" {len(kinds)} different")
