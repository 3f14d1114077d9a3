"""What the server and the wire know after everything above: no value, no name, no password."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import subprocess
from collections.abc import Iterable

from databases import BOTH
from kit.canary import Search, forms
from kit.report import Suite, demand
from world import PRODUCTION, PROJECT, STAGING, WORKSPACE, Server, World

# What the tests' own address book is not: the server keeps addresses under its key alone.
ADDRESS = b"@example.com"


def add_to(suite: Suite) -> None:
    for database in BOTH:
        suite.proof(f"zero: nothing in {database}, its files and the server's log tells a value, a name or a password")(
            lambda world, database=database: at_rest(world, database)
        )
    suite.proof("zero: nothing in the traffic inside TLS tells a value, a name or a password")(on_the_wire)
    suite.proof("zero: the server's key is nowhere in its database")(key_apart)


def lived(world: World, database: str) -> Server:
    """The server, with work of its own behind it where no proof before did any."""
    server = world.server(database)
    ann, ben = world.team(server, "ann", "ben")
    name = world.secret("STRIPE")
    ann.set(name, world.canary())
    ann.owner("allow", name, world.http).good()
    ann.owner("secrets", "push").good()
    ben.cli("secrets", "pull").good()
    for member in (ann, ben):
        member.stop()
    return server


def unsaid(world: World) -> list[tuple[str, bytes]]:
    """Names, passwords and codes, with what one could test a password by without the server's key."""
    told = [*world.unsaid, ("an environment", STAGING.encode()), ("an environment", PRODUCTION.encode())]
    passwords = [text for kind, text in world.unsaid if kind == "a password"]
    for algorithm in ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b", "blake2s"):
        told += [(f"{algorithm} of a password", hashlib.new(algorithm, text).digest()) for text in passwords]
    return told


def scanned(world: World, what: str, places: list[tuple[str, bytes]], sentinel: bytes) -> str:
    """Search for values, and for everything unsaid, in the forms that text travels in; the sentinel has to be found."""
    needles = {needle: name for needle, (name, _) in Search(world.canaries).by_needle.items()}
    needles |= {form: kind for kind, text in unsaid(world) for form in forms(text) if len(form) > 5}
    needles[sentinel] = "the sentinel"
    told = {(place, needles[needle]) for place, needle in search(world, needles, places)}
    found = sorted(f"{name} in {place}" for place, name in told if name != "the sentinel")
    demand(not found, f"in {what} was found: {', '.join(found[:8])}")
    demand(told, f"in {what} the sentinel was not found: the search does not search")
    size = sum(len(data) for _, data in places)
    return f"{len(places)} places, {size / 1e6:.1f} MB, {len(needles)} needles"


def search(world: World, needles: Iterable[bytes], places: list[tuple[str, bytes]]) -> set[tuple[str, bytes]]:
    """Which needle is in which place. Those that are text are looked for by grep, which reads once for all of them."""
    plain = {needle for needle in needles if needle.isascii() and needle.decode("ascii").isprintable()}
    folder = world.folder / f"search-{secrets.token_hex(4)}"
    folder.mkdir()
    (folder / "needles").write_bytes(b"\n".join(plain))
    names = []
    for at, (name, data) in enumerate(places):
        names.append(name)
        (folder / f"place{at}").write_bytes(data)
    command = [
        "grep",
        "--text",
        "--only-matching",
        "--fixed-strings",
        "--file",
        "needles",
        "--recursive",
        "--include",
        "place*",
        ".",
    ]
    done = subprocess.run(
        command, cwd=folder, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}, capture_output=True, check=False
    )
    demand(done.returncode in (0, 1), f"grep searches: {done.stderr[-200:]!r}")
    found = set()
    for line in done.stdout.splitlines():
        file, needle = line.split(b":", 1)
        found.add((names[int(file.removeprefix(b"./place"))], needle))
    shutil.rmtree(folder)
    # The rest in one text, which is read once for each; only what is found there is looked for place by place.
    whole = b"\n".join(data for _, data in places)
    for needle in (needle for needle in set(needles) - plain if needle in whole):
        found |= {(name, needle) for name, data in places if needle in data}
    return found


def at_rest(world: World, database: str) -> str:
    server = lived(world, database)
    sentinel = b"sentinel" + hashlib.sha256(WORKSPACE.encode()).hexdigest().encode()[:24]
    server.database.plant(sentinel)
    places = [*server.database.contents(), ("the log", b"".join(server.log))]
    demand(len(places) > 1 and sum(len(data) for _, data in places) > 50_000, "there is something to search")
    addresses = [place for place, data in places if ADDRESS in data]
    demand(not addresses, f"no address of a member is in {addresses[:3]}")
    return scanned(world, database, places, sentinel)


def on_the_wire(world: World) -> str:
    places = []
    sentinel = b"sentinel" + hashlib.sha256(PROJECT.encode()).hexdigest().encode()[:24]
    for database in BOTH:
        heard = lived(world, database).relay.heard
        demand(len(heard) > 20, f"the relay before {database} heard the team")
        heard.append(b'{"body":"' + sentinel + b'"}')
        places += [(f"{database} message {at}", data) for at, data in enumerate(heard)]
    return scanned(world, "the traffic", places, sentinel)


def key_apart(world: World) -> str:
    looked = 0
    for database in BOTH:
        server = lived(world, database)
        key = next(iter(server.data.glob("*.key"))).read_bytes()
        pieces = [key[at : at + 16] for at in range(26, len(key) - 16, 16)]
        demand(len(pieces) >= 4, "the key file holds keys")
        for place, data in server.database.contents():
            demand(
                not any(piece in data or piece.hex().encode() in data for piece in pieces), f"{place} holds none of it"
            )
            looked += 1
    return f"{looked} places"
