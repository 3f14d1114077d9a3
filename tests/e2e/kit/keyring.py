"""A real gnome-keyring on a bus of its own, for one user and as long as it is wanted."""

from __future__ import annotations

import os
import shutil
import subprocess

from .account import Account
from .report import NotRun

SESSION = """
printf %s throwaway | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1
printf probe | secret-tool store --label=probe probe probe || exit 9
[ "$(secret-tool lookup probe probe)" = probe ] || exit 9
echo "$DBUS_SESSION_BUS_ADDRESS"
cat >/dev/null
"""


class Keyring:
    """A bus with an unlocked keyring, for as long as its input is open."""

    def __init__(self, account: Account) -> None:
        for program, package in (
            ("dbus-run-session", "dbus"), ("gnome-keyring-daemon", "gnome-keyring"), ("secret-tool", "libsecret-tools"),
        ):  # fmt: skip
            if shutil.which(program) is None:
                raise NotRun(f"there is no {program}: apt-get install {package}")
        self.account = account
        self.name = named(account)
        runtime = account.folder / "run"
        runtime.mkdir(mode=0o700)
        account.own(runtime)
        # What whoever is to find the keyring needs in its environment.
        self.variables = {"XDG_RUNTIME_DIR": str(runtime)}
        self.process = account.start(
            ["dbus-run-session", "--", "bash", "-c", SESSION],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**account.environment, **self.variables},
        )  # fmt: skip
        assert self.process.stdout is not None
        address = self.process.stdout.readline().decode().strip()
        if not address:
            _, err = self.process.communicate(timeout=10)
            forget(self.name)
            raise NotRun(f"no keyring answers on a bus of its own: {err.decode(errors='replace')[-200:]}")
        self.variables["DBUS_SESSION_BUS_ADDRESS"] = address

    def items(self) -> bytes:
        """Every item of ours, as any process of the user may read it."""
        words = ["secret-tool", "search", "--all", "--unlock", "service", "agentsecrets"]
        done = self.account.run(words, env=self.variables)
        return done.out + done.err

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)
        forget(self.name)


def forget(name: str | None) -> None:
    """Take a user's name away again."""
    if name:
        subprocess.run(["userdel", name], check=False, capture_output=True)


def named(account: Account) -> str | None:
    """A name for a user that has none: a bus, and a database, serve nobody they cannot look up."""
    uid = account.uid
    if uid is None:
        return None
    name = f"proof{uid}"
    if shutil.which("useradd") is None:
        raise NotRun("there is no useradd: apt-get install passwd")
    made = ["useradd", "--no-create-home", "--no-user-group", "--gid", "nogroup", "--uid", str(uid), "--no-log-init",
            "--home-dir", str(account.folder), "--shell", "/bin/sh", name]  # fmt: skip
    done = subprocess.run(made, check=False, capture_output=True, env={**os.environ, "LANG": "C"})
    if done.returncode != 0:
        raise NotRun(f"no user could be made: {done.stderr.decode(errors='replace')[-200:]}")
    return name
