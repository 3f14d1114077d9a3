"""The first five minutes at a real terminal: what is asked, and how often."""

from __future__ import annotations

import secrets

from kit.report import Suite, demand
from world import World


def add_to(suite: Suite) -> None:
    suite.proof("first five minutes: prompts counted at a terminal")(first)
    for language in ("python", "node"):
        suite.proof(f"first call from {language} asks nothing")(lambda world, it=language: language_call(world, it))
    suite.proof("import of .env at a terminal deletes the file")(dotenv)


def first(world: World) -> str:
    person = world.person()
    value = secrets.token_hex(20)
    person.new_home("--store", "file", "--unlock", "passphrase")
    person.store("TOKEN", value)
    for words in (
        ["call", "--url", world.api.url("/echo"), "--bearer", "TOKEN"], ["logs"], ["logs", "verify"], ["secrets", "list"],
        ["grants"], ["status"], ["deny", "TOKEN", "api.example.com"], ["environment", "list"], ["lock"],
    ):  # fmt: skip
        person.type(*words)
        demand(person.prompts == 0, f"`{' '.join(words[:2])}` asks nothing, not {person.prompts} times")
    demand(world.api.saw(value.encode()), "the value arrived")
    person.type("call", "--url", world.api.url("/echo"), "--bearer", "TOKEN", code=5)
    demand(person.prompts == 0, "a call on a locked home asks nothing")
    person.type("unlock", answers=[("passphrase", person.passphrase)])
    demand(person.prompts == 1, "unlock asks once")
    person.type("call", "--url", world.api.url("/echo"), "--bearer", "TOKEN")
    new = secrets.token_hex(20)
    person.type("secrets", "set", "TOKEN", answers=[("hidden", new), ("passphrase", person.passphrase)])
    demand(person.prompts == 2, "overwriting asks for the value and the owner")
    wrong = [("passphrase", "not the one")] * 3
    person.type("allow", "TOKEN", "api.example.com", answers=wrong, code=3)
    screens = "".join(person.screens)
    demand(value not in screens and new not in screens, "no value was ever on the screen")
    demand(person.passphrase not in screens, "the passphrase was never on the screen")
    person.agent("broker", "stop")
    return "init 2, set --allow 2, unlock 1, everything else 0"


def language_call(world: World, language: str) -> str:
    person = world.person()
    value = secrets.token_hex(20)
    person.command(language)
    person.new_home("--store", "file", "--unlock", "passphrase")
    person.store("TOKEN", value)
    world.api.forget()
    done = person.call(language).good()
    demand(done.out.startswith(b"200 "), f"the call is answered: {done.out[:100]!r}")
    demand(b"broker" in done.out, "by the broker")
    demand(world.api.saw(value.encode()), "the value arrived")
    person.agent("broker", "stop")
    return "the same terminal session, 0 prompts"


def dotenv(world: World) -> str:
    person = world.person()
    person.new_home("--store", "file", "--unlock", "passphrase")
    values = {f"KEY_{number}": secrets.token_hex(16) for number in range(3)}
    text = "# a comment\n" + "".join(f"export {name}='{value}'\n" for name, value in values.items())
    file = person.account.write("shop/.env", text.encode())
    person.type("secrets", "import", ".env", answers=[("delete", "n")])
    demand(person.prompts == 1, "import of new names asks about the file alone")
    demand(file.exists(), "the file is kept where the answer is no")
    person.type("secrets", "import", ".env", answers=[("passphrase", person.passphrase), ("delete", "y")])
    demand(person.prompts == 2, "import over existing names asks the owner, then about the file")
    demand(not file.exists(), "the file is gone where the answer is yes")
    listed = person.agent("secrets", "list").out.decode()
    demand(all(name in listed for name in values), "every name is there")
    demand(not any(value in screen for screen in person.screens for value in values.values()), "no value on the screen")
    person.agent("allow", "KEY_0", world.api.origin, code=3)
    person.type("allow", "KEY_1", world.api.origin, answers=[("passphrase", person.passphrase)])
    world.api.forget()
    person.agent("call", "--url", world.api.url("/echo"), "--bearer", "KEY_1")
    demand(world.api.saw(values["KEY_1"].encode()), "an imported value arrives")
    person.agent("broker", "stop")
    return "kept on no, deleted on yes"
