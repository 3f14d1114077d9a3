"""Values that exist nowhere else, in the shapes of many vendors, and the search for them in every form."""

from __future__ import annotations

import base64
import html
import json
import secrets
import string
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

_ALNUM = string.ascii_letters + string.digits
_URL = _ALNUM + "-_"
_SYMBOLS = "\"'\\&<>%+/=?#;:@!$*()[]{}|^~ "


def _some(alphabet: str, count: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(count))


@dataclass(frozen=True)
class Canary:
    """A value, and those parts of it that are secret and random."""

    name: str
    value: bytes
    parts: tuple[bytes, ...]

    @property
    def is_basic(self) -> bool:
        return self.name.startswith("BASIC")

    @property
    def is_one_line(self) -> bool:
        return b"\n" not in self.value


def plain(name: str = "TOKEN", length: int = 40) -> Canary:
    value = _some(_ALNUM, length).encode()
    return Canary(name, value, (value,))


def keyed(name: str = "TOKEN") -> Canary:
    """One that whoever does not know it can still find by its shape: `sk_live_` and 48 letters and digits."""
    return _whole(name, "sk_live_", _ALNUM, 48)


def _whole(name: str, prefix: str, alphabet: str, count: int) -> Canary:
    tail = _some(alphabet, count)
    return Canary(name, (prefix + tail).encode(), (tail.encode(),))


def _segment(count: int) -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(count)).rstrip(b"=").decode()


def _pem() -> tuple[str, tuple[bytes, ...]]:
    text = base64.b64encode(secrets.token_bytes(1190)).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    kind = "PRIVATE KEY"
    pem = f"-----BEGIN {kind}-----\n" + "\n".join(lines) + f"\n-----END {kind}-----\n"
    return pem, tuple(lines[at].encode() for at in (0, len(lines) // 2, -2))


def vendors() -> list[Canary]:
    """One canary of each shape."""
    user_password = _some(_ALNUM, 24)
    jwt = ".".join([_segment(27), _segment(120), _segment(32)])
    odd = _some(_ALNUM, 6) + "+/" + _some(_ALNUM + "+/", 33) + "+/="
    unicode = "".join(secrets.choice("äöüßéøłжщ日本語🔑λπ") for _ in range(8)) + _some(_ALNUM, 16)
    hostile = "".join(a + b for a, b in zip(_some(_ALNUM, 24), _some(_SYMBOLS.strip(), 24), strict=True))
    identity = str(uuid.uuid4())
    pem, lines = _pem()
    key_id, (other_pem, other_lines) = secrets.token_hex(20), _pem()
    account = json.dumps({"type": "service_account", "private_key_id": key_id, "private_key": other_pem}, indent=2)
    account_parts = (key_id.encode(), *other_lines)
    database = _some(_ALNUM, 28)
    return [
        keyed("STRIPE"),
        _whole("OPENAI", "sk-proj-", _URL, 96),
        _whole("ANTHROPIC", "sk-ant-api03-", _URL, 93),
        _whole("GITHUB", "ghp_", _ALNUM, 36),
        _whole("GITHUB_FINE", "github_pat_", _ALNUM + "_", 82),
        _whole("GITLAB", "glpat-", _URL, 20),
        _whole("AWS_ID", "AKIA", string.ascii_uppercase + "234567", 16),
        _whole("AWS_SECRET", "", _ALNUM + "+/", 40),
        _whole("SLACK", f"xoxb-{_some(string.digits, 12)}-", _ALNUM, 24),
        Canary("SENDGRID", (value := f"SG.{_segment(16)}.{_segment(32)}").encode(), (value[3:].encode(),)),
        _whole("GOOGLE", "AIza", _URL, 35),
        _whole("HUGGING", "hf_", _ALNUM, 34),
        _whole("NPM", "npm_", _ALNUM, 36),
        _whole("TWILIO", "", "0123456789abcdef", 32),
        Canary("JWT", jwt.encode(), tuple(part.encode() for part in jwt.split("."))),
        Canary("UUID", identity.encode(), (identity.encode(),)),
        Canary("ODD_BASE64", odd.encode(), (odd.encode(),)),
        Canary("BASIC", f"someone:{user_password}".encode(), (user_password.encode(),)),
        Canary("UNICODE", unicode.encode(), (unicode.encode(),)),
        Canary("HOSTILE", hostile.encode(), (hostile.encode(),)),
        Canary("DATABASE", f"postgres://app:{database}@db/x?sslmode=require".encode(), (database.encode(),)),
        Canary("PEM", pem.encode(), lines),
        Canary("ACCOUNT", account.encode(), account_parts),
    ]


def forms(value: bytes) -> dict[bytes, str]:
    """A value in every form it could leave in, and what each is called."""
    found = {value: "raw", value.hex().encode(): "hex", value.hex().upper().encode(): "hex"}
    found |= dict.fromkeys(_base64(value), "base64")
    for kind, pattern in (
        ("percent", "%{:02X}"), ("percent", "%{:02x}"), ("escaped bytes", "\\x{:02x}"), ("html", "&#{};"), ("html", "&#x{:x};"),
    ):  # fmt: skip
        found["".join(pattern.format(byte) for byte in value).encode()] = kind
    found.setdefault(repr(value)[2:-1].encode(), "repr")
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return found
    for kind, form in (
        ("utf-16", text.encode("utf-16-le")), ("utf-16", text.encode("utf-16-be")),
        ("percent", quote(text, safe="").encode()), ("percent", quote(text).encode()), ("percent", quote_plus(text).encode()),
        ("json", json.dumps(text)[1:-1].encode()), ("json", json.dumps(text, ensure_ascii=False)[1:-1].encode()),
        ("json", "".join(f"\\u{ord(c):04x}" for c in text).encode()), ("repr", repr(text)[1:-1].encode()),
        ("html", html.escape(text).encode()), ("latin-1 as utf-8", value.decode("latin-1").encode()),
        ("latin-1 as json", json.dumps(value.decode("latin-1"))[1:-1].encode()),
    ):  # fmt: skip
        found.setdefault(form, kind)
    return {form: kind for form, kind in found.items() if len(form) >= 12}


def _base64(value: bytes) -> set[bytes]:
    """The base64 of a value at each of the three places it can have in a longer text, without what its neighbours say."""
    found = set()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + value)
        first = (0, 2, 3)[before]
        last = len(encoded.rstrip(b"=")) - (0 if (before + len(value)) % 3 == 0 else 1)
        core = encoded[first:last]
        found |= {core, core.translate(bytes.maketrans(b"+/", b"-_")), quote(core.decode(), safe="").encode()}
    return found


class Search:
    """Looks for canaries in every form, for long pieces of them, and for a sentinel that must be there."""

    def __init__(self, canaries: Iterable[Canary], pieces: bool = True) -> None:
        self._needles: dict[bytes, tuple[str, str]] = {}
        for canary in canaries:
            for part in canary.parts:
                self._add(forms(part), canary.name)
                if pieces and len(part) >= 24:
                    middle = len(part) // 2
                    for piece in (part[:20], part[middle - 10 : middle + 10], part[-20:]):
                        kinds = {form: "piece in base64" for form in _base64(piece)}
                        self._add(kinds | {piece: "piece", piece.hex().encode(): "piece in hex"}, canary.name)

    def _add(self, found: dict[bytes, str], name: str) -> None:
        self._needles.update((form, (name, kind)) for form, kind in found.items())

    @property
    def by_needle(self) -> dict[bytes, tuple[str, str]]:
        """Each needle, with the name of its canary and its form."""
        return dict(self._needles)

    @property
    def needles(self) -> list[bytes]:
        return list(self._needles)

    def named(self, data: bytes) -> set[str]:
        """The names of what is found."""
        return {name for name, _ in self.told(data)}

    def told(self, data: bytes) -> set[tuple[str, str]]:
        """The names of what is found, and in which form."""
        return {name for needle, name in self._needles.items() if needle in data}

    def names(self, found: Iterable[int]) -> set[str]:
        """The names of needles by their number."""
        told = list(self._needles.values())
        return {told[number][0] for number in found}


class Scan:
    """Places that were searched. It counts only where the sentinel planted in it is found too."""

    def __init__(self, search: Search, what: str) -> None:
        self.search = search
        self.what = what
        self.sentinel = f"sentinel{secrets.token_hex(16)}".encode()
        self._saw_sentinel = False
        self._found: dict[str, set[str]] = {}
        self.places = 0
        self.bytes = 0

    def look(self, place: str, data: bytes) -> None:
        self.places += 1
        self.bytes += len(data)
        self._saw_sentinel |= self.sentinel in data
        if names := self.search.told(data):
            self._found[place] = {f"{name} ({kind})" for name, kind in names}

    def verdict(self) -> str:
        """Fail where a canary was found, or where the sentinel was not."""
        if self._found:
            told = "; ".join(f"{place}: {', '.join(sorted(names))}" for place, names in list(self._found.items())[:12])
            raise AssertionError(f"in {self.what} a value was found ({told})")
        if not self._saw_sentinel:
            raise AssertionError(f"in {self.what} the sentinel was not found: the search does not search")
        return f"{self.places} places, {self.bytes / 1e6:.1f} MB"
