"""A network and a name service of one's own: public addresses that lead to this machine, and names that change their minds."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kit.report import NotRun

if TYPE_CHECKING:
    from ground import Ground
    from world import World

CLONE_FS, CLONE_NEWNS, CLONE_NEWNET = 0x200, 0x20000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, IFF_UP = 0x8913, 0x8914, 0x8916, 1
PUBLIC = "93.184.216.34"

libc = ctypes.CDLL(None, use_errno=True)


def apart(folder: Path, work: Callable[[], str]) -> str:
    """Do something in a thread with namespaces of its own; what it starts is in them too."""
    ends: list[object] = []

    def run() -> None:
        try:
            _leave(folder)
            ends.append(work())
        except BaseException as why:  # noqa: BLE001 - handed on below
            ends.append(why)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(ends[0], BaseException):
        raise ends[0]
    return str(ends[0])


def moved(world: World, ground: Ground, plans: dict[str, list[list[str]]], work: Callable[[Names], str]) -> str:
    """Do something with the home of a level while its broker lives apart, where names lead to what `plans` says."""
    home, folder = ground.home, world.folder / f"apart-{ground.level}-{len(plans)}"
    folder.mkdir(mode=0o755)

    def there() -> str:
        names = Names(plans)
        try:
            ground.wake()
            return work(names)
        finally:
            home.stop()
            names.close()

    home.stop()
    try:
        return apart(folder, there)
    finally:
        ground.wake()


def _leave(folder: Path) -> None:
    if not sys.platform.startswith("linux") or libc.unshare(CLONE_FS | CLONE_NEWNS | CLONE_NEWNET) != 0:
        raise NotRun(f"no network namespace can be made here: {os.strerror(ctypes.get_errno())}")
    _mount(None, "/", MS_REC | MS_PRIVATE)
    for name, text in (
        ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n"),
        ("nsswitch.conf", "hosts: files dns\n"),
    ):
        place = Path("/etc") / name
        if place.exists():
            (folder / name).write_text(text)
            (folder / name).chmod(0o644)
            _mount(str(folder / name), str(place), MS_BIND)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack_from("16sh", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
        address = struct.pack("16sHH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(PUBLIC))
        fcntl.ioctl(control, SIOCSIFADDR, address)


def _mount(source: str | None, target: str, flags: int) -> None:
    if libc.mount(source and source.encode(), target.encode(), None, flags, None) != 0:
        raise NotRun(f"nothing can be mounted here: {os.strerror(ctypes.get_errno())}")


class Names:
    """Answers for every name as its plan says: a list of answers, each a list of addresses, of which the last one stays."""

    def __init__(self, plans: dict[str, list[list[str]]]) -> None:
        self.plans = plans
        self.asked: dict[str, int] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                question, who = self._socket.recvfrom(2048)
                self._socket.sendto(self._answer(question), who)
            except OSError:
                return

    def _answer(self, question: bytes) -> bytes:
        labels, at = [], 12
        while length := question[at]:
            labels.append(question[at + 1 : at + 1 + length].decode())
            at += length + 1
        name, (kind,) = ".".join(labels).lower(), struct.unpack_from("!H", question, at + 1)
        addresses = self._addresses(name, kind)
        family = socket.AF_INET if kind == 1 else socket.AF_INET6
        records = [socket.inet_pton(family, address) for address in addresses]
        # Authoritative, no error; each record points back at the question's name and may be kept for no time at all.
        head = question[:2] + struct.pack("!HHHHH", 0x8580, 1, len(records), 0, 0)
        body = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(data)) + data for data in records)
        return head + question[12 : at + 5] + body

    def _addresses(self, name: str, kind: int) -> list[str]:
        plan = self.plans.get(name, [[]])
        # Both families are asked for at once; the count moves with the first.
        turn = self.asked.get(name, 0)
        if kind == 1:
            self.asked[name] = turn + 1
        now = plan[min(turn, len(plan) - 1)]
        return [address for address in now if (":" in address) == (kind == 28)] if kind in (1, 28) else []
