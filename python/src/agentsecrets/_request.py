"""What a caller says, as the native half takes it."""

from __future__ import annotations

import os

from . import _native
from ._ref import SecretRef

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
    from typing import NoReturn, cast

    from .types import CallOptions, Files, Pairs, Secret, Source

    Injection = tuple[str, str, str, str | None]
    Part = tuple[str, str | None, str | None, bytes | None, int | None]

else:

    def cast(_kind: object, value: object) -> object:
        """Do nothing: the real one would cost the import of `typing`."""
        return value


CHUNK = 64 << 10
"""How much of a file is read at a time, in bytes."""


class Measured:
    """Pieces whose sum is known beforehand, in bytes: they are sent with their length."""

    __slots__ = ("_pieces", "length")

    def __init__(self, pieces: Iterable[bytes] | AsyncIterable[bytes], length: int) -> None:
        self._pieces = pieces
        self.length = length

    def __iter__(self) -> Iterator[bytes]:
        return iter(cast("Iterable[bytes]", self._pieces))


class AsyncMeasured(Measured):
    """The same of an asynchronous iterable."""

    __slots__ = ()

    # Both are there for the type; `pieces` takes the asynchronous one.
    def __aiter__(self) -> AsyncIterator[bytes]:
        return cast("AsyncIterable[bytes]", self._pieces).__aiter__()


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
    files: Files | None = None,
    timeout: float | None = None,
    max_response: int | None = None,
    retries: int = 0,
    follow_redirects: bool = True,
    placeholders: bool = False,
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
        follow_redirects,
        placeholders,
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
    return cast("list[tuple[str, object]]", found)


def _items(said: object) -> Iterable[tuple[object, object]]:
    items: Callable[[], Iterable[tuple[object, object]]] | None = getattr(said, "items", None)
    return cast("Iterable[tuple[object, object]]", said) if items is None else items()


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
        values = cast("list[object]", value) if isinstance(value, (list, tuple)) else [value]
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
            (name, None, None, value.encode(), None) for name, value in ([] if form is None else _fields(form, "form"))
        ]
        return (
            "multipart",
            fields + [_part(*pair, sources) for pair in _pairs(files, "files")],
            None,
        )
    if form is not None:
        return "form", _fields(form, "form"), None
    if body is None:
        return "empty", None, None
    if isinstance(body, SecretRef):
        invalid("the body is a SecretRef", 'body_field={"PATH": SecretRef(...)}')
    if isinstance(body, str):
        return "plain", body.encode(), None
    if (at_hand := _bytes(body)) is not None:
        return "plain", at_hand, None
    if isinstance(body, (dict, list)):
        return "json", _json(cast("object", body)), None
    if _is_source(body):
        sources.append(cast("Source", body))
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
    file_name, content, content_type = _named(name, said)
    at_hand = content.encode() if isinstance(content, str) else _bytes(content)
    if at_hand is not None:
        return name, file_name, content_type, at_hand, None
    if _is_source(content):
        sources.append(cast("Source", content))
        return name, file_name, content_type, None, _length(content)
    return invalid(_FILE)


_FILE = "a file is bytes, a file object, or (filename, content[, content_type])"


def _named(name: str, said: object) -> tuple[str | None, object, str | None]:
    """File name, content and content type; a file object knows its name, bytes take the field's."""
    if not isinstance(said, tuple):
        given: object = getattr(said, "name", None)
        return (os.path.basename(given) if isinstance(given, str) else name), said, None
    parts = cast("tuple[object, ...]", said)
    if len(parts) not in (2, 3):
        invalid(_FILE)
    file_name, content, content_type = (*parts, None)[:3]
    if not isinstance(file_name, (str, type(None))) or not isinstance(content_type, (str, type(None))):
        invalid(_FILE)
    return file_name, content, content_type


def _bytes(said: object) -> bytes | None:
    if isinstance(said, bytes):
        return said
    return bytes(cast("bytearray", said)) if isinstance(said, (bytearray, memoryview)) else None


def _is_source(said: object) -> bool:
    return any(hasattr(said, name) for name in ("read", "__iter__", "__aiter__"))


def _length(source: object) -> int | None:
    """How many bytes a file still has; ``None`` where only reading it tells."""
    if isinstance(source, Measured):
        return source.length
    tell: Callable[[], int] | None = getattr(source, "tell", None)
    seek: Callable[[int, int], int] | None = getattr(source, "seek", None)
    if tell is None or seek is None:
        return None
    try:
        at = tell()
        length = seek(0, os.SEEK_END) - at
        seek(at, os.SEEK_SET)
    except (OSError, ValueError):
        return None
    return max(length, 0)


def pieces(source: Source) -> Iterator[bytes]:
    """Return the pieces of a file or iterable.

    Raises:
        InvalidCall: The source is asynchronous, or gives something else than bytes.
    """
    read: Callable[[int], object] | None = getattr(source, "read", None)
    if read is not None:
        return _read(read)
    if not hasattr(source, "__iter__"):
        invalid("an asynchronous body needs AsyncAgentSecrets")
    return (piece_of(piece) for piece in cast("Iterable[object]", source))


def _read(read: Callable[[int], object]) -> Iterator[bytes]:
    while piece := piece_of(read(CHUNK)):
        yield piece


def piece_of(piece: object) -> bytes:
    """Check one piece of a streamed body."""
    found = _bytes(piece)
    if found is None:
        invalid("a streamed body gives bytes", "open files in binary mode, encode texts")
    return found
