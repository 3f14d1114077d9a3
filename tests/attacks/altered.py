"""Policy files altered by whoever can write them, at each level; `policy.py` tries more on one of them."""

from __future__ import annotations

import json

from ground import Ground, across
from kit.report import Suite, demand
from policy import elsewhere, swap
from world import World

FILES = ("policy.json", "home.json", "pin.sealed")


def add_to(suite: Suite) -> None:
    across(suite, "policy files altered or put back", altered)


def altered(world: World, ground: Ground) -> bool:
    home = ground.home
    if ground.walled:
        return ground.cannot(*(["/usr/bin/touch", str(home.folder / name)] for name in FILES))
    older = read(ground)
    home.owner("project", "create", "later").good()
    # Seen once, so that the newest is what the pin knows.
    ground.control()
    newest = read(ground)
    other = elsewhere(world)
    theirs = {name: (other.folder / name).read_bytes() for name in FILES}
    ours = json.loads(newest["home.json"])
    with_key = json.dumps(ours | {"policy_key": json.loads(theirs["home.json"])["policy_key"]}).encode()
    grant = newest["policy.json"].replace(b"TOKEN", b"OTHER")
    demand(grant != newest["policy.json"], "the policy was edited")
    attempts = {
        "a grant written in": {"policy.json": grant},
        "an older one put back": {"policy.json": older["policy.json"]},
        "another owner's, with its key": {"policy.json": theirs["policy.json"], "home.json": with_key},
        "another owner's, with key and pin": {**theirs, "home.json": with_key},
    }
    for attempt, files in attempts.items():
        put(ground, files)
        calls = [{"url": world.upstream.url("/echo"), "bearer": name} for name in ("OTHER", "TOKEN")]
        for outcome in ground.calls(*calls):
            demand(outcome["code"] == "policy_invalid", f"{ground.level}: {attempt}: {outcome['code'] or outcome['status']}")
        put(ground, newest)
    demand(not world.upstream.received(), f"{ground.level}: nothing arrives")
    ground.control()
    return True


def read(ground: Ground) -> dict[str, bytes]:
    return {name: (ground.home.folder / name).read_bytes() for name in FILES}


def put(ground: Ground, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        swap(ground.home, name, data)
