# SPDX-License-Identifier: Apache-2.0
"""aco.py - gdb shows the cos of a process, or of a core, that uses libaco

    info cos            lists them
    info share-stacks   lists the stacks
    co                  makes gdb look from a suspended one

The library keeps nothing for this but the lists to which its variable aco_debug_
leads (lib/debug.c).  The process is never written to, and nothing in it is called.

A co is shown by an unwinder: as long as the user looks from it, the innermost frame
of the selected thread has the innermost frame of the co for its caller.  The bytes
of a sharing co that does not own its stack are put in front of those on the stack as
a section of a file, which gdb takes for the truth about read-only memory.
"""

import bisect
import os
import re
import struct
import tempfile
from collections import Counter

import gdb
import gdb.printing
import gdb.unwinder

# ---- memory ------------------------------------------------------------------

PAGE = 4096
MOST = 1 << 31
SLAB = 2 << 20  # no slab is larger
LACKS = """This core lacks memory in which cos are.  On Linux 6.13 and later those that
gdb writes by "gcore" do: use "aco-gcore", or a core by the kernel."""


def read(address, size):
    """The bytes there.  gdb.MemoryError if they can't be read."""
    # of a number that was overwritten; gdb dies where it has not so much memory
    if size > MOST or address + size > 1 << 64:
        raise gdb.MemoryError("Cannot access %d bytes at 0x%x" % (size, address))
    return bytes(gdb.selected_inferior().read_memory(address, size))


def read_or_zeros(address, size):
    """The bytes there; zeros for pages that a core does not have."""
    try:
        return read(address, size)
    except gdb.MemoryError:
        pass
    parts, end = [], address + size
    while address < end:
        count = min(end, (address // PAGE + 1) * PAGE) - address
        try:
            parts.append(read(address, count))
        except gdb.MemoryError:
            parts.append(bytes(count))
        address += count
    return b"".join(parts)


class Damage:
    """with Damage: what can't be read is left out.  It was overwritten."""

    def __init__(self):
        self.found = False

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None or not issubclass(kind, gdb.MemoryError):
            return False
        self.found = True
        return True


# ---- commands of gdb ---------------------------------------------------------


def in_c(command):
    """The line that a command says that has an expression of C: gdb reads it in
    the language of the program, and may warn of another one behind it."""
    text = gdb.execute("with language c -- " + command, False, True)
    return text.partition("\n")[0]


# ---- architectures -----------------------------------------------------------


class Amd64:
    word = 8
    letter = "Q"
    # reg[4], control words, state, flags, resumer, share_stack, arg, main_co, fp;
    # ptr, sz, valid_sz, max_cpsz, ct_save, ct_restore
    co = struct.Struct("<4Q6x2B5Q6Q")
    # ptr, sz, owner, align_retptr, guard, origin, slot, id, users
    stack = struct.Struct("<4Q2B2xIQ16x")
    registers = ("rip", "rsp", "rbp", "rbx", "rdi")


class I386:
    word = 4
    letter = "I"
    co = struct.Struct("<4I6x2BI4x4I6I")
    stack = struct.Struct("<4I2B2xII8x")
    registers = ("eip", "esp", "ebp", "esi", "edx")


ADDRESS = (1 << 56) - 1  # the byte above belongs to aco_t.is_end

# ---- the library -------------------------------------------------------------

INIT, RUNNING_FROM, RUNNING_TO, RETURNED, END, MAIN = 0, 6, 9, 10, 11, 12
SUSPENDED_TO, SUSPENDED_INLINE = 5, 5
EMBEDDED = 8  # aco_t.flags
ORIGINS = ("caller", "malloc", "mapping", "arena")


class NoLibrary(gdb.GdbError):
    pass


class Library:
    """What aco_debug_ says."""

    def __init__(self):
        if not gdb.selected_inferior().pid:
            raise NoLibrary("The process does not run.")
        try:
            at = int(in_c('printf "%lu\\n", (unsigned long)&aco_debug_'))
        except gdb.error:
            raise NoLibrary("No libaco here: there is no symbol aco_debug_.")
        try:
            values = struct.unpack("<6I", read(at, 24))
        except gdb.MemoryError:
            raise NoLibrary("The process does not run.")
        version, self.record, word, self.zeros, self.red_zone, lists = values
        if version != 1:
            raise NoLibrary("aco_debug_ has version %d, this script is for 1."
                            % version)
        self.arch = Amd64 if word == 8 else I386
        self.word = word
        self.note_lists = lists
        self.damage = Damage()
        *tables, names = self.words(at + 24, 5)
        try:
            (self.slabs, self.notes, self.arenas, self.threads) = [
                self.table(address) for address in tables
            ]
        except gdb.MemoryError:
            raise NoLibrary("The library is not relocated yet.")
        self.names = {}
        with self.damage:
            self.names = dict(self.named(names))

    def words(self, address, count):
        return struct.unpack("<%d%s" % (count, self.arch.letter),
                             read(address, count * self.word))

    def pointer(self, address):
        return self.words(address, 1)[0]

    def number(self, address):
        return struct.unpack("<I", read(address, 4))[0]

    def table(self, address):
        """Where the first element is, and the offsets of its members."""
        offsets = struct.unpack("<8h", read(address + self.word, 16))
        return (self.pointer(address),) + offsets

    def walk(self, table):
        """The addresses of all elements of a list."""
        seen = set()
        at = self.pointer(table[0])
        while at and at not in seen:
            seen.add(at)
            yield at
            with self.damage:
                at = self.pointer(at + table[1])

    def named(self, table):
        """(address, name) of each co that has a name."""
        at, room = self.words(table, 2)
        if not at or not room:
            return
        values = self.words(at, 2 * room)
        for co, name in zip(values[::2], values[1::2]):
            if co:
                yield co, self.text(name)

    @staticmethod
    def text(address):
        found = b""
        try:
            while b"\0" not in found and len(found) < 128:
                at = address + len(found)
                found += read(at, min(128 - len(found), PAGE - at % PAGE))
        except gdb.MemoryError:
            pass
        found = found.split(b"\0")[0].decode("utf-8", "replace")
        # as the library shows it
        return re.sub(r"[\0-\x1f\x7f-\x9f]", "?", found)

    def noted(self, kind):
        """The addresses of all blocks of that kind that have notes."""
        mask = (1 << (8 * self.word)) - 1
        first, at_next, at_what = self.notes[:3]
        for head in self.words(first, self.note_lists):
            seen = set()
            while head and head not in seen:
                seen.add(head)
                note = head ^ mask
                what = 0
                with self.damage:
                    what = self.pointer(note + at_what)
                    head = self.pointer(note + at_next)
                if what and (what ^ mask) & 1 == kind:
                    yield (what ^ mask) & ~1


class Thread:
    def __init__(self, lib, at):
        _, _, at_current, at_own, at_number, at_tid = lib.threads[:6]
        self.current = lib.pointer(lib.pointer(at + at_current))
        self.own_main = lib.pointer(at + at_own)
        self.id = lib.number(at + at_number)
        self.lwp = lib.number(at + at_tid)

    def gdb_thread(self):
        for thread in gdb.selected_inferior().threads():
            if thread.is_valid() and thread.ptid[1] == self.lwp:
                return thread
        return None

    def __str__(self):
        thread = self.gdb_thread()
        if thread:
            return "thread %d (LWP %d)" % (thread.num, self.lwp)
        return "LWP %d" % self.lwp


class Stack:
    def __init__(self, lib, at, data):
        self.address = at
        (self.ptr, self.size, self.owner, self.end, self.guard, self.origin, _,
         users) = lib.arch.stack.unpack_from(data)
        self.destroyed = users >> (8 * lib.word - 1)
        self.users = users & ((1 << (8 * lib.word - 1)) - 1)
        self.base = self.end + lib.word

    def is_plausible(self):
        return self.ptr <= self.end < self.ptr + self.size

    def is_kept(self):
        """Waits, without users, for the next aco_share_stack_new()."""
        return self.destroyed and not self.users

    def is_lost(self):
        """The caller's memory, which is the caller's again, and may be gone."""
        return self.destroyed and ORIGINS[self.origin & 3] == "caller"

    def has(self, address):
        return self.ptr <= address <= self.ptr + self.size


class Co:
    """One co; the fields of aco_t."""

    def __init__(self, lib, at, data, offset=0):
        self.lib = lib
        self.address = at
        (self.pc, self.sp, self.bp, self.bx, self.raw_state, self.flags,
         resumer, self.share_stack, self.arg, self.main_co, self.fp,
         self.save_ptr, self.save_size, self.saved, _, _,
         _) = lib.arch.co.unpack_from(data, offset)
        self.thread_id = resumer  # of a main co
        self.resumer = resumer & ADDRESS
        self.block = at
        self.stack = None
        self.thread = None  # whose current co it is
        self.waits = False  # for another that it has resumed

    def is_main(self):
        return self.raw_state == MAIN

    def is_suspended(self):
        return 0 < self.raw_state <= SUSPENDED_TO

    def is_running(self):
        return RUNNING_FROM <= self.raw_state <= RETURNED

    def state(self):
        if self.thread:
            return "running"
        if self.is_main() or self.is_running():
            return "resuming" if self.waits else "running?"
        if self.raw_state == INIT:
            return "init"
        return "end" if self.raw_state == END else "suspended"

    def is_at_rest(self):
        """Its registers are in its aco_t."""
        return self.state() in ("suspended", "resuming")

    def owns(self):
        return self.stack is not None and self.stack.owner == self.address

    def is_lost(self):
        """Its bytes were on such a stack when that was destroyed."""
        return self.is_suspended() and not self.saved and self.stack.is_lost()

    def red_zone(self):
        if self.raw_state != SUSPENDED_INLINE:
            return 0
        room = (self.sp - self.stack.ptr) // 8 * 8
        return min(room, self.lib.red_zone)

    def copy(self):
        """The bytes that belong on the stack, and where they begin, or None when
        they are there."""
        if not self.is_suspended() or self.owns():
            return None
        # the last owner of a stack that was destroyed: nothing came after it
        if not self.saved:
            return None
        low = self.sp - self.red_zone()
        size = self.stack.end - low
        if size <= 0 or self.saved > size:
            return None
        data = read(self.save_ptr, self.saved)
        data += bytes(size - self.saved)
        top = 3 * self.lib.word
        data += bytes(top) if self.stack.is_lost() else read(self.stack.end, top)
        # By the word at the base a walk finds the owner, of the co that has the
        # stack now.  Here it finds none, in the word after the next.
        word = self.lib.word
        owner_at = self.stack.base + 2 * word
        fake = (owner_at - 2 * word).to_bytes(word, "little")
        at = len(data) - 2 * word
        return low, data[:at] + fake + data[at + word:] + bytes(word)

    def stack_use(self):
        if self.thread:
            return None
        return self.stack.base - self.sp if self.stack else None


# ---- all cos -----------------------------------------------------------------


class World:
    """All cos and stacks as they are now."""

    def __init__(self):
        self.lib = Library()
        self.threads = []
        for at in self.lib.walk(self.lib.threads):
            with self.lib.damage:
                self.threads.append(Thread(self.lib, at))
        self.stacks = {}
        self.find_stacks()
        self.cos = {}
        self.find_cos()
        self.find_running()
        if self.lib.damage.found:
            gdb.write("Some data of the library can't be read: "
                      "cos or share stacks may be missing.\n")

    # -- stacks

    def add_stack(self, at, data):
        stack = Stack(self.lib, at, data)
        if stack.is_plausible():
            self.stacks[at] = stack

    def find_stacks(self):
        size = self.lib.arch.stack.size
        _, _, at_fresh, at_stacks = self.lib.arenas[:4]
        for arena in self.lib.walk(self.lib.arenas):
            with self.lib.damage:
                count = self.lib.number(arena + at_fresh)
                data = read(arena + at_stacks, count * size)
                for i in range(count):
                    self.add_stack(arena + at_stacks + i * size,
                                   data[i * size:(i + 1) * size])
        for at in self.lib.noted(1):
            with self.lib.damage:
                self.add_stack(at, read(at, size))

    # -- cos

    def is_co(self, co):
        if co.is_main():
            return not (co.share_stack or co.main_co or co.save_ptr or
                        co.saved) and co.thread_id
        stack = self.stacks.get(co.share_stack)
        if not stack or co.raw_state > END or not stack.has(co.sp):
            return False
        co.stack = stack
        return co.main_co != 0

    def look(self, found, at, data, offset, room):
        """Is there a co in the room bytes at data[offset:], which are those at
        the address at?"""
        record = self.lib.record
        size = self.lib.arch.co.size
        state_at = offset + record + 4 * self.lib.word + 6
        # a main co lies a word or three words farther
        for more in (0, self.lib.word, 3 * self.lib.word):
            if record + more + size > room:
                break
            if data[state_at + more] > MAIN or (more and
                                                data[state_at + more] != MAIN):
                continue
            co = Co(self.lib, at + record + more, data, offset + record + more)
            if self.is_co(co):
                co.block = at
                found.append(co)
                break

    def used_of(self, slab, least):
        """(address of its first piece, their size, a bit for each in use), or no bits
        if they are smaller"""
        begin, size, count = [self.lib.number(slab + at)
                              for at in self.lib.slabs[2:5]]
        if not size:
            raise gdb.GdbError(LACKS)
        if begin + count * size > SLAB:
            raise gdb.MemoryError
        if size < least:
            return slab + begin, size, 0
        free = int.from_bytes(
            read(slab + self.lib.slabs[5], (count + 31) // 32 * 4), "little")
        return slab + begin, size, ~free & ((1 << count) - 1)

    def pieces(self):
        """(address, bytes, offset, size) of each piece in use."""
        least = self.lib.arch.co.size + self.lib.record
        for slab in self.lib.walk(self.lib.slabs):
            used = 0
            with self.lib.damage:
                begin, size, used = self.used_of(slab, least)
            if not used:
                continue
            end = used.bit_length()
            data = read_or_zeros(begin, end * size)
            bits = bin(used)[:1:-1]
            at = bits.find("1")
            while at >= 0:
                yield begin + at * size, data, at * size, size
                at = bits.find("1", at + 1)

    def find_cos(self):
        found = []
        for at, data, offset, size in self.pieces():
            self.look(found, at, data, offset, size)
        size = self.lib.record + 3 * self.lib.word + self.lib.arch.co.size
        for at in self.lib.noted(0):
            # read as far as the smallest block reaches, a note behind it included
            with self.lib.damage:
                data = read(at, size)
                self.look(found, at, data, 0, len(data))
        for co in self.without_save_stacks(found):
            self.cos[co.address] = co

    @staticmethod
    def without_save_stacks(found):
        """What lies in the save stack of a co may look like a co.  A co that
        no other claims for its save stack is one, and what it claims is none."""
        claims = {co.save_ptr: co for co in found
                  if co.save_ptr and not co.flags & EMBEDDED}
        doubtful = [co for co in found if co.block in claims]
        if not doubtful:
            return found
        bad = set()
        for _ in doubtful:
            claimed = {co.save_ptr for co in found if co.save_ptr and
                       not co.flags & EMBEDDED and co.block not in bad and
                       co.block not in claims}
            more = {co.block for co in doubtful if co.block in claimed}
            if more <= bad:
                break
            bad |= more
            claims = {ptr: co for ptr, co in claims.items()
                      if co.block not in bad}
        return [co for co in found if co.block not in bad]

    def find_running(self):
        for thread in self.threads:
            co = self.cos.get(thread.current)
            if co:
                co.thread = thread
            steps = 0
            while co and not co.is_main() and steps < len(self.cos):
                co = self.cos.get(co.resumer)
                if co and not co.thread:
                    co.waits = True
                steps += 1
            own = self.cos.get(thread.own_main)
            if own and not own.thread and not own.waits:
                del self.cos[own.address]  # the library has it at hand

    def sorted(self):
        return sorted(self.cos.values(), key=lambda co: co.address)


# ---- numbers that cos keep for the session -----------------------------------

numbers = {}  # of each inferior: {address: number}, {number: address}


def numbers_now():
    return numbers.setdefault(gdb.selected_inferior().num, ({}, {}))


def number_of(co):
    by_address, by_number = numbers_now()
    n = by_address.get(co.address)
    if n is None:
        n = by_address[co.address] = len(by_address) + 1
        by_number[n] = co.address
    return n


# ---- looking from a co -------------------------------------------------------


def elf_with(address, data, word):
    """A file with one section, which is read-only memory there."""
    names = b"\0.aco\0.shstrtab\0"
    kind = "Q" if word == 8 else "I"
    head = struct.Struct("<16s2HI3%sI6H" % kind)
    section = struct.Struct("<2I4%s2I2%s" % (kind, kind))
    at_data = (head.size + 15) // 16 * 16
    at_names = at_data + len(data)
    at_sections = (at_names + len(names) + 15) // 16 * 16
    ident = b"\x7fELF" + bytes((2 if word == 8 else 1, 1, 1))
    sections = (
        section.pack(0, 0, 0, 0, 0, 0, 0, 0, 0, 0) +
        section.pack(1, 1, 2, address, at_data, len(data), 0, 0, 1, 0) +
        section.pack(6, 3, 0, 0, at_names, len(names), 0, 0, 1, 0))
    header = head.pack(ident, 2, 62 if word == 8 else 3, 1, 0, 0, at_sections, 0,
                       head.size, 0, 0, section.size, 3, 2)
    out = bytearray(at_sections)
    out[:len(header)] = header
    out[at_data:at_names] = data
    out[at_names:at_names + len(names)] = names
    return bytes(out) + sections


def quoted(path):
    """As one word of a command."""
    return re.sub(r"([\\'\"\s])", r"\\\1", path)


class Copy:
    """Bytes that gdb reads in place of those on a share stack."""

    active = 0  # while files come and go

    def __init__(self, address, data, word):
        self.file = tempfile.NamedTemporaryFile(prefix="aco-co-")
        self.file.write(elf_with(address, data, word))
        self.file.flush()
        self.was_trusting = gdb.parameter("trust-readonly-sections")
        self.program = gdb.current_progspace()
        Copy.active += 1
        try:
            gdb.execute("add-symbol-file %s -o 0" % quoted(self.file.name),
                        False, True)
        finally:
            Copy.active -= 1
        gdb.execute("set trust-readonly-sections on", False, True)

    def distrust(self):
        if not self.was_trusting:
            gdb.execute("set trust-readonly-sections off", False, True)

    def remove(self):
        """At once, or when its program is the current one again."""
        self.distrust()
        if self.program == gdb.current_progspace():
            self.remove_file()
        else:
            left_over.append(self)

    def remove_file(self):
        Copy.active += 1
        try:
            gdb.execute("remove-symbol-file %s" % quoted(self.file.name),
                        False, True)
        finally:
            Copy.active -= 1
        self.file.close()


left_over = []  # copies whose files gdb still has


def drop_left_over():
    """Those of the current program."""
    for copy in left_over[:]:
        if copy.program == gdb.current_progspace():
            left_over.remove(copy)
            copy.remove_file()


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class Unwinder(gdb.unwinder.Unwinder):
    """The innermost frame of the thread is called by that of the co."""

    def __init__(self):
        super().__init__("libaco")
        self.view = None

    def __call__(self, pending):
        view = self.view
        if not view or not view.is_thread(gdb.selected_thread()):
            return None
        names = view.co.lib.arch.registers
        pc = int(pending.read_register(names[0])) & view.mask
        sp = int(pending.read_register(names[1])) & view.mask
        if (pc, sp) == view.innermost:
            # farther in than any frame, or gdb takes the stack for corrupt
            info = pending.create_unwind_info(FrameId(view.value(16), view.value(pc)))
            values = (view.co.pc, view.co.sp, view.co.bp, view.co.bx,
                      view.co.address)
            for name, value in zip(names, values):
                info.add_saved_register(name, view.value(value))
            return info
        return None


unwinder = Unwinder()
gdb.unwinder.register_unwinder(None, unwinder, True)


class View:
    """gdb looks from a co."""

    def __init__(self, co):
        self.co = co
        self.mask = (1 << (8 * co.lib.word)) - 1
        self.type = gdb.selected_inferior().architecture().integer_type(
            8 * co.lib.word, False)
        self.thread = gdb.selected_thread()
        self.inferior = gdb.selected_inferior().num
        self.copy = None
        self.past_main = False
        self.innermost = self.innermost_frame()

    def value(self, number):
        return gdb.Value(number).cast(self.type)

    def is_thread(self, thread):
        return thread is not None and thread.is_valid() and \
            self.thread.is_valid() and thread.ptid == self.thread.ptid

    def innermost_frame(self):
        frame = gdb.newest_frame()
        names = self.co.lib.arch.registers
        return tuple(int(frame.read_register(name)) & self.mask
                     for name in names[:2])

    def open(self):
        copied = self.co.copy()
        if copied:
            self.copy = Copy(*copied, self.co.lib.word)
        unwinder.view = self
        # where main() is the innermost frame gdb looks for no caller
        if not gdb.parameter("backtrace past-main"):
            self.past_main = True
            gdb.execute("set backtrace past-main on")
        gdb.invalidate_cached_frames()

    def close(self):
        self.end()
        if self.copy:
            self.copy.remove()
        gdb.invalidate_cached_frames()

    def end_later(self):
        """The file of its copy can't be removed now."""
        self.end()
        if self.copy:
            self.copy.distrust()
            left_over.append(self.copy)

    def end(self):
        unwinder.view = None
        if self.past_main:
            self.past_main = False
            gdb.execute("set backtrace past-main off")

    def frame(self):
        """The innermost one of the co, or None."""
        frame = gdb.newest_frame()
        while frame and self.is_before(frame):
            frame = frame.older()
        return frame

    def is_before(self, frame):
        """Whether a frame is one of the thread.  One that is inlined into
        another has its registers."""
        names = self.co.lib.arch.registers
        return tuple(int(frame.read_register(name)) & self.mask
                     for name in names[:2]) == self.innermost


view = None  # the one that the user has asked for


def leave():
    global view
    if not view:
        return
    old, view = view, None
    old.close()
    try:
        if gdb.selected_thread():
            gdb.newest_frame().select()
    except gdb.error:
        pass


class Aside:
    """Looks from the thread for a while: a list is made of all bytes as they are."""

    def __enter__(self):
        is_here = view and view.is_thread(gdb.selected_thread())
        self.co = view.co if is_here else None
        self.level = 0
        if self.co:
            try:
                self.level = gdb.selected_frame().level()
            except gdb.error:
                pass
        leave()
        self.then = times_gone_on
        return self

    def has_gone_on(self):
        return times_gone_on != self.then

    def __exit__(self, *_):
        leave()
        if not self.co or self.has_gone_on():
            return
        look_from(self.co)
        frame = gdb.newest_frame()
        while frame and frame.level() < self.level:
            frame = frame.older()
        if frame and self.level:
            frame.select()


def has_frames():
    """Whether there is a thread from which gdb can look."""
    thread = gdb.selected_thread()
    return thread is not None and not thread.is_running()


def can_look(co):
    """None, or why gdb can't look from it."""
    if co.thread:
        return "is running, in %s" % co.thread
    if co.raw_state == INIT and not co.is_main():
        return "has not started"
    if co.raw_state == END:
        return "has ended"
    if not co.is_at_rest():
        return "is running"
    if co.is_lost():
        return "was on a share stack that is destroyed"
    if not gdb.selected_thread():
        return "can't be looked from: no thread is selected"
    if not has_frames():
        return "can't be looked from: the selected thread is running"
    return None


def look_from(co):
    """Makes it the view, or raises gdb.GdbError."""
    global view
    leave()
    drop_left_over()
    new = View(co)
    try:
        new.open()
        frame = new.frame()
        why = "No frame of the co can be unwound."
    except (gdb.error, OSError) as error:
        frame, why = None, str(error)
    if not frame:
        new.close()
        raise gdb.GdbError(why)
    view = new
    frame.select()


class Filter:
    """Backtraces begin where the co begins."""

    name = "libaco"
    enabled = True
    priority = 1

    @staticmethod
    def filter(frames):
        for decorated in frames:
            frame = decorated.inferior_frame()
            if view and view.is_thread(gdb.selected_thread()) and \
                    view.is_before(frame):
                continue
            yield decorated


gdb.frame_filters[Filter.name] = Filter()

# ---- where a co is suspended -------------------------------------------------


class Place:
    """What is known of a resume or return address."""

    def __init__(self, text=None, above=None):
        self.text = text  # if it is in the program,
        self.above = above  # if not, what is between its sp and its caller's


places = {}  # of each program: {address: Place},
functions = {}  # {address: name}


def here(what):
    return what.setdefault(gdb.current_progspace(), {})


def symbol_of(address):
    """The name of the function that begins there, or its address."""
    names = here(functions)
    name = names.get(address)
    if name is None:
        name = ""
        try:
            block = gdb.block_for_pc(address)
            while block and not block.function:
                block = block.superblock
            name = block.function.print_name if block else ""
        except (gdb.error, RuntimeError):
            pass
        if not name:
            text = in_c("info symbol 0x%x" % address)
            match = re.match(r"(\S+?)( in section .*| \+ \d+ in .*)?$",
                             text.strip())
            name = match.group(1) if match and not text.startswith("No symbol") \
                else "0x%x" % address
        names[address] = name
    return name


def directory_of(function):
    symbol = gdb.lookup_global_symbol(function)
    return os.path.dirname(symbol.symtab.fullname()) if symbol else None


def library_directories():
    known = here(places)
    if "directories" not in known:
        found = {directory_of("aco_create2"), directory_of("aco_io_go")}
        known["directories"] = found - {None}
    return known["directories"]


def is_of_library(frame):
    """Where the library is no file of its own, its functions have the names, or
    lie in the directory."""
    solib = gdb.solib_name(frame.pc())
    if solib:
        return re.match(r"libaco(-io)?\.so", os.path.basename(solib)) is not None
    name = frame.name() or ""
    if name.startswith("aco_"):
        return True
    symtab = frame.find_sal().symtab
    return symtab is not None and \
        os.path.dirname(symtab.fullname()) in library_directories()


def describe(frame):
    name = frame.name() or "0x%x" % frame.pc()
    sal = frame.find_sal()
    if sal.symtab:
        return "%s at %s:%d" % (name, os.path.basename(sal.symtab.filename),
                                sal.line)
    solib = gdb.solib_name(frame.pc())
    return "%s in %s" % (name, os.path.basename(solib)) if solib else name


def learn(co):
    """Unwinds it as gdb does, for all that are suspended at such a place."""
    known = here(places)
    temporary = View(co)
    try:
        temporary.open()
        frame = temporary.frame()
        sp_name = co.lib.arch.registers[1]
        below = []  # real frames of the library: pc, sp
        for _ in range(40):
            if not frame or frame.type() == gdb.SIGTRAMP_FRAME:
                break
            pc = frame.pc()
            sp = int(frame.read_register(sp_name)) & temporary.mask
            if below and below[-1][0] != pc:
                old, old_sp = below[-1]
                known.setdefault(old, Place(above=sp - old_sp))
            if not is_of_library(frame):
                known[pc] = Place(describe(frame))
                return
            if frame.type() != gdb.INLINE_FRAME:
                below.append((pc, sp))
            frame = frame.older()
        known.setdefault(co.pc, Place(symbol_of(co.pc)))
    finally:
        temporary.close()


class Bytes:
    """What lies on the stack of a co, from its stack pointer up."""

    def __init__(self, co):
        self.co = co
        copied = co.copy()
        if copied:
            self.low, self.data = copied
        else:
            self.low = co.sp
            size = 320
            if co.stack:
                size = max(0, min(size, co.stack.base - co.sp))
            self.data = read(co.sp, size)

    def word(self, address):
        word = self.co.lib.word
        at = address - self.low
        if at < 0:
            raise gdb.MemoryError
        if at + word > len(self.data):
            return self.co.lib.pointer(address)
        return int.from_bytes(self.data[at:at + word], "little")


def place_of(co):
    """Where it is suspended, as text."""
    known = here(places)
    for _ in range(3):
        stack, pc, sp = None, co.pc, co.sp
        try:
            for _ in range(40):
                place = known.get(pc)
                if not place:
                    break
                if place.text is not None:
                    return place.text
                if co.is_lost():
                    return "?"
                stack = stack or Bytes(co)
                sp += place.above
                pc = stack.word(sp - co.lib.word)
        except gdb.MemoryError:
            return "?"
        if co.is_lost():
            return "?"
        try:
            learn(co)
        except gdb.error:
            return "?"
    return symbol_of(co.pc)


def where(co):
    if co.is_at_rest():
        if not has_frames():
            return symbol_of(co.pc)
        return place_of(co)
    if co.thread:
        return str(co.thread)
    return ""


# ---- tables ------------------------------------------------------------------


def show(rows, heads):
    """Columns as wide as they have to be, the last one last."""
    widths = [max(len(str(row[i])) for row in rows + [heads])
              for i in range(len(heads) - 1)]
    for row in [heads] + rows:
        cells = [str(cell).ljust(width) for cell, width in zip(row, widths)]
        gdb.write("  ".join(cells + [str(row[-1])]).rstrip() + "\n")


class Choice:
    """The options of a list of cos."""

    states = ("init", "suspended", "running", "resuming", "end", "main")

    def __init__(self, words):
        self.state = self.function = self.stack = None
        self.all = self.group = False
        words = list(words)
        while words:
            word = words.pop(0)
            if word == "-all":
                self.all = True
            elif word == "-group":
                self.group = True
            elif word in ("-state", "-function", "-stack") and words:
                setattr(self, word[1:], words.pop(0))
            else:
                raise gdb.GdbError("What is \"%s\"? See \"help info cos\"." % word)
        if self.state and self.state not in self.states:
            raise gdb.GdbError("A state is one of: " + ", ".join(self.states))
        try:
            self.regex = re.compile(self.function) if self.function else None
            if self.stack is not None:
                self.stack = int(gdb.parse_and_eval(self.stack))
        except (re.error, gdb.error) as error:
            raise gdb.GdbError(str(error))

    def of(self, world):
        return [co for co in world.sorted() if self.has(co)]

    def has(self, co):
        if self.state == "main":
            if not co.is_main():
                return False
        elif self.state and (co.state() != self.state or co.is_main()):
            return False
        if self.stack is not None and co.share_stack != self.stack:
            return False
        if not self.regex:
            return True
        return any(self.regex.search(text) for text in
                   (function_of(co), where(co)))


def function_of(co):
    text = "(main co)" if co.is_main() else symbol_of(co.fp)
    name = co.lib.names.get(co.address)
    return '%s "%s"' % (text, name) if name else text


def stack_of(co):
    if not co.stack:
        return ""
    use = co.stack_use()
    text = "-" if use is None else str(use)
    if co.stack.users > 1:
        text += " of shared 0x%x" % co.stack.address
        if not co.owns():
            text += ", saved" if co.saved else ""
    return text


def list_cos(cos, chosen):
    rows = []
    for co in cos:
        is_chosen = chosen and co.address == chosen.address
        rows.append((("*" if is_chosen else " ") + str(number_of(co)),
                     "0x%x" % co.address, co.state(), stack_of(co),
                     "0x%x" % co.resumer
                     if co.resumer and not co.is_main() and co.is_running()
                     else "", function_of(co), where(co)))
    show(rows, (" Num", "Address", "State", "Stack", "Resumer", "Function",
                "Where"))


def list_groups(cos):
    groups = Counter()
    first = {}
    for co in cos:
        key = (co.state(), function_of(co), where(co))
        groups[key] += 1
        first.setdefault(key, co)
    rows = [(count, "%d 0x%x" % (number_of(first[key]), first[key].address)) + key
            for key, count in groups.most_common()]
    show(rows, ("Cos", "First", "State", "Function", "Where"))


MANY = 100


class InfoCos(gdb.Command):
    """List the cos of the process.
Usage: info cos [-state STATE] [-function REGEX] [-stack ADDRESS] [-all|-group]

  -state      init, suspended, running, resuming, end or main
  -function   a co whose function, or place, matches
  -stack      a user of that share stack
  -group      count those of each place
  -all        list each, also where there are more than 100

The stack is what a suspended co uses of it, in bytes."""

    def __init__(self):
        super().__init__("info cos", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        choice = Choice(gdb.string_to_argv(argument))
        with Aside() as aside:
            self.list(choice, aside.co)

    @staticmethod
    def list(choice, chosen):
        world = World()
        cos = choice.of(world)
        if not cos:
            gdb.write("No cos.\n")
        elif choice.group or (len(cos) > MANY and not choice.all):
            list_groups(cos)
            gdb.write("%d cos\n" % len(cos))
        else:
            list_cos(cos, chosen)


class InfoShareStacks(gdb.Command):
    """List the share stacks of the process.
Usage: info share-stacks [-all]

  -all   also those that were destroyed and are kept for reuse"""

    def __init__(self):
        super().__init__("info share-stacks", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        if words not in ([], ["-all"]):
            raise gdb.GdbError("Usage: info share-stacks [-all]")
        world = World()
        rows = []
        for at in sorted(world.stacks):
            stack = world.stacks[at]
            if stack.is_kept() and not words:
                continue
            rows.append(("0x%x" % at, "0x%x-0x%x" % (stack.ptr,
                                                    stack.ptr + stack.size),
                         stack.size, "yes" if stack.guard else "no",
                         ORIGINS[stack.origin & 3], stack.users,
                         "0x%x" % stack.owner if stack.owner else "",
                         "kept" if stack.is_kept() else
                         "destroyed" if stack.destroyed else ""))
        if rows:
            show(rows, ("Address", "Memory", "Bytes", "Guard", "From", "Users",
                        "Owner", ""))
        else:
            gdb.write("No share stacks.\n")


# ---- the command co ----------------------------------------------------------


def find(world, text):
    """The co that a number or an expression names."""
    try:
        value = int(gdb.parse_and_eval(text))
    except gdb.error as error:
        raise gdb.GdbError(str(error))
    by_number = numbers_now()[1]
    co = world.cos.get(value) or world.cos.get(by_number.get(value))
    if not co:
        raise gdb.GdbError("There is no co %s." % text)
    return co


def title(co):
    return "co %d 0x%x, %s, %s" % (number_of(co), co.address, co.state(),
                                   function_of(co))


class CoCommand(gdb.Command):
    """Look from a suspended co: its frames, locals and registers.
Usage: co NUMBER|EXPRESSION
       co [0]
       co NUMBER|EXPRESSION apply COMMAND
       co all [-state STATE] [-function REGEX] [-stack ADDRESS] apply COMMAND

The first makes backtrace, frame, up, down, info locals and print look from the
co that has the number, as "info cos" lists it, or the address.  Without one, or with
0, gdb looks from the thread again, as it does when the process goes on.  With
"apply" gdb looks from the co for that command alone."""

    def __init__(self):
        super().__init__("co", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        match = re.match(r"(.*?)\bapply\s+(.+)$", argument)
        if match:
            self.apply(match.group(1).strip(), match.group(2))
            return
        argument = argument.strip()
        if argument in ("", "0"):
            leave()
            self.print_frame()
            return
        world = World()
        co = find(world, argument)
        leave()
        why = can_look(co)
        if why:
            raise gdb.GdbError("The %s: it %s." % (title(co), why))
        look_from(co)
        gdb.write("[Looking from %s]\n" % title(co))
        self.print_frame()

    @staticmethod
    def print_frame():
        try:
            gdb.execute("frame")
        except gdb.error:
            gdb.write("No thread.\n")

    @staticmethod
    def apply(which, command):
        world = World()
        words = gdb.string_to_argv(which)
        choice = one = None
        if words and words[0] == "all":
            choice = Choice(words[1:])
        else:
            one = find(world, which)
        with Aside() as aside:
            for co in choice.of(world) if choice else [one]:
                gdb.write("\n[%s]\n" % title(co))
                CoCommand.apply_to(co, command)
                # by the command: what is known of the other cos is not true now
                if aside.has_gone_on():
                    break

    @staticmethod
    def apply_to(co, command):
        why = can_look(co)
        if why:
            gdb.write("It %s.\n" % why)
            return
        try:
            look_from(co)
        except gdb.GdbError as error:
            gdb.write("%s\n" % error)
            return
        try:
            gdb.execute(command)
        except gdb.error as error:
            raise gdb.GdbError(str(error)) from None


# ---- cores -------------------------------------------------------------------


def copy_pages(core, at, address, end):
    """Into the file, from there on, what can be read: a page is read or not."""
    try:
        data = read(address, end - address)
    except gdb.MemoryError:
        pages = (end - address) // PAGE
        if pages > 1:
            middle = address + pages // 2 * PAGE
            copy_pages(core, at, address, middle)
            copy_pages(core, at + middle - address, middle, end)
        return
    if data.strip(b"\0"):
        core.seek(at)
        core.write(data)


def segments(core, word):
    """(offset, address, size) of what a core has of memory."""
    core.seek(0)
    header = core.read(64)
    at, = struct.unpack_from("<Q" if word == 8 else "<I", header,
                             32 if word == 8 else 28)
    size, count = struct.unpack_from("<2H", header, 54 if word == 8 else 42)
    core.seek(at)
    table = core.read(size * count)
    for i in range(count):
        if word == 8:
            kind, _, offset, address, _, sz = struct.unpack_from(
                "<2I4Q", table, i * size)
        else:
            kind, offset, address, _, sz = struct.unpack_from(
                "<5I", table, i * size)
        if kind == 1 and sz:
            yield offset, address, sz


class Gcore(gdb.Command):
    """Save a core of the process, stacks of cos included.
Usage: aco-gcore FILE

As gcore, which leaves out the rest of a mapping where a page of it can't be read, and
so most stacks on Linux 6.13 and later.  Cores by the kernel have them."""

    def __init__(self):
        super().__init__("aco-gcore", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        if len(words) != 1 or not words[0]:
            raise gdb.GdbError("Usage: aco-gcore FILE")
        leave()
        world = World()
        # which takes all of its line for the name, as it is
        try:
            gdb.execute("gcore " + words[0], False, True)
        except gdb.error as error:
            raise gdb.GdbError(str(error)) from None
        starts = sorted(stack.ptr for stack in world.stacks.values())
        chunk = 1 << 20
        with open(os.path.expanduser(words[0]), "r+b") as core:
            for offset, address, size in segments(core, world.lib.word):
                i = bisect.bisect_left(starts, address)
                if i == len(starts) or starts[i] >= address + size:
                    continue
                for done in range(0, size, chunk):
                    copy_pages(core, offset + done, address + done,
                               address + min(done + chunk, size))
        gdb.write("Saved corefile %s\n" % words[0])


# ---- when the process goes on ------------------------------------------------


def forget_places(_=None):
    if not Copy.active:
        places.clear()
        functions.clear()


def goes_on(_):
    """The copy stays until it stops again: its file can't be removed now."""
    global view, times_gone_on
    times_gone_on += not calling
    if view:
        view.end_later()
        view = None


times_gone_on = 0  # or ended
calling = False  # a function, after which all is as it was


def calls(event):
    global calling
    calling = isinstance(event, gdb.InferiorCallPreEvent)


def has_stopped(_):
    drop_left_over()


def has_ended(event):
    """One process may end while gdb looks from a co of another."""
    global view, times_gone_on
    times_gone_on += 1
    ended = event.inferior.num
    numbers.pop(ended, None)
    is_selected = ended == gdb.selected_inferior().num
    if is_selected:
        drop_left_over()
    if view and view.inferior == ended:
        old, view = view, None
        if is_selected:
            old.close()
        else:
            old.end_later()


def before_prompt():
    """Another thread shows its own frames."""
    drop_left_over()
    if view and not view.is_thread(gdb.selected_thread()):
        gdb.write("[Looking from %s no more]\n" % title(view.co))
        leave()


gdb.events.cont.connect(goes_on)
gdb.events.stop.connect(has_stopped)
gdb.events.exited.connect(has_ended)
gdb.events.inferior_call.connect(calls)
gdb.events.new_objfile.connect(forget_places)
gdb.events.clear_objfiles.connect(forget_places)
gdb.events.before_prompt.connect(before_prompt)

# ---- values ------------------------------------------------------------------

STATES = ("init", "suspended", "suspended", "suspended", "suspended", "suspended",
          "running", "running", "running", "running", "returned", "end", "main",
          "destroyed")


class CoPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        state = int(self.value["state"])
        text = STATES[state] if state < len(STATES) else "no co"
        if text not in ("main", "destroyed", "no co"):
            text += ", " + symbol_of(int(self.value["fp"]))
        return "co (%s)" % text

    def children(self):
        state = int(self.value["state"])
        if STATES[state:state + 1] == ("main",):
            names = ("thread", "arg", "reg")
        else:
            names = ("fp", "arg", "resumer", "main_co", "share_stack", "reg",
                     "save_stack")
        for name in names:
            value = self.value[name]
            if name == "resumer":
                value = gdb.Value(int(value) & ADDRESS).cast(value.type)
            yield name, value


class ShareStackPrinter:
    def __init__(self, value):
        self.value = value

    def users(self):
        users = int(self.value["users"])
        top = 1 << (8 * self.value["users"].type.sizeof - 1)
        return users & (top - 1), users >= top

    def to_string(self):
        users, destroyed = self.users()
        return "share stack (%d bytes, %d user%s%s)" % (
            int(self.value["sz"]), users, "" if users == 1 else "s",
            ", destroyed" if destroyed else "")

    def children(self):
        for name in ("ptr", "sz", "owner", "align_retptr", "sole_user"):
            yield name, self.value[name]


printers = gdb.printing.RegexpCollectionPrettyPrinter("libaco")
printers.add_printer("aco_t", "^aco_s$", CoPrinter)
printers.add_printer("aco_share_stack_t", "^aco_share_stack_s$",
                     ShareStackPrinter)
gdb.printing.register_pretty_printer(None, printers, replace=True)

InfoCos()
InfoShareStacks()
Gcore()
CoCommand()
