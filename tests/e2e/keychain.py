"""The default home where there is a keychain: a real gnome-keyring on a bus of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess

from kit.report import NotRun, Suite, demand
from kit.upstream import until
from world import Person, World

SESSION = """
printf %s throwaway | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1
printf probe | secret-tool store --label=probe probe probe || exit 9
[ "$(secret-tool lookup probe probe)" = probe ] || exit 9
echo "$DBUS_SESSION_BUS_ADDRESS"
cat >/dev/null
"""


def add_to(suite: Suite) -> None:
    suite.proof("init at a terminal picks the keychain, and agents start alone")(picked)


class Session:
    """A bus with an unlocked keyring, for as long as its input is open."""

    def __init__(self, person: Person) -> None:
        for program, package in (
            ("dbus-run-session", "dbus"), ("gnome-keyring-daemon", "gnome-keyring"), ("secret-tool", "libsecret-tools"),
        ):  # fmt: skip
            if shutil.which(program) is None:
                raise NotRun(f"there is no {program}: apt-get install {package}")
        self.name = named(person)
        runtime = person.account.folder / "run"
        runtime.mkdir(mode=0o700)
        person.account.own(runtime)
        person.variables["XDG_RUNTIME_DIR"] = str(runtime)
        self.process = person.account.start(
            ["dbus-run-session", "--", "bash", "-c", SESSION],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**person.account.environment, **person.variables},
        )  # fmt: skip
        assert self.process.stdout is not None
        address = self.process.stdout.readline().decode().strip()
        if not address:
            _, err = self.process.communicate(timeout=10)
            self.forget()
            raise NotRun(f"no keyring answers on a bus of its own: {err.decode(errors='replace')[-200:]}")
        person.variables["DBUS_SESSION_BUS_ADDRESS"] = address

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)
        self.forget()

    def forget(self) -> None:
        """Take the name from the user again."""
        if self.name:
            subprocess.run(["userdel", self.name], check=False, capture_output=True)


def named(person: Person) -> str | None:
    """A name for a user that has none: the bus serves nobody it cannot look up."""
    uid = person.account.uid
    if uid is None:
        return None
    name = f"proof{uid}"
    if shutil.which("useradd") is None:
        raise NotRun("there is no useradd: apt-get install passwd")
    made = ["useradd", "--no-create-home", "--no-user-group", "--gid", "nogroup", "--uid", str(uid), "--no-log-init",
            "--home-dir", str(person.account.folder), "--shell", "/bin/sh", name]  # fmt: skip
    done = subprocess.run(made, check=False, capture_output=True, env={**os.environ, "LANG": "C"})
    if done.returncode != 0:
        raise NotRun(f"no user could be made: {done.stderr.decode(errors='replace')[-200:]}")
    return name


def picked(world: World) -> str:
    person = world.person()
    session = Session(person)
    try:
        value = secrets.token_hex(20)
        person.new_home()
        demand("keychain" in person.screens[0], "init says that it chose the keychain")
        status = person.agent("status", "--json").out
        demand(b'"use_key":"keychain"' in status.replace(b" ", b""), "status says where the use key is")
        person.store("TOKEN", value)
        stored = [path for path in (person.account.folder / ".agentsecrets").rglob("*") if path.is_file()]
        demand(not any(value.encode() in path.read_bytes() for path in stored), "no file of the home holds the value")
        items = lookups(person)
        demand(b"agentsecrets" in items, "the keyring holds items of ours")
        demand(value.encode() not in items, "what it holds is sealed")
        first = person.pid()
        person.agent("broker", "stop")
        until(lambda: person.pid() is None, "the broker is gone, as after a restart of the machine")
        told = []
        for language in ("cli", "python", "node"):
            try:
                person.command(language)
            except NotRun:
                continue
            world.api.forget()
            person.call(language).good()
            demand(world.api.saw(value.encode()), f"an agent in {language} starts the broker and needs nobody")
            demand(person.pid() not in (None, first), "it is another broker")
            person.agent("broker", "stop")
            told.append(language)
        person.agent("lock")
        demand(person.call("cli").code == 5, "after lock even the keychain does not open it")
        person.type("unlock")
        demand(person.prompts == 0, "unlock asks nothing where the use key is in the keychain")
        demand(person.call("cli").code == 0, "after unlock the call is made")
        person.agent("broker", "stop")
        return f"started alone by {', '.join(told)}"
    finally:
        session.end()


def lookups(person: Person) -> bytes:
    """Every item of ours, as any process of the user may read it."""
    done = person.account.run(["secret-tool", "search", "--all", "--unlock", "service", "agentsecrets"], env=person.variables)
    return done.out + done.err
