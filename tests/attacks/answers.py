"""What an upstream, hostile or careless, sends back."""

from __future__ import annotations

import gzip
import secrets
from typing import Any

from ground import Ground, across
from kit.report import Suite, demand
from world import World

FORMS = (
    "raw", "base64", "base64-nopad", "base64url", "base64url-nopad", "base64-wrapped", "base64-wrapped-64", "base64-after-1",
    "base64-after-2", "hex", "hex-upper", "percent", "percent-lower", "percent-minimal", "json", "json-minimal", "html", "html-decimal",
    "html-minimal", "mixed", "percent,percent", "json,percent", "base64,percent",
)  # fmt: skip
CODINGS = ("gzip", "deflate", "br", "zstd", "upper", "stacked?codings=gzip,br", "stacked-headers", "members")
HIDDEN = ("unknown", "broken", "truncated", "trailing")


def add_to(suite: Suite) -> None:
    across(suite, "echo in every form", echo)
    across(suite, "echo in a disguise", disguise)
    across(suite, "`Range` cuts the echo", cut)
    across(suite, "planted with one key, read with another", planted)
    across(suite, "placeholder in the body", placeholder)


def echo(world: World, ground: Ground) -> bool:
    """`Ground.calls` looks through all that the agent is given, in every form."""
    ground.control()
    paths = [f"/echo/encoded?as={form}&prefix=%0Afrom:&suffix=:to%0A&header=1" for form in FORMS]
    paths += ["/echo", "/echo/header", "/set-cookie?name=a", "/trailers", "/status/500"]
    paths += ["/sse?events=3&echo=1", "/lines?n=3&echo=1"]
    paths += [f"/compress/{coding}" for coding in (*CODINGS, *HIDDEN)]
    made: list[dict[str, Any]] = [{"url": world.upstream.url(path), "bearer": "TOKEN"} for path in paths]
    made += [{"url": world.upstream.url(f"/split?every={every}&as={form}&prefix=a%20&suffix=%20b%0A"), "bearer": "TOKEN", "pieces": True}
             for every in (16, 23) for form in ("raw", "base64", "percent", "json")]  # fmt: skip
    made += [{"url": world.upstream.url("/echo/encoded?as=raw&in=header:X-Api-Key"), "header": {"X-Api-Key": "TOKEN"}}]
    outcomes = ground.calls(*made)
    for call, outcome in zip(made, outcomes, strict=True):
        withheld = any(f"/compress/{coding}" in call["url"] for coding in HIDDEN)
        came = (
            outcome["code"] in ("undecodable_response", "upstream_unreachable")
            if withheld
            else "[REDACTED:TOKEN]" in str(outcome)
        )
        demand(came, f"{ground.level}: {call['url']} came redacted, or not at all: {outcome['code'] or outcome['status']}")
    plainly = world.upstream.plainly("/echo/encoded?as=base64", {"Authorization": f"Bearer {ground.token.value.decode()}"})
    demand(ground.search.named(plainly), "control: a plain program is given the value, and the search finds it")
    return True


def disguise(world: World, ground: Ground) -> bool:
    """A granted host may say the value backwards, or packed and not called so: no scanner knows all that it may do."""
    paths = ("/echo/encoded?as=reversed&prefix=%0A&suffix=%0A", "/compress/unlabelled")
    made = [{"url": world.upstream.url(path), "bearer": "TOKEN"} for path in paths]
    backwards, packed = (outcome["text"].encode("latin-1") for outcome in ground.calls(*made))
    return ground.token.value[::-1] not in backwards and ground.token.value not in gzip.decompress(packed)


def cut(world: World, ground: Ground) -> bool:
    url = world.upstream.url("/range")
    world.upstream.forget()
    made = [{"url": url, "bearer": "TOKEN", "headers": {name: text}} for name, text in
            (("Range", "bytes=0-20"), ("Range", "bytes=21-60"), ("If-Range", "x"), ("range", "bytes=-20"))]  # fmt: skip
    ground.refused({"header_not_allowed"}, *made)
    demand(not world.upstream.received(), f"{ground.level}: no piece was asked for")
    own = {"Authorization": f"Bearer {ground.token.value.decode()}", "Range": "bytes=7-26"}
    piece = world.upstream.plainly("/range", own)
    demand(piece == ground.token.value[:20], "control: a plain program is given a piece that no search for the whole would find")
    return True


def planted(world: World, ground: Ground) -> bool:
    name = secrets.token_hex(8)
    plant, read = (world.upstream.url(path) for path in (f"/plant?name={name}", f"/echo/encoded?in=planted:{name}"))
    first, second = ground.calls({"url": plant, "method": "POST", "bearer": "PLANTED"}, {"url": read, "bearer": "TOKEN"})
    demand(first["status"] == 200 and second["text"] == "[REDACTED:PLANTED]", f"{ground.level}: read back it is redacted")
    plainly = world.upstream.plainly(f"/echo/encoded?in=planted:{name}")
    demand(plainly == ground.planted.value, "control: the upstream had kept it, and gives it to a plain program")
    return True


def placeholder(world: World, ground: Ground) -> bool:
    """A message with the placeholder in it, to be read elsewhere later, stays the text it is."""
    key, url = "AS_SECRET_TOKEN", world.upstream.url("/echo")
    bearer = {"Authorization": f"Bearer {key}"}
    world.upstream.forget()
    bodies: list[object] = [
        f"read me {key}",
        {"message": key, "auth": {"other": key}},
        [key],
        f"auth.key={key}",
        {"auth": [{"key": key}]},
    ]
    made = [{"url": url, "method": "POST", "headers": bearer, "body": body, "placeholders": True} for body in bodies]
    made.append({"url": url, "method": "POST", "headers": bearer, "form": {"message": key}, "placeholders": True})
    for outcome in ground.calls(*made):
        demand(outcome["status"] == 200, f"{ground.level}: the message goes as it is: {outcome['code']}")
    if ground.level != "in-process":
        for data in (f"message={key}", f'{{"message":"{key}"}}'):
            words = ["curl", "-sS", "-m", "30", "-H", f"Authorization: Bearer {key}", "-d", data, url]
            ground.keeps(ground.cli("run", "--", *words).good().out, "what curl was given")
    received = world.upstream.bodies()
    demand(len(received) >= len(made) and all(key.encode() in body for body in received), f"{ground.level}: the text arrives")
    demand(not any(ground.search.named(body) for body in received), f"{ground.level}: no message has the value in it")
    demand(world.upstream.saw(ground.token.value), "control: in the granted slot the placeholder counted")
    world.upstream.forget()
    ground.call(url, method="POST", body={"auth": {"key": key}}, placeholders=True)
    demand(ground.search.named(b"".join(world.upstream.bodies())), "control: the granted field is filled")
    return True
