"""A second developer is there after four commands; then a team works, disagrees, settles it, and one leaves."""

from __future__ import annotations

import shutil

from databases import BOTH
from kit.keyring import Keyring
from kit.report import Suite, demand
from world import PROJECT, WORKSPACE, Member, World


def add_to(suite: Suite) -> None:
    for database in BOTH:
        suite.proof(f"four commands bring a second developer in, with two keychains, on {database}")(
            lambda world, database=database: four_commands(world, database)
        )
        suite.proof(f"push, drift, diff, pull, conflict, both ways out of it, on {database}")(
            lambda world, database=database: a_life_together(world, database)
        )
        suite.proof(f"who leaves is refused and cannot read what comes after, on {database}")(
            lambda world, database=database: leaving(world, database)
        )
    suite.proof("what a member denied stays denied, whatever the admins say, until their own owner lifts it")(own_denials)
    suite.proof("a backup brings a lost home back as the same member")(brought_back)
    suite.proof("another device of the same account, another password, and a recovery code")(devices)


def four_commands(world: World, database: str) -> str:
    server = world.server(database)
    ann, ben = (world.member(server, word, ready=False) for word in ("ann", "ben"))
    keyrings = [Keyring(member.account) for member in (ann, ben)]
    try:
        for member, keyring in zip((ann, ben), keyrings, strict=True):
            member.variables |= keyring.variables
        name, value = world.secret("STRIPE"), world.canary()
        ann.init("--store", "keychain", "--unlock", "keychain")
        ann.trust()
        ann.log_in(new=True)
        ann.owner("workspace", "create", WORKSPACE, "--project", PROJECT).good()
        ann.set(name, value, "--allow", world.api.origin)
        ann.owner("secrets", "push").good()
        code = ann.invite(ben.email)
        # One, two, three, four.
        ben.init("--store", "keychain", "--unlock", "keychain")
        ben.log_in(new=True)
        ben.join(code)
        ben.cli("secrets", "pull").good()
        ben.trust()
        demand(ben.sees(name, value), "the second developer calls with the first one's secret")
        listed = [info["name"] for info in ben.json("secrets", "list")]
        demand(listed == [name], f"and sees its name: {listed}")
        items = keyrings[1].items()
        demand(b"agentsecrets" in items and value not in items, "the second keychain holds it, sealed")
        mine, theirs = (
            {one["name"]: one["fingerprint"] for one in it.json("workspace", "members")} for it in (ann, ben)
        )
        demand(mine == theirs and len(mine) == 2, "both see the same two members, with the same words")
        return "init, login, workspace join, secrets pull"
    finally:
        for member in (ann, ben):
            member.stop()
        for keyring in keyrings:
            keyring.end()


def a_life_together(world: World, database: str) -> str:
    ann, ben = world.team(world.server(database), "ann", "ben")
    for member in (ann, ben):
        member.trust()
    stripe, openai = world.secret("STRIPE"), world.secret("OPENAI")
    first, second, third, fourth = (world.canary() for _ in range(4))
    ann.set(stripe, first)
    ann.set(openai, second)
    ann.owner("allow", stripe, world.api.origin).good()
    demand(ann.drift() == {stripe: "local", openai: "local"}, "what is new here is told")
    # An agent pushes new names alone, and sees nothing but names.
    pushed = ann.json("secrets", "push")
    demand(sorted(one["name"] for one in pushed["pushed"]) == sorted([stripe, openai]), "both are pushed")
    demand(ann.drift() == {} and ben.drift() == {stripe: "remote", openai: "remote"}, "and drift at the other's")
    demand(len(ben.json("secrets", "pull")["pulled"]) == 2 and ben.drift() == {}, "a pull takes both in")
    demand(ben.sees(stripe, first), "the grant came along, and the value goes where it says")
    demand(
        ben.cli("call", "--url", world.api.url("/echo"), "--bearer", openai).code == 3,
        "without a grant it goes nowhere",
    )
    # A change of what the members have needs the owner.
    ann.set(stripe, third)
    denied = ann.json("secrets", "push", code=3)
    demand(
        [one["name"] for one in denied["needs_owner"]] == [stripe], "an agent does not replace what the members have"
    )
    ann.owner("secrets", "push").good()
    ben.set(stripe, fourth)
    demand(ben.drift() == {stripe: "conflict"}, "both changed it, and diff says so")
    conflict = ben.json("secrets", "diff")[0]
    demand(conflict["author"] == ann.email and conflict["time"], "with its author and time")
    demand(ben.json("secrets", "pull", code=1)["conflicts"][0]["name"] == stripe, "a pull settles nothing by itself")
    demand(ben.json("secrets", "push", code=1)["conflicts"][0]["name"] == stripe, "nor does a push")
    demand(ben.sees(stripe, fourth), "what was set here is still here")
    ben.refused("owner_required", "secrets", "pull", "--theirs", stripe)
    ben.owner("secrets", "push", "--ours", stripe).good()
    ann.cli("secrets", "pull").good()
    demand(ann.sees(stripe, fourth), "the one way out: ours")
    # And the other way.
    fifth, sixth = world.canary(), world.canary()
    ann.set(stripe, fifth)
    ann.owner("secrets", "push").good()
    ben.set(stripe, sixth)
    ben.cli("secrets", "diff").good()
    ben.owner("secrets", "pull", "--theirs", stripe).good()
    demand(ben.sees(stripe, fifth) and ben.drift() == {}, "the other way out: theirs")
    versions = ben.json("secrets", "history", stripe)
    demand([one["version"] for one in versions] == [4, 3, 2, 1] and versions[0]["current"], "each version is on record")
    ann.owner("secrets", "delete", openai).good()
    ann.owner("secrets", "push").good()
    demand(ben.drift() == {openai: "remote"}, "a deletion drifts too")
    ben.cli("secrets", "pull").good()
    demand([info["name"] for info in ben.json("secrets", "list")] == [stripe], "and is taken in")
    for member in (ann, ben):
        member.stop()
    return "15 steps"


def leaving(world: World, database: str) -> str:
    server = world.server(database)
    ann, ben, cyd = world.team(server, "ann", "ben", "cyd")
    name, old, new = world.secret("STRIPE"), world.canary(), world.canary()
    ann.set(name, old)
    ann.owner("secrets", "push").good()
    for member in (ben, cyd):
        member.cli("secrets", "pull").good()
    ben.refused("owner_required", "workspace", "remove", cyd.email)
    demand(b"not_an_admin" in ben.owner("workspace", "remove", cyd.email).err, "a member removes nobody")
    before = ann.json("status")["sync"]["entries"]
    gone = ann.owner("workspace", "remove", ben.email, "--json").good().out
    demand(name.encode() in gone and b"should_rotate" in gone, "what the leaver could read is named")
    ann.set(name, new)
    ann.owner("secrets", "push").good()
    demand(not ann.json("status")["sync"].get("should_rotate"), "until it is rotated")
    ben.refused("not_a_member", "secrets", "diff")
    ben.refused("not_a_member", "secrets", "pull")
    cyd.cli("secrets", "pull").good()
    for member in (ann, cyd):
        member.trust()
    ann.owner("allow", name, world.api.origin).good()
    cyd.cli("secrets", "pull").good()
    demand(cyd.sees(name, new), "who stays reads what comes after")
    log = cyd.json("workspace", "log")
    demand(
        any("leaves" in one["says"] and "epoch 2" in one["says"] for one in log[before:]),
        "the keys were made anew in the same entry",
    )
    # Whatever a server that helps the leaver shows: the key is not in it.
    demand(epochs_sealed_to(ben, cyd) == {1}, "the second epoch's key was sealed to nobody who left")
    demand(epochs_sealed_to(cyd, cyd) == {1, 2}, "and to everybody who stayed")
    code = ann.invite(ben.email)
    ben.join(code)
    ben.trust()
    ben.cli("secrets", "pull").good()
    demand(ben.sees(name, new), "who is invited again is a member again")
    for member in (ann, ben, cyd):
        member.stop()
    return "refused, and without the new epoch's key"


def epochs_sealed_to(who: Member, seen_by: Member) -> set[int]:
    """The epochs whose key the chain seals to somebody, as another member has it."""
    account = who.kept("sync/account.json")["account"]
    acts = [entry["act"] for entry in seen_by.chain()]
    sealed = set()
    for act in acts:
        epoch = act.get("epoch") or {}
        if any(seal["recipient"] == account for seal in epoch.get("seals", [])):
            sealed.add(epoch["number"])
        if (act.get("member") or {}).get("account") == account:
            sealed |= {seal["epoch"] for seal in act.get("seals", [])}
    return sealed


def own_denials(world: World) -> str:
    ann, ben = world.team(world.server("SQLite"), "ann", "ben")
    name, value = world.secret("STRIPE"), world.canary()
    ann.set(name, value)
    ann.owner("allow", name, world.http).good()
    ann.owner("secrets", "push").good()
    ben.cli("secrets", "pull").good()
    demand(ben.sees(name, value, world.http), "what the admin allowed is allowed")
    for words in ([name], [name, world.http]):
        ben.cli("deny", *words).good()
        ann.owner("project", "create", f"extra-{len(words)}").good()
        ann.owner("allow", name, world.http).good()
        ben.cli("secrets", "pull").good()
        call = ben.cli("call", "--url", f"{world.http}/echo", "--bearer", name)
        demand(call.code == 3, "a policy that goes on lifts nothing that was denied here")
        ben.refused("owner_required", "deny", name, "--lift")
        ben.owner("deny", name, "--lift").good()
        demand(ben.sees(name, value, world.http), "the home's owner does")
    # A workspace of a name that the home has is called by one like it.
    [eve] = world.team(world.server("SQLite"), "eve")
    ben.join(eve.invite(ben.email))
    names = [one["name"] for one in ben.json("workspace", "list")]
    demand(len(set(names)) == 3 and f"{WORKSPACE}-2" in names, f"each workspace has a name of its own here: {names}")
    demand(ann.sees(name, value, world.http), "and nothing of it touches the other members")
    for member in (ann, ben, eve):
        member.stop()
    return "by name and by rule"


def brought_back(world: World) -> str:
    server = world.server()
    ann, ben = world.team(server, "ann", "ben")
    name, first, second = world.secret("STRIPE"), world.canary(), world.canary()
    ann.set(name, first)
    ann.owner("allow", name, world.http).good()
    ann.owner("secrets", "push").good()
    ben.cli("secrets", "pull").good()
    file = str(ben.account.folder / "home.backup")
    ben.owner("backup", file).good()
    demand(first not in (ben.account.folder / "home.backup").read_bytes(), "the backup is sealed")
    ann.set(name, second)
    ann.owner("secrets", "push").good()
    ben.stop()
    shutil.rmtree(ben.home)
    ben.owner("restore", file).good()
    demand(ben.sees(name, first, world.http), "the home has what it had")
    ben.cli("secrets", "pull").good()
    demand(ben.sees(name, second, world.http), "and takes in what came since, without another login")
    ben.set(name, first)
    ben.owner("secrets", "push").good()
    told = [one for one in ann.json("workspace", "members") if one["name"] == ben.email]
    demand(told and told[0]["devices"] == 1, "as the same device")
    for member in (ann, ben):
        member.stop()
    return "account, chain, values"


def devices(world: World) -> str:
    server = world.server("SQLite")
    ann, ben = world.team(server, "ann", "ben")
    name, value = world.secret("STRIPE"), world.canary()
    ann.set(name, value, "--allow", world.api.origin)
    ann.owner("secrets", "push").good()
    # The same account on another machine: a login is enough, and it signs with a key of its own.
    laptop = world.member(server, "laptop", ready=False)
    laptop.email, laptop.password = ann.email, ann.password
    laptop.init()
    laptop.log_in()
    laptop.cli("workspace", "switch", WORKSPACE).good()
    laptop.cli("secrets", "pull").good()
    laptop.trust()
    demand(laptop.sees(name, value), "the second device reads what the first one shared")
    other = world.canary()
    laptop.set(name, other)
    laptop.owner("secrets", "push").good()
    ben.cli("secrets", "pull").good()
    ben.trust()
    demand(ben.sees(name, other), "and what it writes, others take in")
    told = [one for one in ben.json("workspace", "members") if one["name"] == ann.email]
    demand(told and told[0]["devices"] == 2, f"the members see two devices: {told}")
    # The password is lost, the recovery code is not.
    wrong = laptop.owner("login", "--email", ann.email, fds={"--password-fd": b"another password"})
    demand(b"error[wrong_credentials]" in wrong.err, f"another password is refused: {wrong.text[-300:]}")
    spare = world.member(server, "spare", ready=False)
    spare.email, spare.password = ann.email, spare.password
    spare.init()
    words = ["login", "--server", server.relay.url, "--email", ann.email, "--recover"]
    spare.owner(*words, fds={"--password-fd": spare.password.encode(), "--recovery-fd": ann.recovery}).good()
    spare.cli("workspace", "switch", WORKSPACE).good()
    spare.cli("secrets", "pull").good()
    spare.trust()
    demand(spare.sees(name, other), "the code brings everything back on a third machine")
    stale = laptop.owner("login", "--email", ann.email, fds={"--password-fd": ann.password.encode()})
    demand(b"error[wrong_credentials]" in stale.err, "the old password counts no more")
    for member in (ann, ben, laptop, spare):
        member.stop()
    return "two devices, one recovery"
