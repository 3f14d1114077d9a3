"""Looks for a value wherever an object leads: how a test proves that there is none."""

from __future__ import annotations

import base64
import gc
import pickle
import types
from collections.abc import Iterator

_LIMIT = 200_000


def assert_no_leak(obj: object, value: str | bytes) -> None:
    """Fail where a value is found.

    Args:
        obj: Where to start; everything it leads to is searched.
        value: What must not be there, 8 bytes at least.

    Raises:
        AssertionError: The value was found. The message says where, and never repeats it.
    """
    found = find_leaks(obj, value)
    if found:
        raise AssertionError(f"the value was found in {', '.join(found)}")


def find_leaks(obj: object, value: str | bytes) -> list[str]:
    """Return where a value is found: in what an object shows of itself, or in what it leads to.

    Looked for are the value itself, its base64 and its hex; looked at are ``repr``, ``str``,
    ``vars``, ``dir``, ``pickle``, and every object the garbage collector reaches, modules excepted.
    """
    raw = value.encode() if isinstance(value, str) else value
    if len(raw) < 8:
        raise ValueError("a value of less than 8 bytes is found by chance")
    encoded = base64.b64encode(raw).rstrip(b"=")[:-1]
    needles = (raw, encoded, encoded.translate(bytes.maketrans(b"+/", b"-_")), raw.hex().encode())
    found: list[str] = []
    for where, shown in _shown(obj):
        if any(needle in shown for needle in needles):
            found.append(where)
    reached = (text for text in _reached(obj, value) if any(needle in _bytes(text) for needle in needles))
    return found + [f"a {type(text).__name__} it leads to" for text in reached]


def _shown(obj: object) -> Iterator[tuple[str, bytes]]:
    for show in (repr, str, dir, vars, pickle.dumps):
        try:
            shown = show(obj)
        except Exception:  # noqa: S112  # What an object refuses to show, it does not leak.
            continue
        yield show.__name__, shown if isinstance(shown, bytes) else repr(shown).encode()


def _bytes(obj: object) -> bytes:
    if isinstance(obj, str):
        return obj.encode("utf-8", "surrogatepass")
    return bytes(obj) if isinstance(obj, (bytes, bytearray)) else b""


def _reached(start: object, value: object) -> Iterator[object]:
    """Every text the collector reaches from an object, the caller's own value excepted."""
    seen: set[int] = {id(value)}
    todo = [start]
    while todo and len(seen) < _LIMIT:
        obj = todo.pop()
        if id(obj) in seen or isinstance(obj, (types.ModuleType, types.FrameType, type)):
            continue
        seen.add(id(obj))
        if isinstance(obj, (str, bytes, bytearray)):
            yield obj
        elif isinstance(obj, types.FunctionType):
            # A function's globals are its module, not what the object holds.
            todo.extend(obj.__closure__ or ())
        else:
            todo.extend(gc.get_referents(obj))
