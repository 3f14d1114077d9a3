"""Stripe's own library, unmodified, over a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe

from agentsecrets import AgentSecrets, DestinationNotAllowed, SecretRef
from agentsecrets.transports import RequestsAdapter
from vendors import arrived, nothing_held, upload
from world import Upstream, World

KEY = SecretRef("STRIPE_KEY").placeholder_like("sk_test_")


@pytest.fixture
def value(vendor_keys: World) -> str:
    return vendor_keys.values["STRIPE_KEY"]


@pytest.fixture
def make(broker: AgentSecrets, upstream: Upstream) -> Iterator[Any]:
    with requests.Session() as session:
        session.mount("https://", RequestsAdapter(broker))

        def make(case: str = "ok", origin: str = upstream.origin) -> stripe.StripeClient:
            base: Any = {"api": f"{origin}/vendor/{case}", "files": f"{origin}/vendor/{case}"}
            http = stripe.RequestsClient(session=session)
            return stripe.StripeClient(KEY, http_client=http, base_addresses=base, max_network_retries=2)

        yield make


def test_a_form_and_a_list(make: Any, upstream: Upstream, value: str) -> None:
    with nothing_held(value) as held:
        client = make()
        made = client.v1.customers.create({"name": KEY})
        found = client.v1.customers.list({"limit": 1})
        held += [client, made, found]
    # A text is a text: the name of the customer is what was said.
    assert made.name == KEY
    assert [one.id for one in found.data] == ["cus_1"]
    arrived(upstream, value, "authorization", times=2)


def test_an_upload(make: Any, upstream: Upstream, value: str, tmp_path: Path) -> None:
    path = upload(tmp_path)
    with nothing_held(value) as held, path.open("rb") as file:
        held.append(make().v1.files.create({"purpose": "dispute_evidence", "file": file}))
    (got,) = arrived(upstream, value, "authorization")
    assert path.read_bytes() in got.body


@pytest.mark.parametrize("status", [409, 500])
def test_its_own_retries(make: Any, upstream: Upstream, value: str, status: int) -> None:
    assert make(f"{status}x1-stripe").v1.customers.create({"name": "a"}).id == "cus_1"
    arrived(upstream, value, "authorization", times=2)


def test_an_error_shows_no_key(make: Any, value: str) -> None:
    with pytest.raises(stripe.AuthenticationError) as refused:
        make("401").v1.customers.list()
    assert "[REDACTED:STRIPE_KEY]" in str(refused.value)
    with nothing_held(value, refused.value, refused.value.http_body, refused.value.json_body):
        assert value not in repr(refused.value)


def test_another_base_address_is_refused_once(make: Any, broker: AgentSecrets, vendor_keys: World) -> None:
    before = len(broker.logs(outcome="denied"))
    with pytest.raises(stripe.APIConnectionError) as refused:
        make(origin="https://attacker.example").v1.customers.list()
    assert isinstance(refused.value.__cause__, DestinationNotAllowed)
    assert "destination_not_allowed" in str(refused.value)
    assert "agentsecrets allow STRIPE_KEY attacker.example" in str(refused.value)
    assert len(broker.logs(outcome="denied")) == before + 1
