"""No object leads to a value: there is none in this process. Every search also finds a planted one."""

from __future__ import annotations

import gc
import json
import logging
import pickle
from typing import Any

import pytest

import agentsecrets
from agentsecrets import AgentSecrets, AgentSecretsError, AsyncAgentSecrets, SecretRef
from agentsecrets.testing import assert_no_leak, find_leaks
from world import Upstream, World, make_canary

NAMES = ("TOKEN", "BASIC", "API_KEY", "QUERY_KEY", "CLIENT_SECRET", "FORM_SECRET", "UNGRANTED")


class Holder:
    """Something that holds a value, as nothing of ours may."""

    def __init__(self, held: object) -> None:
        self.held = held


def test_the_search_finds_what_is_there() -> None:
    value = make_canary()
    other = "".join(list(value))
    assert find_leaks(Holder({"deep": [(other,)]}), value)
    assert find_leaks(other.encode(), value)
    assert find_leaks(lambda: other, value)
    assert find_leaks(Holder(other.encode().hex()), value)
    assert find_leaks(Holder(value[::-1]), value) == []
    with pytest.raises(AssertionError) as found:
        assert_no_leak(Holder(other), value)
    assert value not in str(found.value)
    with pytest.raises(ValueError):
        find_leaks(Holder(1), "short")


def everything(client: AgentSecrets, upstream: Upstream) -> list[object]:
    """Use all there is, and return every object that came of it."""
    echo = upstream.url("/echo")
    found: list[object] = [client, client.secrets, client.allowlist]
    found.append(
        client.call(
            echo,
            "POST",
            bearer="TOKEN",
            header={"X-Api-Key": "API_KEY"},
            query={"key": "QUERY_KEY"},
            body={"a": 1},
            body_field={"auth.client_secret": "CLIENT_SECRET"},
        )
    )
    found.append(client.call(echo, basic=SecretRef("BASIC")))
    found.append(client.call(echo, "POST", form={"a": 1}, form_field={"api_key": "FORM_SECRET"}))
    for form in ("raw", "base64", "hex", "percent", "json", "html", "gzip"):
        found.append(client.call(upstream.url(f"/echo/encoded?as={form}&header=1"), bearer="TOKEN"))
    for path in ("/trailers", "/reason?text=x", "/redirect?to=/echo&leak=1", "/set-cookie?name=a&value=b"):
        found.append(client.call(upstream.url(path), bearer="TOKEN"))
    with client.stream(upstream.url("/sse?events=3&echo=1"), bearer="TOKEN") as answer:
        found += [answer, *answer.iter_events()]
    wrong: list[dict[str, Any]] = [{"bearer": "UNGRANTED"}, {"bearer": "NONE"}, {"query": {"key": "TOKEN"}}]
    for refused in wrong:
        with pytest.raises(AgentSecretsError) as error:
            client.call(echo, **refused)
        found.append(error.value)
    with pytest.raises(AgentSecretsError) as error:
        client.call(upstream.url("/drop?after=100&of=500"), bearer="TOKEN")
    found.append(error.value)
    found += [client.status(), *client.secrets.list(), *client.secrets.check(*NAMES), *client.grants(), *client.logs()]
    return found


def test_no_object_leads_to_a_value(
    client: AgentSecrets,
    upstream: Upstream,
    world: World,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with caplog.at_level(logging.DEBUG):
        found = everything(client, upstream)
    gc.collect()
    printed = "".join(capfd.readouterr()) + caplog.text
    for name in NAMES:
        value = world.values[name].partition(":")[2] or world.values[name]
        for obj in found:
            assert_no_leak(_apart(obj), value)
        assert value not in printed
    for obj in found:
        with pytest.raises(TypeError):
            json.dumps(obj)


def _apart(obj: object) -> object:
    # A traceback leads to the test itself, which knows the values.
    return obj.with_traceback(None) if isinstance(obj, BaseException) else obj


def test_what_the_module_shows() -> None:
    for name in agentsecrets.__all__:
        assert getattr(agentsecrets, name) is not None
    for name in ("get", "get_secret", "reveal", "resolve", "expose", "value"):
        for kind in (AgentSecrets, AsyncAgentSecrets, SecretRef, type(AgentSecrets.secrets), agentsecrets):
            assert not hasattr(kind, name), f"{kind} has {name}"


def test_native_objects_are_sealed(broker: AgentSecrets) -> None:
    native: Any = broker._native
    assert not hasattr(native, "__dict__")
    with pytest.raises(AttributeError):
        native.extra = 1
    with pytest.raises(TypeError):
        pickle.dumps(native)
