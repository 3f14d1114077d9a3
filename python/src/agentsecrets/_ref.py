"""The name of a secret, where a value would stand."""

from __future__ import annotations

from . import _native


class SecretRef(str):
    """A reference to a secret: its name, perhaps its scope, perhaps the text around its value.

    ``SecretRef("NAME")``, ``SecretRef("PROJECT/ENVIRONMENT/NAME")`` or
    ``SecretRef("agentsecrets://WORKSPACE/PROJECT/ENVIRONMENT/NAME")``. It is the text it was made
    of: frozen, hashable, picklable, and itself in JSON. Nothing leads from it to a value.

    Raises:
        InvalidCall: The text is no reference. The message never repeats it.
    """

    __slots__ = ("_pattern",)
    _pattern: str | None

    def __new__(cls, text: str) -> SecretRef:  # noqa: PYI034  # The same for a subclass would need its own `format`.
        """Parse a reference."""
        return cls._of(text, getattr(text, "_pattern", None))

    @classmethod
    def _of(cls, text: str, pattern: str | None) -> SecretRef:
        _native.parse_reference(text, pattern)
        self = str.__new__(cls, text)
        object.__setattr__(self, "_pattern", pattern)
        return self

    # A name has no blanks to fill in, so the method of `str` is free for the text around the value.
    def format(self, pattern: str) -> SecretRef:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the same secret with text around its value.

        Args:
            pattern: A text with exactly one ``{}``, as in ``"Bot {}"``.

        Raises:
            InvalidCall: The pattern has no ``{}``, or more than one.
        """
        return self._of(self, pattern)

    @property
    def name(self) -> str:
        """The bare name, without scope."""
        return _native.parse_reference(self)[0]

    @property
    def pattern(self) -> str | None:
        """The text around the value, with ``{}`` in its place."""
        return self._pattern

    @property
    def placeholder(self) -> str:
        """``AS_SECRET_`` and the name: stands for the secret where a library wants a string.

        Raises:
            InvalidCall: The reference is scoped.
        """
        return _native.placeholder(self)

    def placeholder_like(self, beginning: str) -> str:
        """Return a placeholder that begins like the vendor's keys do, for libraries that check.

        Args:
            beginning: What such a key begins with, as in ``"sk-"``: 1 to 64 printable ASCII characters.

        Raises:
            InvalidCall: The beginning is something else, or the reference is scoped.
        """
        return _native.placeholder(self, beginning)

    def __setattr__(self, name: str, _value: object) -> None:
        raise AttributeError(f"a SecretRef is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a SecretRef is frozen: {name} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if self._pattern != getattr(other, "_pattern", None):
            return False
        return str.__eq__(self, other) is True

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return str.__hash__(self)

    def __str__(self) -> str:
        return str.__str__(self)

    def __repr__(self) -> str:
        text = f"SecretRef({str.__repr__(self)})"
        return text if self._pattern is None else f"{text}.format({self._pattern!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore, (str(self), self._pattern))

    def __reduce_ex__(self, _protocol: object) -> tuple[object, ...]:
        return self.__reduce__()

    def __copy__(self) -> SecretRef:
        return self

    def __deepcopy__(self, _memo: object) -> SecretRef:
        return self


def _restore(text: str, pattern: str | None) -> SecretRef:
    reference = SecretRef(text)
    return reference if pattern is None else reference.format(pattern)
