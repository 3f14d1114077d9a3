// undici and Node's own fetch through the dispatcher: bodies, streams, backpressure, aborts, redirects, errors.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";

import { AgentSecrets, DestinationNotAllowed, NothingToInject, SecretRef, SlotNotAllowed, Timeout } from "agentsecrets";
import { AgentSecretsDispatcher } from "agentsecrets/undici";
import undici from "undici";

import { canary, Home, until, Upstream } from "./harness.mjs";

const value = canary();
const authorization = `Bearer ${new SecretRef("KEY").placeholder}`;
const headers = { authorization };
const away = encodeURIComponent("https://elsewhere.example/");
let upstream, home, client, dispatcher;

before(async () => {
  upstream = await Upstream.start("--http1");
  home = new Home(upstream);
  home.set("KEY", value, "--slot", "bearer", "--slot", "header:x-api-key", "--slot", "query:key");
  client = home.client();
  dispatcher = new AgentSecretsDispatcher(client);
});

after(async () => {
  await dispatcher?.close();
  await client?.close();
  home?.stop();
  upstream?.stop();
});

async function lastRequest(path = "/echo") {
  const request = (await upstream.received(path)).at(-1);
  return { ...request, headers: new Headers(request.headers), body: Buffer.from(request.body_base64, "base64").toString() };
}

/** Both fetches: undici's as it is installed, and the one that Node has inside. */
const fetches = { undici: undici.fetch, node: globalThis.fetch };

for (const [name, fetch] of Object.entries(fetches)) {
  test(`the fetch of ${name} sends the value once, in its slot`, async () => {
    const body = JSON.stringify({ prompt: authorization });
    const response = await fetch(upstream.url("/echo?a=1"), { method: "POST", headers, body, dispatcher });
    const text = await response.text();
    assert.deepEqual([response.status, response.statusText], [200, "OK"]);
    assert.ok(text.includes("[REDACTED:KEY]") && !text.includes(value));
    const got = await lastRequest();
    assert.equal(got.headers.get("authorization"), `Bearer ${value}`);
    assert.equal(`${[...got.headers]} ${got.target} ${got.body}`.split(value).length, 2);
    assert.equal(got.body, body);
    assert.equal(got.headers.get("content-length"), String(body.length));
  });

  test(`the fetch of ${name} takes forms and streams`, async () => {
    // Each library's form is known to itself alone.
    const form = new (name === "undici" ? undici.FormData : FormData)();
    form.set("field", "text");
    form.set("file", new File(["x".repeat(200_000)], "name.txt", { type: "text/plain" }));
    const multipart = await fetch(upstream.url("/multipart"), { method: "POST", headers, body: form, dispatcher });
    const { parts } = await multipart.json();
    assert.deepEqual(parts.map((part) => [part.name, part.filename, part.length]), [["field", null, 4], ["file", "name.txt", 200_000]]);
    const body = new ReadableStream({
      start(controller) {
        for (const text of ["one ", "two"]) controller.enqueue(new TextEncoder().encode(text));
        controller.close();
      },
    });
    await fetch(upstream.url("/echo"), { method: "POST", headers, body, duplex: "half", dispatcher });
    assert.equal((await lastRequest()).body, "one two");
  });

  test(`the fetch of ${name} streams, follows redirects itself, and is aborted`, async () => {
    const response = await fetch(upstream.url("/lines?n=3&interval_ms=150"), { headers, dispatcher });
    const began = performance.now();
    const times = [];
    for await (const _ of response.body) times.push(performance.now() - began);
    assert.ok(times.at(-1) - times[0] > 200, String(times));
    const followed = await fetch(upstream.url("/redirect/chain?n=2"), { headers, dispatcher });
    assert.deepEqual([followed.status, followed.redirected], [200, true]);
    assert.equal((await fetch(upstream.url("/redirect?to=/echo"), { headers, dispatcher, redirect: "manual" })).status, 302);
    await upstream.forget();
    const controller = new AbortController();
    const stalled = await fetch(upstream.url("/stall?after=10"), { headers, dispatcher, signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await assert.rejects(stalled.text(), { name: "AbortError" });
    await assert.rejects(fetch(upstream.url("/hang"), { headers, dispatcher, signal: AbortSignal.timeout(100) }), { name: "TimeoutError" });
    await until(async () => (await upstream.state()).requests.every((one) => one.outcome === "client_closed"), "the close");
  });

  test(`the fetch of ${name} takes nothing along to another origin, and policy refuses what it does`, async () => {
    const cause = async (url, init) => (await fetch(url, { ...init, dispatcher }).catch((error) => error)).cause;
    assert.ok(await cause("https://elsewhere.example/", { headers }) instanceof DestinationNotAllowed);
    assert.ok(await cause(upstream.url(`/redirect?to=${away}`), { headers }) instanceof NothingToInject);
    const key = { "x-api-key": new SecretRef("KEY").placeholder };
    assert.ok(await cause(upstream.url(`/redirect?to=${away}`), { headers: key }) instanceof DestinationNotAllowed);
    assert.ok(await cause(upstream.url("/echo"), { headers: { "x-other": authorization } }) instanceof SlotNotAllowed);
  });
}

test("undici.request: every way to say headers and bodies", async () => {
  const all = [headers, ["authorization", authorization], [["authorization", authorization]], new Map(Object.entries(headers))];
  for (const said of all) {
    const { statusCode, body } = await undici.request(upstream.url("/echo"), { headers: said, dispatcher });
    assert.deepEqual([statusCode, (await body.json()).method], [200, "GET"]);
    assert.equal((await lastRequest()).headers.get("authorization"), `Bearer ${value}`);
  }
  const bodies = ["text", Buffer.from("bytes"), Readable.from([Buffer.from("re"), Buffer.from("ad")]), (async function* () { yield "iter"; })()];
  for (const [at, body] of bodies.entries()) {
    await (await undici.request(upstream.url("/echo"), { method: "PUT", headers, body, dispatcher })).body.dump();
    assert.equal((await lastRequest()).body, ["text", "bytes", "read", "iter"][at]);
  }
  const query = { a: [1, 2], key: new SecretRef("KEY").placeholder };
  await (await undici.request(upstream.url("/echo"), { query, dispatcher })).body.dump();
  assert.equal((await lastRequest()).target, `/echo?a=1&a=2&key=${value}`);
});

test("undici.request: cookies, trailers, statuses, pipeline and stream", async () => {
  const cookies = await undici.request(upstream.url("/set-cookie?name=a&value=b"), { headers, dispatcher });
  assert.equal(cookies.headers["set-cookie"].length, 2);
  await cookies.body.dump();
  const trailed = await undici.request(upstream.url("/trailers"), { headers, dispatcher });
  await trailed.body.dump();
  assert.ok(Object.values(trailed.trailers).join().includes("[REDACTED:KEY]"), JSON.stringify(trailed.trailers));
  for (const status of [204, 404, 503]) {
    const { statusCode, body } = await undici.request(upstream.url(`/status/${status}`), { headers, dispatcher });
    await body.dump();
    assert.equal(statusCode, status);
  }
  let text = "";
  const { Writable } = await import("node:stream");
  await undici.stream(upstream.url("/lines?n=2"), { headers, dispatcher }, () => new Writable({
    write(chunk, _, done) { text += chunk; done(); },
  }));
  assert.ok(text.split("\n").length >= 2);
});

test("nothing is read that nobody reads, and an answer that is dropped is given up", async () => {
  await upstream.forget();
  const { body } = await undici.request(upstream.url("/bytes?n=1g"), { headers, dispatcher });
  const before_ = process.memoryUsage().rss;
  await new Promise((done) => setTimeout(done, 300));
  assert.equal((await upstream.state()).running, 1);
  assert.ok(process.memoryUsage().rss - before_ < 64 << 20);
  body.on("error", () => undefined).destroy();
  await until(async () => (await upstream.state()).running === 0, "the end of the unread answer");
  const whole = await undici.request(upstream.url("/bytes?n=5m"), { headers, dispatcher });
  assert.equal((await whole.body.arrayBuffer()).byteLength, 5 << 20);
});

test("limits and what fails on the way are undici's errors", async () => {
  const late = await undici.request(upstream.url("/hang"), { headers, dispatcher, headersTimeout: 200 }).catch((error) => error);
  assert.equal(late.code, "UND_ERR_HEADERS_TIMEOUT");
  assert.ok(late.cause instanceof Timeout);
  const stalled = await undici.request(upstream.url("/stall?after=10"), { headers, dispatcher, bodyTimeout: 200 });
  await assert.rejects(stalled.body.text(), { code: "UND_ERR_BODY_TIMEOUT" });
  const dropped = await undici.request(upstream.url("/drop?after=100&of=500"), { headers, dispatcher });
  await assert.rejects(dropped.body.text(), { code: "UND_ERR_SOCKET" });
  const refused = undici.request("https://elsewhere.example/", { headers, dispatcher });
  await assert.rejects(refused, (error) => error instanceof DestinationNotAllowed && error.hint.includes("agentsecrets allow KEY"));
  await assert.rejects(undici.request(upstream.url("/echo"), { headers, dispatcher, upgrade: "websocket" }), /protocol|upgrade/);
});

test("a handler with a controller pauses, resumes and aborts", async () => {
  const heard = [];
  const done = new Promise((resolve, reject) => {
    dispatcher.dispatch({ origin: upstream.origin, path: "/bytes?n=300k", method: "GET", headers: ["authorization", authorization] }, {
      onRequestStart: () => heard.push("start"),
      onResponseStart(controller, status, fields, text) {
        heard.push(status, text, typeof fields["content-type"], Buffer.isBuffer(controller.rawHeaders[0]));
      },
      onResponseData(controller, chunk) {
        controller.pause();
        heard.push(chunk.length);
        const count = heard.length;
        setTimeout(() => {
          if (heard.length !== count) reject(new Error("it went on while it was paused"));
          controller.resume();
        }, 5);
      },
      onResponseEnd: () => resolve(),
      onResponseError: (_, error) => reject(error),
    });
    assert.deepEqual(heard, []);
  });
  await done;
  assert.deepEqual(heard.slice(0, 5), ["start", 200, "OK", "string", true]);
  assert.equal(heard.slice(5).reduce((sum, length) => sum + length), 300 << 10);
  const error = await new Promise((resolve) => {
    dispatcher.dispatch({ origin: upstream.origin, path: "/sse?events=1&hold=1", method: "GET", headers }, {
      onRequestStart: () => undefined,
      onResponseData: (controller) => controller.abort(new Error("enough")),
      onResponseError: (controller, reason) => resolve([controller.aborted, reason.message]),
    });
  });
  assert.deepEqual(error, [true, "enough"]);
});

test("interceptors and the global dispatcher", async () => {
  const retrying = dispatcher.compose(undici.interceptors.retry({ minTimeout: 10, maxRetries: 3 }));
  const { statusCode, body } = await undici.request(upstream.url("/flaky?name=undici&fails=2"), { headers, dispatcher: retrying });
  assert.deepEqual([statusCode, (await body.json()).tries], [200, 3]);
  const former = undici.getGlobalDispatcher();
  undici.setGlobalDispatcher(dispatcher);
  try {
    assert.equal((await globalThis.fetch(upstream.url("/echo"), { headers })).status, 200);
    assert.equal((await undici.fetch(upstream.url("/echo"), { headers })).status, 200);
  } finally {
    undici.setGlobalDispatcher(former);
  }
  assert.equal((await lastRequest()).headers.get("authorization"), `Bearer ${value}`);
});

test("it closes a client of its own, and leaves another's", async () => {
  const own = new AgentSecretsDispatcher({ home: home.home, project: "tests" });
  const slow = undici.request(upstream.url("/slow?ms=200"), { headers, dispatcher: own });
  await new Promise((done) => setTimeout(done, 50));
  await own.close();
  assert.equal((await slow).statusCode, 200);
  await assert.rejects(undici.request(upstream.url("/echo"), { headers, dispatcher: own }), { code: "UND_ERR_CLOSED" });
  const lent = new AgentSecretsDispatcher(client);
  const hanging = undici.request(upstream.url("/hang"), { headers, dispatcher: lent });
  setTimeout(() => lent.destroy(new Error("no more")), 50);
  await assert.rejects(hanging, /no more/);
  assert.equal((await client.call(upstream.url("/echo"), { bearer: "KEY" })).status, 200);
  assert.ok(client instanceof AgentSecrets);
});

test("both module systems have the same class", () => {
  const required = createRequire(import.meta.url)("agentsecrets/undici");
  assert.equal(required.AgentSecretsDispatcher, AgentSecretsDispatcher);
});
