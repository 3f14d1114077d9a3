"""The policy from the agent's side: nothing loosens without the passphrase, and a file that was touched permits nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from kit.account import Done
from kit.canary import Canary, plain
from kit.home import Home
from kit.report import Suite, demand
from kit.upstream import Upstream
from world import World


def add_to(suite: Suite) -> None:
    suite.proof("every loosening command without the passphrase is refused")(loosening)
    for name, spoil in SPOILED.items():
        suite.proof(f"policy: {name}: fails closed")(lambda world, it=spoil: spoiled(world, it))


def prepared(world: World) -> tuple[Home, Canary, Canary]:
    home = world.home()
    token, other = plain(), plain("OTHER")
    home.store("TOKEN", token.value, world.upstream.origin)
    home.store("OTHER", other.value)
    return home, token, other


def loosening(world: World) -> str:
    home, _, _ = prepared(world)
    elsewhere = home.account.folder / "elsewhere"
    if not elsewhere.exists():
        elsewhere.mkdir()
        home.account.own(elsewhere)
    home.owner("project", "create", "second").good()
    home.cli("deny", "OTHER").good()
    root = home.json("trust", "list")[0]["id"]
    strange = Upstream(world, world.accounts[1])
    pem = home.account.write("strange.pem", strange.pem, 0o644)
    strange.stop()
    dotenv = home.account.write("loosen.env", b"TOKEN=another-value-of-a-token\n")
    other_home = {"AGENTSECRETS_HOME": str(home.folder)}
    commands: list[tuple[list[str], bytes]] = [
        (["allow", "OTHER", world.upstream.origin], b""),
        (["allow", "TOKEN", world.upstream.origin, "--slot", "query:q"], b""),
        (["allow", "TOKEN", "api.example.com", "--private"], b""),
        (["trust", "add", str(pem)], b""),
        (["trust", "remove", root], b""),
        (["secrets", "set", "TOKEN"], b"a value that would replace another"),
        (["secrets", "set", "FRESH", "--allow", "api.example.com"], b"a value with a grant of its own"),
        (["secrets", "delete", "TOKEN"], b""),
        (["secrets", "import", str(dotenv), "--keep-file"], b""),
        (["project", "create", "third"], b""),
    ]
    before = state(home)
    refused = 0
    for arguments, value in commands:
        for attempt in (
            lambda a, v: home.cli(*a, value=v),
            lambda a, v: home.owner(*a, value=v, passphrase="not the passphrase of this home"),
        ):
            done = attempt(arguments, value)
            demand(done.code == 3, f"`{' '.join(arguments[:3])}` is denied (it ended with {done.code}: {done.text[-200:]})")
            demand(state(home) == before, f"`{' '.join(arguments[:3])}` changed nothing")
            refused += 1
    for attempt in (None, "not the passphrase of this home"):
        arguments = ["project", "use", "second"]
        done = linked(home, elsewhere, arguments, attempt)
        demand(done.code == 3, f"a first link is denied: {done.text[-200:]}")
        refused += 1
    done = home.account.run(
        [world.cli, "init", "--store", "file", "--unlock", f"file:{home.use_key}", "--no-owner"], env=other_home
    )
    demand(done.code != 0, "init over a home is refused")
    demand(state(home) == before, "init over a home changed nothing")
    # Control: the same with the passphrase is done.
    for arguments, value in commands:
        home.owner(*arguments, value=value).good()
        if arguments[:2] == ["secrets", "delete"]:
            home.store("TOKEN", plain().value)
    demand(linked(home, elsewhere, ["project", "use", "second"], home.passphrase).code == 0, "control: the owner links")
    demand(state(home) != before, "control: the owner's commands changed the policy")
    home.stop()
    return f"{refused + 1} refused; each was done with the passphrase"


def linked(home: Home, directory: Path, arguments: list[str], passphrase: str | None) -> Done:
    kept, home.directory = home.directory, directory
    try:
        return home.owner(*arguments, passphrase=passphrase) if passphrase else home.cli(*arguments)
    finally:
        home.directory = kept


def state(home: Home) -> tuple[object, ...]:
    """What an owner's act would change. FRESH is a new name without grants, which an agent may set."""
    names = [(info["name"], info["version"]) for info in home.json("secrets", "list") if info["name"] != "FRESH"]
    return (home.folder.joinpath("policy.json").read_bytes(), names, json.dumps(home.json("grants")))


def swap(home: Home, name: str, data: bytes | None) -> None:
    """Replace a file of the home as its user may, or remove it."""
    path = home.folder / name
    path.unlink()
    if data is not None:
        path.write_bytes(data)
        path.chmod(0o600)
        home.account.own(path)


def edited(world: World, home: Home) -> None:
    text = (home.folder / "policy.json").read_bytes()
    changed = text.replace(b'"bearer"', b'"header:X-Api-Key"').replace(b"localhost", b"127.0.0.1")
    demand(changed != text, "the policy was edited")
    swap(home, "policy.json", changed)


def granted(world: World, home: Home) -> None:
    """The agent writes itself a grant of OTHER."""
    text = (home.folder / "policy.json").read_bytes()
    changed = text.replace(b"TOKEN", b"OTHER")
    demand(changed != text, "the policy was edited")
    swap(home, "policy.json", changed)


def older(world: World, home: Home) -> None:
    """An older policy, well signed, in which OTHER was still granted."""
    home.owner("allow", "OTHER", world.upstream.origin).good()
    kept = (home.folder / "policy.json").read_bytes()
    home.owner("trust", "add", str(home.account.folder / f"ca-{world.upstream.port}.pem")).good()
    home.owner("project", "create", "newer").good()
    demand(home.call(world.upstream.url("/echo"), "--bearer", "OTHER").code == 0, "the newest policy was seen")
    swap(home, "policy.json", kept)


def foreign(world: World, home: Home) -> None:
    swap(home, "policy.json", (elsewhere(world).folder / "policy.json").read_bytes())


def foreign_and_key(world: World, home: Home) -> None:
    """The policy of another owner, its key written into `home.json`, and its home's id with it."""
    other = elsewhere(world)
    theirs = json.loads((other.folder / "home.json").read_bytes())
    ours = json.loads((home.folder / "home.json").read_bytes())
    ours["policy_key"] = theirs["policy_key"]
    swap(home, "policy.json", (other.folder / "policy.json").read_bytes())
    swap(home, "home.json", json.dumps(ours).encode())


def foreign_and_pin(world: World, home: Home) -> None:
    """As above, with the other home's pin."""
    foreign_and_key(world, home)
    swap(home, "pin.sealed", (elsewhere(world).folder / "pin.sealed").read_bytes())


def unpinned(world: World, home: Home) -> None:
    swap(home, "pin.sealed", None)


def unpinned_and_older(world: World, home: Home) -> None:
    older(world, home)
    swap(home, "pin.sealed", None)


def without_policy(world: World, home: Home) -> None:
    swap(home, "policy.json", None)


def without_deny(world: World, home: Home) -> None:
    home.cli("deny", "OTHER").good()
    swap(home, "deny.json", None)


def edited_deny(world: World, home: Home) -> None:
    home.cli("deny", "OTHER").good()
    kept = json.loads((home.folder / "deny.json").read_bytes())
    kept["overlay"] = kept["overlay"].replace("OTHER", "OTHAR")
    swap(home, "deny.json", json.dumps(kept).encode())


def older_deny(world: World, home: Home) -> None:
    home.cli("deny", "TOKEN", "api.example.com").good()
    kept = (home.folder / "deny.json").read_bytes()
    home.cli("deny", "OTHER").good()
    swap(home, "deny.json", kept)


SPOILED: dict[str, Callable[[World, Home], None]] = {
    "a grant edited": edited,
    "a grant written in": granted,
    "an older one put back": older,
    "another owner's put in": foreign,
    "another owner's with its key": foreign_and_key,
    "another owner's with its key and pin": foreign_and_pin,
    "the pin deleted": unpinned,
    "the pin deleted and an older one put back": unpinned_and_older,
    "the policy deleted": without_policy,
    "the deny overlay deleted": without_deny,
    "the deny overlay edited": edited_deny,
    "an older deny overlay put back": older_deny,
}


def elsewhere(world: World) -> Home:
    """The home of an owner the attacker is himself, with everything granted."""
    home = world.home()
    for name in ("TOKEN", "OTHER"):
        home.store(name, plain(name).value, world.upstream.origin)
    home.stop()
    return home


def spoiled(world: World, spoil: Callable[[World, Home], None]) -> str:
    """Nothing is sent with a running broker and with one that is started afterwards."""
    home, token, other = prepared(world)
    url = world.upstream.url("/echo")
    demand(home.call(url, "--bearer", "TOKEN").code == 0, "control: the call is made before")
    demand(world.upstream.saw(token.value), "control: the value arrives")
    kept = {name: (home.folder / name).read_bytes() for name in ("policy.json", "home.json", "pin.sealed")}
    spoil(world, home)
    world.upstream.forget()
    codes = []
    for moment in ("running", "started anew"):
        for name in ("OTHER", "TOKEN"):
            done = home.call(url, "--bearer", name, "--json")
            codes.append((moment, name, done.code, code_of(done)))
            if spoil is unpinned and moment == "running" and name == "TOKEN":
                # A running broker has verified this very policy, and it is unchanged; the pin is for the next one.
                world.upstream.forget()
                continue
            demand(done.code != 0, f"with the broker {moment} a call with {name} is refused: {codes}")
        home.stop()
    demand(not world.upstream.received(), "nothing arrives at the upstream")
    demand(not world.upstream.saw(other.value), "no value arrives")
    world.table.tell("policy files altered or put back", "broker", True)
    home.stop()
    if all((home.folder / name).exists() and (home.folder / name).read_bytes() == kept[name] for name in kept):
        return ", ".join(sorted({code for *_, code in codes}))
    if spoil in (edited, granted, foreign, foreign_and_key, foreign_and_pin, unpinned, without_policy):
        for name, data in kept.items():
            if (home.folder / name).exists():
                (home.folder / name).unlink()
            swap_in(home, name, data)
        demand(home.call(url, "--bearer", "TOKEN").code == 0, "control: with the owner's own files back it is made again")
        home.stop()
    return ", ".join(sorted({code for *_, code in codes}))


def swap_in(home: Home, name: str, data: bytes) -> None:
    path = home.folder / name
    path.write_bytes(data)
    path.chmod(0o600)
    home.account.own(path)


def code_of(done: Done) -> str:
    try:
        said = json.loads(done.out)
    except ValueError:
        return f"exit {done.code}"
    return str((said.get("error") or {}).get("code", f"exit {done.code}"))
