"""What a process of the same user may try on another: run as that user, one attempt per start.

    attacker.py WAY PID                 needles on stdin, a JSON list of hex; a JSON verdict on stdout
    attacker.py hold DESCRIPTORS -- CMD the held-descriptor attack on a program from the moment of its exec

Stands alone on purpose: it shares nothing with what it attacks.
"""

from __future__ import annotations

import ctypes
import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

PTRACE_TRACEME, PTRACE_ATTACH, PTRACE_DETACH = 0, 16, 17
CHUNK = 1 << 20
LARGE = 4 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")
ZEROS = bytes(CHUNK)
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


class Found:
    """Needles seen so far, over any boundary between two pieces."""

    def __init__(self, needles: list[bytes]) -> None:
        self.needles = needles
        self.overlap = max(map(len, needles), default=1) - 1
        self.seen: set[int] = set()
        self.bytes = 0
        self._last = b""

    def look(self, piece: bytes) -> None:
        """Search one piece, of a megabyte at most."""
        self.bytes += len(piece)
        if piece == ZEROS[: len(piece)]:
            return self.gap()
        data = self._last + piece
        for number, needle in enumerate(self.needles):
            if number not in self.seen and needle in data:
                self.seen.add(number)
        self._last = data[-self.overlap :] if self.overlap else b""

    def gap(self) -> None:
        self._last = b""


def ranges(text: str) -> list[tuple[int, int]]:
    """The mappings of a `maps` file, without the kernel's and without the unwritable parts of program files."""
    found = []
    for line in text.splitlines():
        where, protection, _, _, inode = line.split()[:5]
        if "[v" in line or (inode != "0" and "w" not in protection):
            continue
        start, end = where.split("-")
        found.append((int(start, 16), int(end, 16)))
    return found


def sweep(maps: str, read, found: Found) -> None:  # noqa: ANN001
    """Read all there is, whatever the protection says: `/proc/PID/mem` does not mind it."""
    for start, end in ranges(maps):
        found.gap()
        at = start
        while at < end:
            size = min(CHUNK, end - at)
            piece = read(at, size)
            if piece is None and size > 4096:
                for page in range(at, at + size, 4096):
                    small = read(page, 4096)
                    found.look(small) if small else found.gap()
            elif piece:
                found.look(piece)
            at += size


def resident(pid: int, maps: str) -> str:
    """The mappings without what was never touched: a host may reserve terabytes, and what is not there holds nothing."""
    lines = []
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pages:
        for line in maps.splitlines():
            where, rest = line.split(" ", 1)
            start, end = (int(text, 16) for text in where.split("-"))
            if end - start < LARGE:
                lines.append(line)
                continue
            at = start
            while at < end:
                size = min(LARGE, end - at)
                pages.seek(at // PAGE * 8)
                entries = pages.read(size // PAGE * 8)
                # The highest bits of an entry: present, swapped out.
                if any(byte & 0xC0 for byte in entries[7::8]):
                    lines.append(f"{at:x}-{at + size:x} {rest}")
                at += size
    return "\n".join(lines)


def way_mem(pid: int, found: Found) -> None:
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
        maps = file.read()
    handle = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    maps = resident(pid, maps)
    sweep(maps, reader(handle), found)


def reader(handle: int):  # noqa: ANN201
    def read(at: int, size: int) -> bytes | None:
        try:
            piece = os.pread(handle, size, at)
        except (OSError, OverflowError):
            return None
        return piece if len(piece) == size else None

    return read


def way_environ(pid: int, found: Found) -> None:
    with open(f"/proc/{pid}/environ", "rb") as file:
        found.look(file.read())


def way_descriptors(pid: int, found: Found) -> None:
    for number in os.listdir(f"/proc/{pid}/fd"):
        found.look(os.readlink(f"/proc/{pid}/fd/{number}").encode())


def way_ptrace(pid: int, found: Found) -> None:
    if libc.ptrace(PTRACE_ATTACH, pid, None, None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    os.waitpid(pid, 0)
    try:
        way_mem(pid, found)
    finally:
        libc.ptrace(PTRACE_DETACH, pid, None, None)


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def way_readv(pid: int, found: Found) -> None:
    """`process_vm_readv`; where the maps are closed it still tries a place every program has."""
    buffer = ctypes.create_string_buffer(CHUNK)

    def read(at: int, size: int) -> bytes | None:
        here, there = Vector(ctypes.addressof(buffer), size), Vector(at, size)
        count = libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
        if count == size:
            return buffer.raw[:size]
        number = ctypes.get_errno()
        if number in (1, 3):
            raise OSError(number, os.strerror(number))
        return None

    libc.process_vm_readv.restype = ctypes.c_ssize_t
    libc.process_vm_readv.argtypes = [ctypes.c_int, *[ctypes.c_void_p, ctypes.c_ulong] * 2, ctypes.c_ulong]
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
            maps = resident(pid, file.read())
    except OSError:
        maps = "400000-401000 r--p 0 0 0"
    sweep(maps, read, found)


def way_gcore(pid: int, found: Found) -> None:
    """A debugger's core file."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["gdb", "-p", str(pid), "-batch", "-nx", "-ex", "set use-coredump-filter off",
             "-ex", "set dump-excluded-mappings on", "-ex", f"gcore {folder}/core"],
            capture_output=True, stdin=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip
        cores = glob.glob(f"{folder}/core*")
        if not cores:
            raise PermissionError(1, (done.stderr.decode(errors="replace").strip().splitlines() or ["no core"])[0][:160])
        with open(cores[0], "rb") as core:
            while piece := core.read(CHUNK):
                found.look(piece)


WAYS = {
    "mem": way_mem, "environ": way_environ, "descriptors": way_descriptors,
    "ptrace": way_ptrace, "readv": way_readv, "gcore": way_gcore,
}  # fmt: skip


def attempt(way: str, pid: int, needles: list[bytes]) -> dict[str, object]:
    found = Found(needles)
    try:
        WAYS[way](pid, found)
    except OSError as refused:
        return {"opened": False, "why": f"{refused.errno}: {refused.strerror}", "found": [], "bytes": found.bytes}
    return {"opened": True, "found": sorted(found.seen), "bytes": found.bytes}


def hold(command: list[str], needles: list[bytes], keep: list[int]) -> dict[str, object]:
    """Opens a program's memory at its exec, before its first instruction, and reads on through that descriptor."""
    for number in keep:
        os.set_inheritable(number, True)
    pid = os.fork()
    if pid == 0:
        try:
            said = os.open(os.path.join(tempfile.gettempdir(), "held.err"), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(os.open("/dev/null", os.O_RDWR), 0)
            os.dup2(said, 1)
            os.dup2(said, 2)
            libc.ptrace(PTRACE_TRACEME, 0, None, None)
            os.execv(command[0], command)
        finally:
            os._exit(127)
    os.waitpid(pid, 0)
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    maps = os.open(f"/proc/{pid}/maps", os.O_RDONLY)
    libc.ptrace(PTRACE_DETACH, pid, None, None)
    for number in keep:
        os.close(number)
    print("holding", flush=True)
    found, samples, status, children = Found(needles), 0, None, {}
    while status is None:
        os.kill(pid, signal.SIGSTOP)
        wait_stopped(pid)
        text = read_all(maps)
        if text:
            sweep(text, reader(memory), found)
            samples += 1
        for child in children_of(pid):
            children[child] = openable(child)
        try:
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.002)
            ended, code = os.waitpid(pid, os.WNOHANG)
        except ProcessLookupError:
            ended, code = os.waitpid(pid, 0)
        status = code if ended else None
    with open(os.path.join(tempfile.gettempdir(), "held.err"), encoding="utf-8", errors="replace") as file:
        said = file.read()
    return {
        "found": sorted(found.seen), "bytes": found.bytes, "samples": samples, "said": said[-300:],
        "code": os.waitstatus_to_exitcode(status), "children": children,
    }  # fmt: skip


def read_all(handle: int) -> str:
    os.lseek(handle, 0, os.SEEK_SET)
    text = b""
    try:
        while piece := os.read(handle, 65536):
            text += piece
    except OSError:
        return ""
    return text.decode(errors="replace")


def stat_of(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(") ", 1)[1].split()
    except (OSError, IndexError):
        return ["X", "0"]


def wait_stopped(pid: int) -> None:
    while stat_of(pid)[0] not in "TZX":
        time.sleep(0.0005)


def children_of(pid: int) -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and stat_of(int(entry))[1] == str(pid)]


def openable(pid: int) -> str:
    try:
        os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY))
    except OSError as refused:
        return f"{refused.errno}"
    return "opened"


def main() -> None:
    needles = [bytes.fromhex(text) for text in json.loads(sys.stdin.readline())]
    if sys.argv[1] == "hold":
        keep = [int(number) for number in sys.argv[2].split(",") if number]
        verdict = hold(sys.argv[4:], needles, keep)
    else:
        verdict = attempt(sys.argv[1], int(sys.argv[2]), needles)
    print(json.dumps(verdict), flush=True)


if __name__ == "__main__":
    main()
