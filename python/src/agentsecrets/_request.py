"""What a caller says, as the native half takes it."""

from __future__ import annotations

import os

from . import _native
from ._ref import SecretRef

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
    from typing import NoReturn

    from typing_extensions import Unpack

    from .types import CallOptions, File, Pairs, Secret, Source

    Injection = tuple[str, str, str, str | None]
    Part = tuple[str, str | None, str | None, bytes | None, int | None]

CHUNK = 64 << 10
"""How much of a file is read at a time, in bytes."""


class Prepared:
    """A checked call, and what makes the pieces of its streamed parts."""

    __slots__ = ("request", "sources")

    def __init__(self, request: _native.Request, sources: list[Source]) -> None:
        self.request = request
        self.sources = sources

    def iterators(self) -> list[Iterable[bytes]]:
        """Return the sources as iterators of bytes.

        Raises:
            InvalidCall: One of them is asynchronous.
        """
        return [pieces(source) for source in self.sources]


def prepare(url: str, method: str, options: CallOptions) -> Prepared:
    """Check a call.

    Raises:
        InvalidCall: It contradicts itself or cannot be parsed.
        TypeError: There is no such option.
    """
    return _prepare(url, method, **options)


def _prepare(
    url: str,
    method: str = "GET",
    *,
    bearer: Secret | None = None,
    basic: Secret | None = None,
    header: Mapping[str, Secret] | None = None,
    query: Mapping[str, Secret] | None = None,
    body_field: Mapping[str, Secret] | None = None,
    form_field: Mapping[str, Secret] | None = None,
    headers: Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]] | None = None,
    params: Pairs | None = None,
    body: object = None,
    form: Pairs | None = None,
    files: Mapping[str, File] | Iterable[tuple[str, File]] | None = None,
    timeout: float | None = None,
    max_response: int | None = None,
    retries: int = 0,
    project: str | None = None,
    environment: str | None = None,
) -> Prepared:
    injections: list[Injection] = []
    if bearer is not None:
        injections.append(("bearer", "", *_reference(bearer)))
    if basic is not None:
        injections.append(("basic", "", *_reference(basic)))
    for kind, places in (
        ("header", header),
        ("query", query),
        ("body_field", body_field),
        ("form_field", form_field),
    ):
        if places:
            injections.extend((kind, name, *_reference(said)) for name, said in _pairs(places, kind))
    if body is not None and (form is not None or files is not None):
        invalid("form and files exclude body", "say the body in one way")
    if retries < 0 or (max_response is not None and max_response < 0):
        invalid("retries and max_response are not negative")
    sources: list[Source] = []
    kind, content, length = _body(body, form, files, sources)
    request = _native.Request(
        method,
        str(url),
        [] if headers is None else [_plain_header(pair) for pair in _pairs(headers, "headers")],
        [] if params is None else _fields(params, "params"),
        injections,
        kind,
        content,
        length,
        timeout,
        max_response,
        retries,
        project,
        environment,
    )
    return Prepared(request, sources)


def invalid(message: str, hint: str | None = None) -> NoReturn:
    """Raise ``InvalidCall``."""
    from .errors import InvalidCall

    raise InvalidCall(message, hint=hint)


def _reference(said: object) -> tuple[str, str | None]:
    if isinstance(said, SecretRef):
        return str(said), said.pattern
    if isinstance(said, str):
        return said, None
    return invalid("a secret is named by a str or a SecretRef")


def _pairs(said: object, what: str) -> list[tuple[str, object]]:
    try:
        found = [(name, value) for name, value in _items(said)]
    except (TypeError, ValueError):
        invalid(f"{what} is a mapping, or names and values in pairs")
    if not all(isinstance(name, str) for name, _ in found):
        invalid(f"the names in {what} are str")
    return found


def _items(said: object) -> Iterable[tuple[str, object]]:
    items = getattr(said, "items", None)
    return items() if items is not None else said  # type: ignore[no-any-return, return-value]


def _plain_header(pair: tuple[str, object]) -> tuple[str, bytes]:
    name, value = pair
    if isinstance(value, SecretRef):
        invalid(f"the plain header {name} has a SecretRef", 'header={"NAME": SecretRef(...)}')
    if isinstance(value, str):
        return name, value.encode()
    if isinstance(value, bytes):
        return name, value
    return invalid(f"the value of header {name} is neither str nor bytes")


def _fields(said: object, what: str) -> list[tuple[str, str]]:
    """Plain names and values; a list gives its name as often, and ``None`` leaves it out."""
    found: list[tuple[str, str]] = []
    for name, value in _pairs(said, what):
        values: Iterable[object] = value if isinstance(value, (list, tuple)) else (value,)
        found.extend((name, _text(item, what)) for item in values if item is not None)
    return found


def _text(value: object, what: str) -> str:
    if isinstance(value, SecretRef):
        style = "query" if what == "params" else "form_field"
        return invalid(f"{what} has a SecretRef", f'{style}={{"NAME": SecretRef(...)}}')
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return invalid(f"a value in {what} is neither str, number nor bool")


def _body(
    body: object, form: object, files: object, sources: list[Source]
) -> tuple[str, bytes | list[tuple[str, str]] | list[Part] | None, int | None]:
    if files is not None:
        fields: list[Part] = [
            (name, None, None, value.encode(), None)
            for name, value in ([] if form is None else _fields(form, "form"))
        ]
        return "multipart", fields + [_part(*pair, sources) for pair in _pairs(files, "files")], None
    if form is not None:
        return "form", _fields(form, "form"), None
    if body is None:
        return "empty", None, None
    if isinstance(body, SecretRef):
        invalid("the body is a SecretRef", 'body_field={"PATH": SecretRef(...)}')
    if isinstance(body, str):
        return "plain", body.encode(), None
    if isinstance(body, (bytes, bytearray, memoryview)):
        return "plain", bytes(body), None
    if isinstance(body, (dict, list)):
        return "json", _json(body), None  # pyright: ignore[reportUnknownArgumentType]
    if hasattr(body, "read") or hasattr(body, "__iter__") or hasattr(body, "__aiter__"):
        sources.append(body)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        return "stream", None, _length(body)
    return invalid("a body is bytes, str, dict, list, a file or an iterator of bytes")


def _json(body: object) -> bytes:
    import json

    try:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as why:
        # The text of the cause names a type or NaN, but `from` would keep the body alive.
        reason = type(why).__name__
    return invalid(f"the body cannot be written as JSON ({reason})")


def _part(name: str, said: object, sources: list[Source]) -> Part:
    file_name: str | None = None
    content_type: str | None = None
    content: object = said
    if isinstance(said, tuple):
        parts: tuple[object, ...] = said  # pyright: ignore[reportUnknownVariableType]
        if len(parts) not in (2, 3) or not all(p is None or isinstance(p, str) for p in (parts[0], *parts[2:])):
            invalid("a file is bytes, a file object, or (filename, content[, content_type])")
        file_name, content = parts[0], parts[1]  # type: ignore[assignment]
        content_type = parts[2] if len(parts) == 3 else None  # type: ignore[assignment]
    elif isinstance(given := getattr(said, "name", None), str):
        file_name = os.path.basename(given)
    else:
        file_name = name
    if isinstance(content, str):
        return name, file_name, content_type, content.encode(), None
    if isinstance(content, (bytes, bytearray, memoryview)):
        return name, file_name, content_type, bytes(content), None
    if hasattr(content, "read") or hasattr(content, "__iter__") or hasattr(content, "__aiter__"):
        sources.append(content)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        return name, file_name, content_type, None, _length(content)
    return invalid("a file is bytes, a file object, or (filename, content[, content_type])")


def _length(source: object) -> int | None:
    """How many bytes a file still has; ``None`` where only reading it tells."""
    try:
        at = source.tell()  # type: ignore[attr-defined]
        length: int = source.seek(0, os.SEEK_END) - at  # type: ignore[attr-defined]
        source.seek(at)  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError, TypeError):
        return None
    return length if length >= 0 else None


def pieces(source: Source) -> Iterator[bytes]:
    """Return the pieces of a file or iterable.

    Raises:
        InvalidCall: The source is asynchronous, or gives something else than bytes.
    """
    if hasattr(source, "read"):
        return _read(source)
    if hasattr(source, "__iter__"):
        return (piece_of(piece) for piece in source)
    return invalid("an asynchronous body needs AsyncAgentSecrets")


def _read(file: object) -> Iterator[bytes]:
    while piece := piece_of(file.read(CHUNK)):  # type: ignore[attr-defined]
        yield piece


def piece_of(piece: object) -> bytes:
    """Check one piece of a streamed body."""
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, (bytearray, memoryview)):
        return bytes(piece)
    return invalid("a streamed body gives bytes", "open files in binary mode, encode texts")


if TYPE_CHECKING:
    _ = (AsyncIterable, Unpack)
