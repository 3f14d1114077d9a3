"""Users of the machine that nobody knew before: root reads everything and would prove nothing."""

from __future__ import annotations

import os
import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from .report import NotRun

_taken: set[int] = set()


@dataclass
class Done:
    """A command that has ended."""

    command: str
    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        return (self.out + self.err).decode(errors="replace")

    def good(self) -> Done:
        if self.code != 0:
            raise AssertionError(f"`{self.command}` ended with {self.code}: {self.err.decode(errors='replace')[-600:]}")
        return self


@dataclass
class Account:
    """A user with a folder of its own and an environment that holds nothing else."""

    uid: int | None
    folder: Path
    log: list[Done] = field(default_factory=list)

    @staticmethod
    def fresh(root: Path, name: str) -> Account:
        """Make one. Where this process is not root it is this process's own user."""
        folder = root / name
        folder.mkdir(mode=0o700)
        (folder / "tmp").mkdir(mode=0o700)
        if os.geteuid() != 0:
            return Account(None, folder)
        uid = _unused()
        os.chown(folder, uid, uid)
        os.chown(folder / "tmp", uid, uid)
        return Account(uid, folder)

    @staticmethod
    def stranger(root: Path, name: str) -> Account:
        """Make one that is not the user of any other."""
        if os.geteuid() != 0:
            raise NotRun("only root can play a second user")
        return Account.fresh(root, name)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder / "tmp"),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
        }

    @property
    def identity(self) -> dict[str, object]:
        """The arguments that make `Popen` run as this user."""
        return {} if self.uid is None else {"user": self.uid, "group": self.uid, "extra_groups": []}

    def own(self, path: Path) -> Path:
        """Give a file or folder to this user."""
        if self.uid is not None:
            os.chown(path, self.uid, self.uid)
        return path

    def write(self, name: str, data: bytes, mode: int = 0o600) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        path.chmod(mode)
        return self.own(path)

    def start(self, arguments: list[str], **options: object) -> subprocess.Popen[bytes]:
        """Start a program as this user, in a session without a terminal."""
        options.setdefault("cwd", self.folder)
        options.setdefault("env", self.environment)
        options.setdefault("start_new_session", True)
        return subprocess.Popen(arguments, **self.identity, **options)  # type: ignore[call-overload]

    def run(
        self,
        arguments: list[str],
        value: bytes = b"",
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        pass_fds: tuple[int, ...] = (),
        timeout: float = 90,
    ) -> Done:
        """Run a program to its end as this user."""
        process = self.start(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self.environment, **(env or {})},
            cwd=cwd or self.folder,
            pass_fds=pass_fds,
        )
        try:
            out, err = process.communicate(value, timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            err += b"\n(it did not end in time)"
        done = Done(" ".join([Path(arguments[0]).name, *arguments[1:]])[:160], process.returncode, out, err)
        self.log.append(done)
        return done

    def processes(self) -> list[int]:
        """The processes of this user; none are told where it is not a user of its own."""
        return [] if self.uid is None else [pid for pid, uid in owners() if uid == self.uid]

    def end(self) -> None:
        """End what this user still runs."""
        for _ in range(3):
            for pid in self.processes():
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    continue


def owners() -> list[tuple[int, int]]:
    """Every process and its user. A process that is not dumpable shows root as the owner of its files, so this is asked of `status`."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/status", encoding="utf-8", errors="replace") as status:
                    line = next(line for line in status if line.startswith("Uid:"))
            except (OSError, StopIteration):
                continue
            found.append((int(entry), int(line.split()[1])))
    return found


def _unused() -> int:
    while True:
        uid = random.SystemRandom().randrange(200_000, 4_000_000)
        if uid not in _taken:
            _taken.add(uid)
            return uid
