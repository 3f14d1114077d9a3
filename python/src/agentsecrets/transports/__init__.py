"""Transports that let libraries make their calls through AgentSecrets, unmodified.

Hand the library a placeholder where it wants a key, and one of these where it takes a transport::

    key = SecretRef("OPENAI_KEY").placeholder
    openai.OpenAI(api_key=key, http_client=httpx2.Client(transport=HttpxTransport()))

- ``HttpxTransport``, ``AsyncHttpxTransport``: for httpx and httpx2, and what is built on them.
- ``RequestsAdapter``: for requests, and what takes a session of it.
- ``Urllib3PoolManager``: for urllib3 alone.
- ``AiohttpConnector``: for aiohttp.

Each takes a client, or the options to make one of, which it then closes. A call without a placeholder is refused
(``nothing_to_inject``) unless the workspace allowlist names its origin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._aiohttp import AiohttpConnector
    from ._httpx import AsyncHttpxTransport, HttpxTransport
    from ._requests import RequestsAdapter
    from ._urllib3 import Urllib3PoolManager

# Where each is, and what to install for it.
_MODULES = {
    "AiohttpConnector": ("_aiohttp", "aiohttp"),
    "AsyncHttpxTransport": ("_httpx", "httpx"),
    "HttpxTransport": ("_httpx", "httpx"),
    "RequestsAdapter": ("_requests", "requests"),
    "Urllib3PoolManager": ("_urllib3", "urllib3"),
}


def __getattr__(name: str) -> object:
    # A library is imported when its transport is named; one that is missing is told of when the transport is made, so
    # that one line may import them all.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, library = _MODULES[name]
    try:
        value: object = getattr(import_module(f".{module}", __name__), name)
    except ModuleNotFoundError as missing:
        return _absent(name, f"{name} needs {missing.name}: pip install {library}")
    globals()[name] = value
    return value


def _absent(name: str, said: str) -> type:
    """Return a class that says what to install when it is used."""

    def refuse(*_: object, **__: object) -> None:
        raise ModuleNotFoundError(said)

    return type(name, (), {"__new__": refuse, "__doc__": said, "__module__": __name__})


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = ["AiohttpConnector", "AsyncHttpxTransport", "HttpxTransport", "RequestsAdapter", "Urllib3PoolManager"]
