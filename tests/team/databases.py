"""The two databases that the server keeps its records in."""

from __future__ import annotations

import glob
import signal
import subprocess
from pathlib import Path

from kit.account import Account
from kit.keyring import forget, named
from kit.report import NotRun
from kit.upstream import until


class Sqlite:
    """The embedded one, in the server's own folder."""

    name = "SQLite"

    def __init__(self, account: Account, folder: Path) -> None:
        self.account, self.folder = account, folder
        self.arguments: list[str] = []

    def contents(self) -> list[tuple[str, bytes]]:
        """Every file that it keeps, as it lies on the disk."""
        kept = sorted(path for path in self.folder.rglob("*") if path.is_file() and not path.name.endswith(".key"))
        return [(path.name, path.read_bytes()) for path in kept]

    def plant(self, text: bytes) -> None:
        """Put a sentinel where the search has to find it."""
        with open(self.folder / "sentinel", "wb") as file:
            file.write(text)

    def end(self) -> None:
        """Nothing runs."""


class Postgres:
    """A cluster of its own, on a socket in its folder."""

    name = "PostgreSQL"

    def __init__(self, account: Account, folder: Path) -> None:
        self.account, self.folder = account, folder
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        if not found:
            raise NotRun("there is no PostgreSQL: apt-get install postgresql")
        self._tools = Path(found[-1]).parent
        # It serves nobody it cannot look up.
        self._name = named(account)
        made = self._tool("initdb", "--no-sync", "--auth=trust", "--username=postgres", "-D", str(folder / "data"))
        if made.returncode != 0:
            raise NotRun(f"no PostgreSQL could be made: {made.stderr.decode(errors='replace')[-200:]}")
        self.start()
        self.sql("postgres", "CREATE DATABASE team")
        url = account.write("database-url", f"postgres:///team?host={folder}&user=postgres".encode())
        self.arguments = ["--database-file", str(url)]

    def start(self) -> None:
        words = [
            str(self._tools / "postgres"),
            "-D",
            str(self.folder / "data"),
            "-k",
            str(self.folder),
            "-c",
            "listen_addresses=",
        ]
        self._process = self.account.start(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ready = [str(self._tools / "pg_isready"), "-q", "-h", str(self.folder), "-U", "postgres"]
        until(lambda: self.account.run(ready).code == 0, "PostgreSQL is ready")

    def stop(self) -> None:
        """At once, as by an administrator."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)

    def sql(self, database: str, statement: str) -> str:
        done = self._tool("psql", "-h", str(self.folder), "-U", "postgres", "-XAtq", "-d", database, "-c", statement)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout.decode().strip()

    def contents(self) -> list[tuple[str, bytes]]:
        """A dump, and every file of the cluster, its log of writes among them."""
        dump = self._tool("pg_dump", "-h", str(self.folder), "-U", "postgres", "-d", "team")
        assert dump.returncode == 0, dump.stderr.decode(errors="replace")
        # The other databases of the cluster are templates, which nobody ever wrote to; a log that is made ahead ends in zeroes.
        own = {self.sql("team", "SELECT oid FROM pg_database WHERE datname = 'team'"), "pgsql_tmp"}
        data = self.folder / "data"
        kept = sorted(path for path in data.rglob("*") if path.is_file())
        kept = [path for path in kept if "base" not in path.parts or path.parent.name in own]
        files = ((str(path.relative_to(data)), path.read_bytes().rstrip(b"\0")) for path in kept)
        return [("the dump", dump.stdout), *files]

    def plant(self, text: bytes) -> None:
        self.sql(
            "team", f"CREATE TABLE IF NOT EXISTS sentinel (text TEXT); INSERT INTO sentinel VALUES ('{text.decode()}')"
        )

    def end(self) -> None:
        self.stop()
        forget(self._name)

    def _tool(self, name: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        process = self.account.start(
            [str(self._tools / name), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        out, err = process.communicate(timeout=90)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def of(name: str, account: Account) -> Sqlite | Postgres:
    """A new database of that kind."""
    folder = account.folder / ("data" if name == "SQLite" else "cluster")
    folder.mkdir(mode=0o700)
    account.own(folder)
    return Sqlite(account, folder) if name == "SQLite" else Postgres(account, folder)


BOTH = ("SQLite", "PostgreSQL")
