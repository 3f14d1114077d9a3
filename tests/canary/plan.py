"""The calls that are made with every canary: every style, every way to echo it, and every way to fail."""

from __future__ import annotations

import json
from typing import Any

from kit.canary import Canary

SLOTS = ["bearer", "basic", "header:X-Api-Key", "query:key", "body:auth.key", "form:api_key"]
FORMS = [
    "raw", "base64", "base64-nopad", "base64url", "base64url-nopad", "base64-wrapped", "base64-wrapped-64", "base64-after-1",
    "base64-after-2", "hex", "hex-upper", "percent", "percent-lower", "percent-minimal", "json", "json-minimal", "html",
    "html-decimal", "html-minimal", "mixed", "gzip", "percent,base64", "json,hex",
]  # fmt: skip
CODINGS = [
    "gzip", "x-gzip", "deflate", "deflate-raw", "br", "zstd", "upper", "unlabelled", "unknown", "broken", "truncated",
    "trailing", "members", "stacked?codings=gzip,br", "bomb?n=4m",
]  # fmt: skip
PLACES = [
    "/split?every=3", "/range", "/reason", "/trailers", "/set-cookie", "/sse?events=2&echo=1", "/lines?n=2&echo=1&open=1",
    "/status/500", "/status/401", "/drop?after=64&of=900&chunked=1", "/bad-length", "/echo/header", "/headers?n=3",
    "/redirect?to=/echo&leak=1", "/redirect/chain?n=3", "/redirect?to=https://localhost:9/x&leak=1", "/echo/raw",
]  # fmt: skip


def styles(canary: Canary, url: str) -> list[dict[str, Any]]:
    """Every style into a careless echo."""
    name = canary.name
    made: list[dict[str, Any]] = [
        {"url": url, "bearer": name},
        {"url": url, "header": {"X-Api-Key": name}},
        {"url": url, "query": {"key": name}},
        {"url": url, "method": "POST", "body": {"auth": {"user": "u"}}, "body_field": {"auth.key": name}},
        {"url": url, "method": "POST", "form": {"a": "b"}, "form_field": {"api_key": name}},
        {"url": f"{url}/raw", "method": "POST", "body": {}, "body_field": {"auth.key": name}},
    ]
    return [*made, {"url": url, "basic": name}] if canary.is_basic else made


def failing(name: str, origin: str, expired: str) -> list[dict[str, Any]]:
    return [
        {"url": "https://localhost:9/x", "bearer": name},
        {"url": "https://localhost:9/x", "query": {"key": name}},
        {"url": f"{expired}/echo", "bearer": name},
        {"url": f"{expired}/echo", "query": {"key": name}},
        {"url": f"{origin}/slow?ms=4000", "query": {"key": name}, "timeout": 0.2},
        {"url": f"{origin}/hang", "bearer": name, "timeout": 0.2},
        {"url": f"{origin}/echo", "header": {"X-Other": name}},
        {"url": f"{origin}/echo", "query": {"other": name}},
        {"url": "https://api.example.com/x", "bearer": name},
        {"url": f"{origin}/echo", "bearer": "UNKNOWN"},
        {"url": f"{origin}/echo", "method": "POST", "body": [1], "body_field": {"auth.key": name}},
        {"url": f"{origin}/bytes?n=200000", "bearer": name, "max_response": 1000},
    ]


def echoing(name: str, origin: str, few: bool) -> list[dict[str, Any]]:
    """The value handed back in every disguise; the same by way of a header, and by another call's hand."""
    paths = [f"/echo/encoded?as={form}&header=1&prefix=x" for form in (FORMS[::3] if few else FORMS)]
    if not few:
        paths += [f"/compress/{coding}" for coding in CODINGS] + PLACES
    return [{"url": origin + path, "bearer": name} for path in paths]


def planted(canaries: list[Canary], origin: str) -> list[dict[str, Any]]:
    """Stored by one call, read back by another with another secret."""
    made = []
    for at, canary in enumerate(canaries):
        other = canaries[at - 1].name
        made.append({"url": f"{origin}/plant?name={canary.name}", "bearer": canary.name})
        made.append({"url": f"{origin}/echo/encoded?in=planted:{canary.name}&as=json", "bearer": other})
    return made


def command_line(call: dict[str, Any]) -> list[str]:
    """A call as it is typed."""
    words = ["call", "--url", call["url"]]
    for name, option in (("method", "--method"), ("bearer", "--bearer"), ("basic", "--basic")):
        if name in call:
            words += [option, call[name]]
    if "timeout" in call:
        words += ["--timeout", str(call["timeout"])]
    if "max_response" in call:
        words += ["--max-response", str(call["max_response"])]
    if "body" in call:
        words += ["--body", json.dumps(call["body"])]
    for name, option in (
        ("header", "--header"), ("query", "--query"), ("body_field", "--body-field"), ("form_field", "--form-field"),
        ("form", "--form"),
    ):  # fmt: skip
        for key, value in call.get(name, {}).items():
            words += [option, f"{key}={value}"]
    return words
