"""The default home where there is a keychain: a real gnome-keyring on a bus of its own."""

from __future__ import annotations

import secrets

from kit.keyring import Keyring
from kit.report import NotRun, Suite, demand
from kit.upstream import until
from world import Person, World


def add_to(suite: Suite) -> None:
    suite.proof("init at a terminal picks the keychain, and agents start alone")(picked)


def picked(world: World) -> str:
    person = world.person()
    keyring = Keyring(person.account)
    person.variables |= keyring.variables
    try:
        value = secrets.token_hex(20)
        person.new_home()
        demand("keychain" in person.screens[0], "init says that it chose the keychain")
        status = person.agent("status", "--json").out
        demand(b'"use_key":"keychain"' in status.replace(b" ", b""), "status says where the use key is")
        person.store("TOKEN", value)
        stored = [path for path in (person.account.folder / ".agentsecrets").rglob("*") if path.is_file()]
        demand(not any(value.encode() in path.read_bytes() for path in stored), "no file of the home holds the value")
        items = keyring.items()
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
        keyring.end()
