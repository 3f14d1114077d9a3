// `client.fetch` is a `fetch`: libraries that take one work with it, streams flow both ways, an abort reaches the socket.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";

import { InvalidCall, SecretRef } from "agentsecrets";

import { canary, Home, until, Upstream } from "./harness.mjs";

const value = canary();
let upstream, home, client, fetch;

before(async () => {
  upstream = await Upstream.start("--http1");
  home = new Home(upstream);
  home.set("KEY", value, "--slot", "bearer", "--slot", "header:x-api-key", "--slot", "header:Authorization");
  client = home.client();
  ({ fetch } = client);
});

after(async () => {
  await client?.close();
  home?.stop();
  upstream?.stop();
});

async function lastRequest(path = "/echo") {
  const request = (await upstream.received(path)).at(-1);
  const headers = new Headers(request.headers.filter(([name]) => !name.startsWith(":")));
  return { ...request, headers, body: Buffer.from(request.body_base64, "base64") };
}

test("it gives a web Response, and needs no this", async () => {
  const response = await fetch(new URL(upstream.url("/echo")), { bearer: "KEY" });
  assert.ok(response instanceof Response);
  assert.deepEqual([response.status, response.ok, response.url], [200, true, upstream.url("/echo")]);
  assert.equal(response.headers.get("content-type"), "application/json");
  const text = await response.clone().text();
  assert.ok(text.includes("[REDACTED:KEY]") && !text.includes(value));
  assert.ok((await response.json()).headers);
});

test("a placeholder in a header stands for its secret", async () => {
  const { placeholder } = new SecretRef("KEY");
  await fetch(upstream.url("/echo"), { headers: { Authorization: `Bearer ${placeholder}` } });
  assert.equal((await lastRequest()).headers.get("authorization"), `Bearer ${value}`);
  await fetch(upstream.url("/echo"), { headers: new Headers([["x-api-key", placeholder]]) });
  assert.equal((await lastRequest()).headers.get("x-api-key"), value);
  await fetch(upstream.url("/echo"), { headers: [["authorization", `Token token="${placeholder}"`]] });
  assert.equal((await lastRequest()).headers.get("authorization"), `Token token="${value}"`);
  const like = new SecretRef("KEY").placeholderLike("sk-");
  assert.equal(like, "sk-AS_SECRET_3_KEY");
  assert.throws(() => new SecretRef("KEY").placeholderLike(""), InvalidCall);
  await fetch(upstream.url("/echo"), { headers: { Authorization: `Bearer ${like}` } });
  assert.equal((await lastRequest()).headers.get("authorization"), `Bearer ${value}`);
  await assert.rejects(fetch(upstream.url("/echo"), { headers: { a: `${placeholder} ${placeholder}` } }), InvalidCall);
});

test("it takes what a fetch takes", async () => {
  const form = new FormData();
  form.set("field", "text");
  form.set("file", new File(["content"], "name.txt", { type: "text/plain" }));
  const bodies = [
    ["text", "text/plain;charset=UTF-8", "text"],
    [new URLSearchParams({ a: "b c" }), "application/x-www-form-urlencoded;charset=UTF-8", "a=b+c"],
    [new Blob(["blob"], { type: "text/csv" }), "text/csv", "blob"],
    [new TextEncoder().encode("bytes"), null, "bytes"],
    [new Blob(["web"]).stream(), null, "web"],
    [(async function* () { yield Buffer.from("iter"); })(), null, "iter"],
  ];
  for (const [body, type, wanted] of bodies) {
    await fetch(upstream.url("/echo"), { method: "POST", bearer: "KEY", body, duplex: "half" });
    const request = await lastRequest();
    assert.deepEqual([request.headers.get("content-type"), request.body.toString()], [type, wanted]);
  }
  const multipart = await fetch(upstream.url("/multipart"), { method: "POST", bearer: "KEY", body: form });
  const parts = JSON.stringify(await multipart.json());
  assert.ok(parts.includes("name.txt") && parts.includes("text/plain"), parts);
});

test("it takes a Request", async () => {
  const request = new Request(upstream.url("/echo"), { method: "PUT", body: "asked", headers: { "x-plain": "1" } });
  await fetch(request, { bearer: "KEY" });
  const got = await lastRequest();
  assert.deepEqual([got.method, got.headers.get("x-plain"), got.body.toString()], ["PUT", "1", "asked"]);
});

test("statuses without a body, and redirects to other origins, are given back", async () => {
  const empty = await fetch(upstream.url("/status/204"), { bearer: "KEY" });
  assert.deepEqual([empty.status, empty.body], [204, null]);
  const away = `/redirect?to=${encodeURIComponent("https://example.com/")}`;
  const redirect = await fetch(upstream.url(away), { bearer: "KEY" });
  assert.ok([301, 302, 303, 307, 308].includes(redirect.status));
  assert.ok(redirect.headers.get("location").startsWith("https://example.com"));
  await assert.rejects(fetch(upstream.url(away), { bearer: "KEY", redirect: "error" }), /redirect/);
});

test("a redirect is followed, handed over or refused, as `redirect` says", async () => {
  const here = upstream.url("/redirect/chain?n=2");
  assert.equal((await fetch(here, { bearer: "KEY" })).status, 200);
  assert.equal((await fetch(here, { bearer: "KEY", redirect: "manual" })).status, 302);
  assert.equal((await fetch(new Request(here, { redirect: "manual" }), { bearer: "KEY" })).status, 302);
  await assert.rejects(fetch(here, { bearer: "KEY", redirect: "error" }), /redirect/);
});

test("a body is read with backpressure, with one's own buffer too", async () => {
  const response = await fetch(upstream.url("/bytes?n=3m"), { bearer: "KEY" });
  const reader = response.body.getReader({ mode: "byob" });
  const hash = createHash("sha256");
  let length = 0;
  for (;;) {
    const { done, value: piece } = await reader.read(new Uint8Array(100_000));
    if (done) break;
    hash.update(piece);
    length += piece.byteLength;
  }
  const wanted = createHash("sha256").update(Buffer.from(Array.from({ length: 3 << 20 }, (_, at) => at % 251))).digest("hex");
  assert.deepEqual([length, hash.digest("hex")], [3 << 20, wanted]);
  // Nobody reads: the upstream cannot get rid of a gigabyte.
  const unread = await fetch(upstream.url("/bytes?n=1g"), { bearer: "KEY" });
  await new Promise((done) => setTimeout(done, 300));
  assert.ok((await upstream.state()).running >= 1);
  await unread.body.cancel();
  await until(async () => (await upstream.state()).running === 0, "the end of the unread call");
});

test("server-sent events come when they are sent", async () => {
  const response = await fetch(upstream.url("/sse?events=3&interval_ms=150"), { bearer: "KEY" });
  const began = performance.now();
  const times = [];
  for await (const piece of response.body) {
    assert.ok(piece instanceof Uint8Array);
    times.push(performance.now() - began);
  }
  assert.ok(times.length >= 3 && times.at(-1) - times[0] > 200, String(times));
});

test("an abort before the head rejects with its reason and closes the socket", async () => {
  await upstream.forget();
  const controller = new AbortController();
  const call = fetch(upstream.url("/hang"), { bearer: "KEY", signal: controller.signal });
  await until(async () => (await upstream.received("/hang")).length === 1, "the request");
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(call, reason);
  await until(async () => (await upstream.state()).requests.every((one) => one.outcome === "client_closed"), "the close");
  await assert.rejects(fetch(upstream.url("/hang"), { bearer: "KEY", signal: AbortSignal.abort() }), { name: "AbortError" });
  await assert.rejects(fetch(upstream.url("/hang"), { bearer: "KEY", signal: AbortSignal.timeout(100) }), { name: "TimeoutError" });
  const entries = await client.logs({ outcome: "cancelled" });
  assert.ok(entries.length >= 1);
});

test("an abort while the body comes breaks it off, and so does cancelling the body", async () => {
  for (const how of ["abort", "cancel", "break"]) {
    await upstream.forget();
    const controller = new AbortController();
    const response = await fetch(upstream.url("/stall?after=10"), { bearer: "KEY", signal: controller.signal });
    if (how === "abort") {
      const reading = response.text();
      await new Promise((done) => setTimeout(done, 50));
      controller.abort();
      await assert.rejects(reading, { name: "AbortError" });
    } else if (how === "cancel") {
      await response.body.cancel("no more");
    } else {
      const lines = await client.stream(upstream.url("/sse?events=3&hold=1"), { bearer: "KEY" });
      for await (const line of lines.lines()) if (line !== "") break;
      await response.body.cancel();
    }
    const closed = (one) => one.outcome === "client_closed";
    await until(async () => (await upstream.state()).requests.every(closed), `the close after ${how}`);
  }
});

test("an abort while the body goes up ends the source", async () => {
  let isEnded = false;
  const controller = new AbortController();
  const body = (async function* () {
    try {
      for (;;) {
        yield Buffer.alloc(1000);
        await new Promise((done) => setTimeout(done, 5));
      }
    } finally {
      isEnded = true;
    }
  })();
  const call = fetch(upstream.url("/upload"), { method: "POST", bearer: "KEY", body, signal: controller.signal });
  setTimeout(() => controller.abort(), 100);
  await assert.rejects(call, { name: "AbortError" });
  await until(() => isEnded, "the end of the source");
});

test("an answer before the body is sent ends the source", async () => {
  const body = new ReadableStream({
    pull: async (controller) => {
      await new Promise((done) => setTimeout(done, 2));
      controller.enqueue(new Uint8Array(16_384));
    },
  });
  const response = await fetch(upstream.url("/early?status=413"), { method: "POST", bearer: "KEY", body, duplex: "half" });
  assert.equal(response.status, 413);
  await response.text();
});
