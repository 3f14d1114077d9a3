"""An agent in Python that makes a plan's calls in every way and shows everything it holds of them."""

from __future__ import annotations

import asyncio
import gc
import json
import pickle
import sys
import traceback

from agentsecrets import AgentSecrets, AgentSecretsError, AsyncAgentSecrets

plan = json.loads(sys.stdin.readline())


class Planted:
    def __init__(self, text: str) -> None:
        self.text = text


kept: list[object] = [Planted(plan["sentinel"])]
shown: set[str] = set()
outcomes: dict[str, int] = {}


def note(outcome: object) -> None:
    outcomes[str(outcome)] = outcomes.get(str(outcome), 0) + 1


def failed(error: AgentSecretsError) -> None:
    note(error.code)
    kept.append(error)
    shown.add("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))
    shown.add(repr((error.args, error.code, error.hint, str(error))))


def answered(answer: object, text: str) -> None:
    note("answered")
    kept.append(answer)
    shown.add(text)
    shown.add(text.encode("latin-1").decode(errors="replace"))
    shown.add(repr(list(answer.headers.items())))  # type: ignore[attr-defined]
    for name in ("reason", "trailers", "url", "redacted"):
        shown.add(repr(getattr(answer, name, None)))


def arguments(call: dict) -> tuple[str, dict]:
    return call["url"], {name: value for name, value in call.items() if name != "url"}


def in_turn(client: AgentSecrets) -> None:
    for at, call in enumerate(plan["calls"]):
        url, said = arguments(call)
        try:
            if at % 3 == 2:
                with client.stream(url, **said) as stream:
                    body = b"".join(stream.iter_bytes())
                    answered(stream, body.decode("latin-1"))
            else:
                answer = client.call(url, **said)
                answered(answer, answer.content.decode("latin-1"))
                try:
                    answer.raise_for_status()
                except AgentSecretsError as error:
                    failed(error)
        except AgentSecretsError as error:
            failed(error)


async def at_once(client: AsyncAgentSecrets) -> None:
    gate = asyncio.Semaphore(8)

    async def one(call: dict) -> None:
        url, said = arguments(call)
        async with gate:
            try:
                answer = await client.call(url, **said)
                answered(answer, answer.content.decode("latin-1"))
            except AgentSecretsError as error:
                failed(error)

    await asyncio.gather(*(one(call) for call in plan["calls"]))


def show(thing: object) -> None:
    ways = (
        repr, str, dir, vars, pickle.dumps, json.dumps, format,
        lambda it: json.dumps(it, default=repr),
        lambda it: json.dumps(it, default=vars),
        lambda it: [getattr(it, name, None) for name in dir(it) if not name.startswith("__")],
    )  # fmt: skip
    for way in ways:
        try:
            told = way(thing)
        except Exception as why:  # noqa: BLE001 - what it refuses with is shown too
            told = repr(why)
        shown.add(told if isinstance(told, str) else told.decode("latin-1") if isinstance(told, bytes) else repr(told))


def collected() -> set[str]:
    """Every text that the collector knows or that one of its objects leads to; those of modules and code included."""
    found: set[str] = set()
    for thing in gc.get_objects():
        for text in (thing, *gc.get_referents(thing)):
            if isinstance(text, str):
                found.add(text)
            elif isinstance(text, (bytes, bytearray)):
                found.add(bytes(text).decode("latin-1"))
    return found


with AgentSecrets(home=plan["home"], project="demo") as client:
    in_turn(client)
    kept += [client, client.secrets.list(), client.status(), client.logs(last=500), client.grants()]
    for thing in kept:
        for one in thing if isinstance(thing, list) else [thing]:
            show(one)


async def second() -> None:
    async with AsyncAgentSecrets(home=plan["home"], project="demo") as client:
        await at_once(client)
        show(client)


asyncio.run(second())
for thing in kept:
    show(thing)
with open(plan["shown"], "w", encoding="utf-8", errors="surrogatepass") as file:
    file.write("\n".join(sorted(shown)))
texts = collected()
with open(plan["collected"], "w", encoding="utf-8", errors="surrogatepass") as file:
    file.write("\n".join(texts))
print(json.dumps(outcomes))
