"""The shared vectors of injection, read in place, through Python and the broker to the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentsecrets import AgentSecrets, SecretRef
from world import VECTORS, Upstream, World

FILES = sorted((VECTORS / "inject").glob("*.json"))
SLOTS = {
    "bearer": "bearer",
    "basic": "basic",
    "header": "header:{}",
    "query": "query:{}",
    "body_field": "body:{}",
    "form_field": "form:{}",
}


def cases() -> list[Any]:
    found: list[Any] = []
    for file in FILES:
        for case in json.loads(file.read_text())["cases"]:
            if is_for_the_wire(case):
                found.append(pytest.param(case, id=f"{file.stem}: {case['name']}"))
    assert len(found) > 60
    return found


def is_for_the_wire(case: dict[str, Any]) -> bool:
    """Whether policy lets the case pass, under whatever name its secrets are stored."""
    taken = {"authorization", *(said.get("name", "").lower() for said in case["injections"])}
    clashes = any(name.lower() in taken for name in case["request"].get("headers", {}))
    texts = [*case["secrets"].values(), case["request"].get("body", "")]
    return "expect" in case and bool(case["injections"]) and not clashes and all(isinstance(t, str) for t in texts)


@pytest.mark.parametrize("case", cases())
def test_a_case(broker: AgentSecrets, world: World, upstream: Upstream, case: dict[str, Any]) -> None:
    names = {name: stored(world, case, name, value) for name, value in case["secrets"].items()}
    options: dict[str, Any] = {"headers": case["request"].get("headers", {})}
    for said in case["injections"]:
        reference = SecretRef(names[said["secret"]])
        if "format" in said:
            reference = reference.format(said["format"])
        if said["style"] in ("bearer", "basic"):
            options[said["style"]] = reference
        else:
            options.setdefault(said["style"], {})[said["name"]] = reference
    url = case["request"]["url"].replace("https://upstream.test", upstream.origin)
    broker.call(url, case["request"]["method"], body=case["request"].get("body"), **options)
    received = upstream.last()
    expected = case["expect"]
    assert received.target == expected.get("target", received.target)
    for name, value in expected.get("headers", {}).items():
        assert received.header(name) == value.encode().decode("latin-1")
    if "body" in expected and isinstance(expected["body"], str):
        assert received.body.decode() == expected["body"]


def stored(world: World, case: dict[str, Any], name: str, value: str) -> str:
    """Store a case's value under a name of its own, granted for the places the case uses."""
    places = [SLOTS[said["style"]].format(said.get("name")) for said in case["injections"] if said["secret"] == name]
    number = sum(key.startswith("VECTOR_") for key in world.values)
    slots = [word for place in places for word in ("--slot", place)]
    full = f"VECTOR_{number}_{name}"
    # `secrets set` drops one line feed at the end of what it reads.
    value += "\n" if value.endswith("\n") else ""
    world.store(full, value, f"{world.upstream.origin}/**", *slots, weak=True)
    return full
