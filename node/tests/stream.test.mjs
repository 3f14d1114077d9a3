// Streamed responses: bytes, text, lines and server-sent events, each as it comes.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { canary, Home, until, Upstream } from "./harness.mjs";

const { EventParser, LineSplitter } = createRequire(import.meta.url)("../dist/sse.js");
const value = canary();
let upstream, home, client;

before(async () => {
  upstream = await Upstream.start();
  home = new Home(upstream);
  home.set("KEY", value);
  client = home.client();
});

after(async () => {
  await client?.close();
  home?.stop();
  upstream?.stop();
});

async function all(iterable) {
  const found = [];
  for await (const one of iterable) found.push(one);
  return found;
}

test("bytes and text", async () => {
  const bytes = await client.stream(upstream.url("/bytes?n=100k"), { bearer: "KEY" });
  assert.deepEqual([bytes.status, bytes.ok], [200, true]);
  assert.ok(Buffer.concat(await all(bytes.bytes())).every((byte, at) => byte === at % 251));
  const body = "\u20ac\u{1f511}".repeat(20_000);
  const text = await client.stream(upstream.url("/echo/raw"), { method: "POST", bearer: "KEY", body });
  assert.equal((await all(text.text())).join(""), body);
});

test("what came back is told at the end", async () => {
  const response = await client.stream(upstream.url("/trailers"), { bearer: "KEY" });
  const text = (await all(response.text())).join("");
  assert.ok(!text.includes(value));
  assert.deepEqual(response.redacted, ["KEY"]);
  assert.ok([...response.trailers].flat().join().includes("[REDACTED:KEY]"));
  assert.equal(response.auditIncomplete, false);
});

for (const eol of ["lf", "crlf", "cr"]) {
  test(`lines and events that end with ${eol}`, async () => {
    const lines = await client.stream(upstream.url(`/lines?n=5&eol=${eol}`), { bearer: "KEY" });
    const found = await all(lines.lines());
    assert.equal(found.length, 5);
    for (const line of found) JSON.parse(line);
    const events = await client.stream(upstream.url(`/sse?events=4&eol=${eol}&bom=1`), { bearer: "KEY" });
    const told = await all(events.events());
    assert.deepEqual(told.map(({ id }) => id), ["1", "2", "3", "4"]);
    assert.deepEqual([told[0].event, told[0].data, told[0].retry], ["tick", "event 1\nsecond line", 1500]);
  });
}

test("an event is there before the next is sent", async () => {
  const response = await client.stream(upstream.url("/sse?events=100&interval_ms=300"), { bearer: "KEY" });
  const began = performance.now();
  for await (const event of response.events()) {
    assert.equal(event.id, "1");
    break;
  }
  assert.ok(performance.now() - began < 5000);
  await until(async () => (await upstream.state()).running === 0, "the close");
});

test("disposing of it closes the socket", async () => {
  const response = await client.stream(upstream.url("/stall?after=10"), { bearer: "KEY" });
  await response[Symbol.asyncDispose]();
  await assert.rejects(all(response.bytes()), { code: "cancelled" });
  await until(async () => (await upstream.state()).running === 0, "the close");
});

test("a status that is made an error ends the call", async () => {
  const response = await client.stream(upstream.url("/status/500"), { bearer: "KEY" });
  assert.throws(() => response.raiseForStatus(), { code: "upstream_error" });
  await assert.rejects(all(response.bytes()), { code: "cancelled" });
});

test("a body that breaks off is an error", async () => {
  const response = await client.stream(upstream.url("/drop?after=1000&of=5000"), { bearer: "KEY" });
  await assert.rejects(all(response.bytes()), { code: "upstream_unreachable" });
});

test("an abandoned response is closed when it is collected", async () => {
  const v8 = await import("node:v8");
  const { runInNewContext } = await import("node:vm");
  v8.setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  await (async () => void (await client.stream(upstream.url("/stall?after=10"), { bearer: "KEY" })))();
  await until(async () => {
    collect();
    return (await upstream.state()).running === 0;
  }, "the close");
});

test("lines and events do not depend on how the text is cut", () => {
  const text = "\ufeff: note\r\nevent: a\r\ndata: 1\rdata:2\n\ndata\n\nid: 7\nretry: x\nretry: 9\ndata:  3\r\n\r\nid\0: no\nid: b\0\ndata: cut";
  const whole = parse([text.slice(1)]);
  assert.deepEqual(whole, [
    { event: "a", data: "1\n2", id: "", retry: undefined },
    { event: "message", data: "", id: "", retry: undefined },
    { event: "message", data: " 3", id: "7", retry: 9 },
  ]);
  for (let size = 1; size < 20; size += 1) {
    assert.deepEqual(parse(text.slice(1).match(new RegExp(`[^]{1,${size}}`, "g"))), whole);
  }
});

function parse(pieces) {
  const splitter = new LineSplitter();
  const parser = new EventParser();
  const lines = pieces.flatMap((piece) => splitter.feed(piece));
  return lines.map((line) => parser.line(line)).filter(Boolean).map((event) => ({ ...event }));
}
