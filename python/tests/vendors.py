"""What the tests of the vendors' own libraries share: keys in a vendor's form, and the search for their values."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from agentsecrets.testing import assert_no_leak
from world import Received, Upstream, World, make_canary

BEGINNINGS = {"OPENAI_KEY": "sk-", "ANTHROPIC_KEY": "sk-ant-", "STRIPE_KEY": "sk_test_"}


def store_keys(world: World) -> None:
    """Store a key of each vendor, granted to the upstream."""
    origin = world.upstream.origin
    for name, beginning in BEGINNINGS.items():
        world.store(name, beginning + make_canary(), origin)


def arrived(upstream: Upstream, value: str, slot: str, times: int = 1) -> list[Received]:
    """Return what came, each with the value once, in its slot."""
    received = upstream.received()
    assert len(received) == times
    for got in received:
        assert value in str(got.header(slot))
        assert str(got.said["headers"]).count(value) == 1
        assert value not in got.target
        assert value.encode() not in got.body
    return received


@contextmanager
def nothing_held(value: str, *held: object) -> Generator[list[object], None, None]:
    """Search what a block made, and all that this leads to, for the value."""
    made: list[object] = [*held]
    yield made
    gc.collect()
    for obj in made:
        assert_no_leak(obj.with_traceback(None) if isinstance(obj, BaseException) else obj, value)


def upload(folder: Path) -> Path:
    path = folder / "data.jsonl"
    path.write_bytes(b'{"a": 1}\n' * 20_000)
    return path
