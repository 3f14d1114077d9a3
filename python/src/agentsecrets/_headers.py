"""Headers: one name in any case, and every value it came with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping


class Headers(Mapping[str, str]):
    """A read-only, case-insensitive mapping of header names to values.

    A name that came more than once gives its values joined by ``", "`` (RFC 9110, section 5.3);
    ``get_list`` keeps them apart, which ``Set-Cookie`` needs.
    """

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name.lower(), []).append(value)

    def get_list(self, name: str) -> list[str]:
        """Return every value of a name, in the order they came; none gives an empty list."""
        return list(self._values.get(name.lower(), ()))

    def multi_items(self) -> list[tuple[str, str]]:
        """Return every name and value, a name as often as it came."""
        return [(name, value) for name, values in self._values.items() for value in values]

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._values[name.lower()])

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({self.multi_items()!r})"
