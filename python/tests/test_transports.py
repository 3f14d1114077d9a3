"""What holds for every transport: none needs its library to be named, and none leads to a value."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from agentsecrets import AgentSecrets, AsyncAgentSecrets, DestinationNotAllowed, transports
from agentsecrets.testing import assert_no_leak
from agentsecrets.transports._exchange import refusal
from world import World

WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"httpx", "httpx2", "requests", "urllib3", "aiohttp"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from agentsecrets.transports import *
for kind in (AiohttpConnector, AsyncHttpxTransport, HttpxTransport, RequestsAdapter, Urllib3PoolManager):
    try:
        kind()
    except ModuleNotFoundError as error:
        print(error)
"""


def test_without_the_libraries() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == [
        "AiohttpConnector needs aiohttp: pip install aiohttp",
        "AsyncHttpxTransport needs httpx: pip install httpx",
        "HttpxTransport needs httpx: pip install httpx",
        "RequestsAdapter needs urllib3: pip install requests",
        "Urllib3PoolManager needs urllib3: pip install urllib3",
    ]


def test_naming_the_module_imports_no_library() -> None:
    libraries = "{'httpx', 'httpx2', 'requests', 'urllib3', 'aiohttp'}"
    code = f"import sys, agentsecrets.transports as made; dir(made); print({libraries} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"
    with pytest.raises(AttributeError, match="NoSuch"):
        transports.NoSuch  # noqa: B018


async def test_no_transport_leads_to_a_value(broker: AgentSecrets, aclient: AsyncAgentSecrets, world: World) -> None:
    connector = transports.AiohttpConnector(aclient)
    made = (
        transports.HttpxTransport(broker),
        transports.AsyncHttpxTransport(aclient),
        transports.RequestsAdapter(broker),
        transports.Urllib3PoolManager(broker),
        connector,
    )
    for one in made:
        for value in world.values.values():
            assert_no_leak(one, value.partition(":")[2] or value)
    await connector.close()


def test_a_refusal_stays_what_it_is() -> None:
    plain = DestinationNotAllowed("no", hint="agentsecrets allow A b")
    told = refusal(plain, OSError)
    assert isinstance(told, OSError)
    assert isinstance(told, DestinationNotAllowed)
    assert (told.code, told.hint, told.stage, str(told)) == (plain.code, plain.hint, plain.stage, str(plain))
    again = pickle.loads(pickle.dumps(told))
    assert type(again) is DestinationNotAllowed
    assert again.hint == plain.hint
