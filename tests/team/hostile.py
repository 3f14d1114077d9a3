"""A server that lies: each lie is refused by its name, or found out at the next exchange, and nothing here is harmed."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kit.report import Suite, demand
from relay import Relay, flooding, stalled
from world import Member, World

Document = dict[str, Any]


def add_to(suite: Suite) -> None:
    suite.proof("hostile: a public key swapped, a member added, an entry dropped or moved")(membership)
    suite.proof("hostile: a joiner is shown another workspace, or this one without an entry")(shown_to_a_joiner)
    suite.proof("hostile: a record rolled back, altered, its ciphertext swapped, another's or twice")(records)
    suite.proof("hostile: an old policy, an older chain, another workspace's answer")(older)
    suite.proof("hostile: it breaks off, stalls, floods, and answers what is no answer")(manners)
    suite.proof("hostile: two stories told to two admins come out at the next exchange")(forked)
    suite.proof("hostile: a frozen view comes out at the next exchange, and is stale without an admin's sign of life")(
        frozen
    )


@dataclass
class Ground:
    """Two members with a value each has, and a relay that lies to them."""

    world: World
    ann: Member
    ben: Member
    relay: Relay
    name: str
    value: bytes

    def refused(self, code: str, twist: Callable[[str, str, Document], Document] | None, *words: str) -> None:
        """Have Ben pull through a lie: it is refused, he has what he had, and goes on when the lie ends."""
        before = state(self.ben)
        self.relay.twist = twist
        try:
            self.ben.refused(code, *(words or ("secrets", "pull")))
        finally:
            self.relay.honest()
        demand(state(self.ben) == before, f"after {code} everything is as it was")

    def is_whole(self) -> None:
        """Ben's value is the one that he had, and an honest server is believed again."""
        self.ben.cli("secrets", "pull").good()
        demand(self.ben.sees(self.name, self.value, self.world.http), "his value goes where it went before")


def ground(world: World) -> Ground:
    server = world.server()
    ann, ben = world.team(server, "ann", "ben")
    name, first, value = world.secret("STRIPE"), world.canary(), world.canary()
    ann.set(name, first)
    ann.owner("allow", name, world.http).good()
    ann.owner("secrets", "push").good()
    ben.cli("secrets", "pull").good()
    ann.set(name, value)
    ann.owner("secrets", "push").good()
    ben.cli("secrets", "pull").good()
    return Ground(world, ann, ben, server.relay, name, value)


def state(member: Member) -> list[Any]:
    """What a home holds, as it shows it: names with their records, the chain, the grants, who is who."""
    told = [member.json("secrets", "list"), member.json("workspace", "log"), member.json("grants")]
    return [json.dumps(one, sort_keys=True) for one in told]


def is_changes(path: str) -> bool:
    return urlsplit(path).path.endswith("/changes")


def altered(signed: Document, change: Callable[[Document], None]) -> Document:
    """A statement that says something else under the signature it had."""
    said = json.loads(signed["body"])
    change(said)
    return {**signed, "body": json.dumps(said, separators=(",", ":"))}


def on_changes(change: Callable[[Document], None]) -> Callable[[str, str, Document], Document]:
    """A lie in the answer to a pull."""

    def twist(method: str, path: str, document: Document) -> Document:
        if method == "GET" and is_changes(path):
            change(document)
        return document

    return twist


def captured(relay: Relay, work: Callable[[], object], wanted: Callable[[str], bool] = is_changes) -> list[Document]:
    """The answers of a kind while something is done."""
    kept: list[Document] = []

    def keep(method: str, path: str, document: Document) -> Document:
        if wanted(path):
            kept.append(json.loads(json.dumps(document)))
        return document

    relay.twist = keep
    try:
        work()
    finally:
        relay.honest()
    return kept


def membership(world: World) -> str:
    it = ground(world)
    # Another workspace on the same server, whose entries are signed well by somebody else.
    [mallory] = world.team(world.server(), "mallory")
    stranger = entries_of(mallory)
    # What Ben has not seen yet.
    it.ann.invite("new@example.com")

    def key(document: Document) -> None:
        document["entries"] = [altered(entry, swap_key) for entry in document["entries"]]

    def swap_key(said: Document) -> None:
        said["act"]["invite"]["receiving"] = said["act"]["invite"]["signing"]

    it.refused("chain_invalid", on_changes(key))

    def add(document: Document) -> None:
        document["entries"].append(stranger[-1])
        document["head"]["seq"] += 1

    it.refused("chain_invalid", on_changes(add))

    def drop(document: Document) -> None:
        document["entries"] = []

    it.refused("chain_invalid", on_changes(drop))

    def shorter(document: Document) -> None:
        document["entries"], document["head"]["seq"] = [], 1

    it.refused("chain_rolled_back", on_changes(shorter))

    def unsigned(document: Document) -> None:
        document["entries"] = [{**entry, "signature": stranger[0]["signature"]} for entry in document["entries"]]

    it.refused("chain_invalid", on_changes(unsigned))

    def renamed(document: Document) -> None:
        document["head"]["hash"] = digest(stranger[0])

    it.refused("chain_forked", on_changes(renamed))
    it.is_whole()
    demand(len(it.ben.json("workspace", "log")) == len(it.ann.json("workspace", "log")), "then he has the whole chain")
    for member in (it.ann, it.ben, mallory):
        member.stop()
    return "6 lies"


def entries_of(member: Member) -> list[Document]:
    [file] = member.home.glob("sync/*/chain.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def shown_to_a_joiner(world: World) -> str:
    it = ground(world)
    [mallory] = world.team(world.server(), "mallory")
    new = world.member(world.server(), "new")
    code = it.ann.invite(new.email)
    theirs = entries_of(mallory)
    workspace = json.loads(theirs[0]["body"])["workspace"]

    def tried(wanted: str, change: Callable[[Document], None]) -> None:
        def twist(method: str, path: str, document: Document) -> Document:
            if path.endswith("/open"):
                change(document)
            return document

        it.relay.twist = twist
        done = new.owner("workspace", "join", fds={"--code-fd": code})
        it.relay.honest()
        demand(f"error[{wanted}]".encode() in done.err, f"refused as {wanted}: {done.text[-300:]}")
        demand(len(new.json("workspace", "list")) == 1, "and nothing was joined")

    def another(document: Document) -> None:
        document["workspace"], document["entries"] = workspace, theirs

    def swapped(document: Document) -> None:
        document["entries"][0] = altered(document["entries"][0], founder)

    def founder(said: Document) -> None:
        said["act"]["member"]["receiving"] = json.loads(theirs[0]["body"])["act"]["member"]["receiving"]

    def without(document: Document) -> None:
        del document["entries"][1]

    def cut(document: Document) -> None:
        del document["entries"][-1]

    tried("invite_invalid", another)
    tried("chain_invalid", swapped)
    tried("chain_invalid", without)
    tried("invite_invalid", cut)
    new.join(code)
    demand(len(it.ann.json("workspace", "members")) == 3, "the honest one is joined by the same code")
    for member in (it.ann, it.ben, mallory, new):
        member.stop()
    return "4 lies"


def records(world: World) -> str:
    it = ground(world)
    other, value = world.secret("OTHER"), world.canary()
    older = captured(
        it.relay, lambda: it.ben.cli("secrets", "history", it.name).good(), lambda path: "/records/" in path
    )
    first = older[0]["records"][-1]
    demand(json.loads(first["body"])["version"] == 1, "the relay kept the first version")
    it.ann.set(other, value)
    it.ann.owner("secrets", "push").good()
    mine, theirs = (json.loads(one["body"]) for one in (older[0]["records"][0], first))
    demand(mine["record"] == theirs["record"] and mine["version"] == 2, "and the second, of the same name")

    def only(*given: Document) -> Callable[[str, str, Document], Document]:
        def change(document: Document) -> None:
            document["records"] = list(given)

        return on_changes(change)

    def each(change: Callable[[Document], None]) -> Callable[[str, str, Document], Document]:
        def twist(document: Document) -> None:
            document["records"] = [altered(one, change) for one in document["records"]]

        return on_changes(twist)

    it.refused("record_invalid", only(first))
    it.refused("record_invalid", each(lambda said: said.update(sealed=mine["sealed"])))
    it.refused("record_invalid", each(lambda said: said.update(record=mine["record"])))
    it.refused("record_invalid", each(lambda said: said.update(version=9)))
    it.refused("record_invalid", each(lambda said: said.update(author=said["device"])))
    it.refused("record_invalid", each(lambda said: said.update(epoch=2)))
    it.refused("record_invalid", each(lambda said: said.update(gone=True)))
    [mallory] = world.team(world.server(), "mallory")
    mallory.set(world.secret("LURE"), world.canary())
    pushed = pushed_by(it.relay, mallory)
    it.refused("record_invalid", only(*pushed))
    it.is_whole()
    demand(
        it.ben.drift() == {} and other in {one["name"] for one in it.ben.json("secrets", "list")},
        "the rest is taken in",
    )
    for member in (it.ann, it.ben, mallory):
        member.stop()
    return "8 lies"


def pushed_by(relay: Relay, member: Member) -> list[Document]:
    """The records that a member gives the server."""
    began = len(relay.heard)
    member.owner("secrets", "push").good()
    for text in relay.heard[began:]:
        if text.startswith(b'{"records":'):
            return list(json.loads(text)["records"])
    raise AssertionError("the relay saw no push")


def older(world: World) -> str:
    it = ground(world)
    [mallory] = world.team(world.server(), "mallory")
    lure = world.secret("LURE")
    mallory.set(lure, world.canary())
    mallory.owner("secrets", "push").good()
    # The policy goes on by two versions, of which the server shows the first again as if it were the next.
    it.ann.owner("deny", it.name, "--for-all").good()
    it.ben.cli("secrets", "pull").good()
    demand(it.ben.json("grants") == [] or not granted(it.ben, it.name), "the grant is gone for every member")
    policies = [entry for entry in entries_of(it.ben) if json.loads(entry["body"])["act"].get("version")]
    demand(len(policies) >= 3, "the chain has several policies")

    def again(document: Document) -> None:
        document["entries"].append(policies[1])
        document["head"]["seq"] += 1

    it.refused("chain_invalid", on_changes(again))

    def rolled(document: Document) -> None:
        document["head"] = {"seq": len(entries_of(it.ben)) - 1, "hash": document["head"]["hash"]}

    it.refused("chain_rolled_back", on_changes(rolled))
    told = captured(it.relay, lambda: mallory.cli("secrets", "diff").good())[-1]

    def another(document: Document) -> None:
        document.clear()
        document.update(json.loads(json.dumps(told)))

    before = state(it.ben)
    it.relay.twist = on_changes(another)
    done = it.ben.cli("secrets", "pull")
    it.relay.honest()
    named = [
        code
        for code in ("chain_forked", "chain_rolled_back", "chain_invalid", "record_invalid")
        if f"error[{code}]".encode() in done.err
    ]
    demand(done.code != 0 and named, f"another workspace's answer is refused by a name: {done.text[-300:]}")
    demand(state(it.ben) == before, "and everything is as it was")
    demand(not granted(it.ben, it.name), "what was taken away does not come back")
    it.ben.cli("secrets", "pull").good()
    for member in (it.ann, it.ben, mallory):
        member.stop()
    return f"3 lies, the last as {named[0]}"


def granted(member: Member, name: str) -> bool:
    return any(one["secret"] == name and one["state"] == "active" for one in member.json("grants"))


def manners(world: World) -> str:
    it = ground(world)

    def raw(answer: bytes) -> Callable[[Any], None]:
        def give(handler: Any) -> None:
            handler.wfile.write(answer)

        return give

    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    cases: list[tuple[str, Callable[[Any], None]]] = [
        ("sync_unavailable", raw(head + b'content-length: 400\r\n\r\n{"head":')),
        ("sync_unavailable", stalled(30)),
        ("sync_refused", flooding),
        ("sync_refused", raw(head + b'content-length: 9\r\n\r\n{"head":1')),
        ("sync_refused", raw(head + b"content-length: 4\r\n\r\nnull")),
        ("sync_unavailable", raw(os.urandom(64))),
    ]
    before = state(it.ben)
    for wanted, answer in cases:
        it.relay.raw = answer
        try:
            it.ben.refused(wanted, "secrets", "pull")
        finally:
            it.relay.honest()
        demand(state(it.ben) == before, f"after {wanted} everything is as it was")

    def endless(document: Document) -> None:
        document["more"], document["entries"], document["records"] = True, [], []

    it.refused("sync_refused", on_changes(endless))
    it.is_whole()
    for member in (it.ann, it.ben):
        member.stop()
    return f"{len(cases) + 1} ways"


def forked(world: World) -> str:
    server = world.server()
    ann, ben, cyd = world.team(server, "ann", "ben", "cyd")
    ann.owner("workspace", "promote", cyd.email).good()
    for member in (ben, cyd):
        member.cli("secrets", "pull").good()
    name = world.secret("STRIPE")
    # Two admins say something in the same place of the chain. The server takes Ann's, and lets Cyd believe that it took hers.
    ann.invite("x@example.com")
    other = OtherStory(entries_of(cyd))
    server.relay.intercept, server.relay.twist = other.swallow, other.tell
    try:
        cyd.invite("y@example.com")
        cyd.set(name, world.canary())
        cyd.cli("secrets", "push").good()
    finally:
        server.relay.honest()
    demand(len(other.chain) == len(entries_of(cyd)) and other.pushed, "Cyd's home believes the story, and pushes by it")

    def crossing(document: Document) -> None:
        document["records"] += other.pushed

    server.relay.twist = on_changes(crossing)
    said = ann.refused("chain_forked", "secrets", "pull")
    server.relay.honest()
    demand("workspace log" in said, "and says how to find out")
    hers, his = ({one["seq"]: one["hash"] for one in it.json("workspace", "log")} for it in (cyd, ann))
    differ = [seq for seq in hers if seq in his and hers[seq] != his[seq]]
    demand(differ == [len(other.chain)], f"two logs that are compared differ in the one entry: {differ}")
    for member in (ann, ben, cyd):
        member.stop()
    return "the first record that crosses over is refused as chain_forked"


class OtherStory:
    """The chain as one member alone is shown it: what they say in it is kept from everybody else."""

    def __init__(self, chain: list[Document]) -> None:
        self.chain = chain
        self.pushed: list[Document] = []

    @property
    def head(self) -> Document:
        return {"seq": len(self.chain), "hash": digest(self.chain[-1])}

    def swallow(self, method: str, path: str, body: bytes) -> bytes | None:
        """Answer what the member says without handing it on."""
        if method == "POST" and path.endswith("/chain"):
            self.chain.append(json.loads(body)["entry"])
            return json.dumps({"head": self.head}).encode()
        if method == "POST" and path.endswith("/records"):
            self.pushed += json.loads(body)["records"]
            return json.dumps({"outcomes": [{"outcome": "stored"} for _ in self.pushed], "cursor": 0}).encode()
        return b"null" if path.endswith("/heartbeat") else None

    def tell(self, method: str, path: str, document: Document) -> Document:
        if is_changes(path):
            after = int(parse_qs(urlsplit(path).query)["after"][0])
            document.update(entries=self.chain[after:], head=self.head, records=[], heartbeat=None, more=False)
        return document


def digest(signed: Document) -> str:
    """The digest by which the next entry names this one, as `core/wire/src/signed.rs` has it."""
    signature = base64.urlsafe_b64decode(signed["signature"] + "==")
    text = b""
    for field in (b"agentsecrets/hash/1", b"agentsecrets/chain/1", signed["body"].encode(), signature):
        text += len(field).to_bytes(4, "little") + field
    return base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=").decode()


def frozen(world: World) -> str:
    it = ground(world)
    shown = captured(it.relay, lambda: it.ben.cli("secrets", "diff").good())[-1]
    cyd = world.member(world.server(), "cyd")
    cyd.join(it.ann.invite(cyd.email))
    # Ann goes on, and Ben is shown the same page for ever: nothing is refused, nothing is new.
    value = world.canary()
    it.ann.set(it.name, value)
    pushed = pushed_by(it.relay, it.ann)

    def again(document: Document) -> None:
        document.clear()
        document.update(json.loads(json.dumps(shown)))

    it.relay.twist = on_changes(again)
    demand(it.ben.drift() == {} and it.ben.sees(it.name, it.value, world.http), "a frozen view looks quiet")

    # The first record of Ann's that reaches him names a chain that is longer than the one he is shown.
    def leaking(document: Document) -> None:
        again(document)
        document["records"] = pushed

    it.relay.honest()
    it.refused("chain_rolled_back", on_changes(leaking))

    # A view that no admin has vouched for is stale, and says so.
    def silent(document: Document) -> None:
        document["heartbeat"] = None

    late = world.member(world.server(), "late")
    code = it.ann.invite(late.email)
    it.relay.twist = on_changes(silent)
    late.join(code)
    late.cli("secrets", "pull").good()
    told = late.json("status")["sync"]
    demand(told["stale"] is True, f"without an admin's sign of life the view is stale: {told}")
    it.relay.honest()
    late.cli("secrets", "pull").good()
    told = late.json("status")["sync"]
    demand(told["stale"] is False, f"with one it is not: {told}")
    it.ben.cli("secrets", "pull").good()
    demand(it.ben.sees(it.name, value, world.http), "and an honest server thaws it")
    for member in (it.ann, it.ben, cyd, late):
        member.stop()
    return "chain_rolled_back, and stale"
