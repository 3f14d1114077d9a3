"""Every kind of request body, byte for byte."""

from __future__ import annotations

import hashlib
import io
import json
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentsecrets import AgentSecrets, InvalidCall
from world import Upstream


@pytest.mark.parametrize("body", [b"\x00\xff raw", bytearray(b"array"), memoryview(b"view"), "text ü"], ids=repr)
def test_bytes_and_text_are_sent_as_they_are(client: AgentSecrets, upstream: Upstream, body: bytes | str) -> None:
    client.call(upstream.url("/echo"), "PUT", bearer="TOKEN", body=body)
    expected = body.encode() if isinstance(body, str) else bytes(body)
    assert upstream.last().body == expected
    assert upstream.last().header("content-length") == str(len(expected))


def test_a_list_is_json(client: AgentSecrets, upstream: Upstream) -> None:
    client.call(upstream.url("/echo"), "POST", bearer="TOKEN", body=[1, 2.5, "é"])
    assert upstream.last().body == '[1,2.5,"é"]'.encode()
    assert upstream.last().header("content-type") == "application/json"


def test_the_caller_names_another_content_type(client: AgentSecrets, upstream: Upstream) -> None:
    client.call(
        upstream.url("/echo"), "POST", bearer="TOKEN", body={"a": 1}, headers={"Content-Type": "application/x+json"}
    )
    assert upstream.last().header("content-type") == "application/x+json"


def test_an_iterator_is_streamed(client: AgentSecrets, upstream: Upstream) -> None:
    client.call(upstream.url("/echo"), "POST", bearer="TOKEN", body=(b"%d," % number for number in range(1000)))
    assert upstream.last().body == b"".join(b"%d," % number for number in range(1000))


def test_a_file_is_streamed_from_where_it_stands(client: AgentSecrets, upstream: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"skipped" + b"x" * 300_000)
    with path.open("rb") as file:
        file.seek(7)
        client.call(upstream.url("/upload"), "POST", bearer="TOKEN", body=file)
    received = upstream.last()
    assert received.header("content-length") == "300000"
    assert received.said["body_sha256"] == hashlib.sha256(b"x" * 300_000).hexdigest()


def test_a_file_opened_as_text_is_refused(broker: AgentSecrets, upstream: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("text")
    with path.open() as file, pytest.raises(InvalidCall, match="bytes"):
        broker.call(upstream.url("/upload"), "POST", bearer="TOKEN", body=file)  # type: ignore[arg-type]


def test_what_the_iterator_raises_ends_the_call(client: AgentSecrets, upstream: Upstream) -> None:
    def broken() -> Iterator[bytes]:
        yield b"some"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        client.call(upstream.url("/upload"), "POST", bearer="TOKEN", body=broken())
    # The half that was sent did not look like a whole body.
    assert all(received.outcome != "answered" for received in upstream.received())
    assert client.call(upstream.url("/echo"), bearer="TOKEN").status_code == 200


def test_a_large_upload_is_not_held(broker: AgentSecrets, upstream: Upstream) -> None:
    piece = bytes(range(256)) * 256
    total = 1600
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = broker.call(upstream.url("/upload"), "POST", bearer="TOKEN", body=(piece for _ in range(total)))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert answer.json()["length"] == len(piece) * total
    assert grown < 10 * 1024, f"{grown} KiB more for {len(piece) * total >> 20} MiB"


def test_multipart(client: AgentSecrets, upstream: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(b"\x89PNG" + bytes(100_000))
    with path.open("rb") as photo:
        answer = client.call(
            upstream.url("/multipart"),
            "POST",
            bearer="TOKEN",
            form={"title": "a title"},
            files=[
                ("raw", b"some bytes"),
                ("photo", photo),
                ("named", ("n.json", "{}", "application/json")),
                ("memory", ("m.bin", io.BytesIO(b"in memory"))),
                ("pieces", ("p.bin", iter([b"a", b"b"]))),
            ],
        )
    parts = {part["name"]: part for part in answer.json()["parts"]}
    assert set(parts) == {"title", "raw", "photo", "named", "memory", "pieces"}
    assert parts["title"].get("filename") is None
    assert parts["photo"]["filename"] == "photo.png"
    assert parts["named"]["content_type"] == "application/json"
    assert b'name="pieces"; filename="p.bin"' in upstream.last().body
    assert b"\r\n\r\nab\r\n" in upstream.last().body


def test_multipart_with_a_secret_field(broker: AgentSecrets, upstream: Upstream) -> None:
    broker.call(upstream.url("/multipart"), "POST", form_field={"api_key": "FORM_SECRET"}, files={"f": b"content"})
    assert b'name="api_key"' in upstream.last().body
    assert b"content" in upstream.last().body


def test_params(broker: AgentSecrets, upstream: Upstream) -> None:
    broker.call(
        upstream.url("/echo?x=1"), bearer="TOKEN", params={"a": [1, 2], "none": None, "yes": True, "f": 1.5, "ü": "&"}
    )
    assert upstream.last().target == "/echo?x=1&a=1&a=2&yes=true&f=1.5&%C3%BC=%26"


def test_order_of_keys_is_kept(broker: AgentSecrets, upstream: Upstream) -> None:
    broker.call(upstream.url("/echo"), "POST", bearer="TOKEN", body={"z": 1, "a": 2})
    assert list(json.loads(upstream.last().body)) == ["z", "a"]
