"""A real Secret Service, which any process of the user may read: what lies there, and what that opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ground import Ground, across
from inside import scanned
from kit.report import Suite, demand

if TYPE_CHECKING:
    from world import World


def add_to(suite: Suite) -> None:
    across(suite, "`secret-tool` dump of the keychain", dumped)
    across(suite, "`secret-tool` lookup of the use key", opened)


def dumped(world: World, ground: Ground) -> bool:
    """Every item, unlocked and printed. The probe that the session stored is the control."""
    ground = world.keychain(ground.level)
    assert ground.keyring is not None
    items = ground.keyring.items()
    demand(items.count(b"secret = ") >= 3, "the keychain holds records of ours, and they are printed")
    probe = ground.home.account.run(["secret-tool", "lookup", "probe", "probe"], env=ground.keyring.variables)
    demand(probe.out == b"probe", "control: any process of the user reads an item")
    return not ground.search.named(items)


def opened(world: World, ground: Ground) -> bool:
    """Where the use key lies in the keychain too, the same user opens what is sealed under it."""
    ground = world.keychain(ground.level)
    own = {"home": str(ground.home.folder), "isolation": "in-process"}
    return scanned(world, ground, "python", own)
