// Every refusal has a class, a code, a stage and what mends it, and bad input is said to be bad.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import * as agentsecrets from "agentsecrets";

import { canary, Home, root, Upstream } from "./harness.mjs";

const { AgentSecrets, AgentSecretsError, InvalidCall, SecretRef } = agentsecrets;
let upstream, home, client;

before(async () => {
  upstream = await Upstream.start();
  home = new Home(upstream);
  home.set("KEY", canary());
  client = home.client();
});

after(async () => {
  await client?.close();
  home?.stop();
  upstream?.stop();
});

async function refusal(work) {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof AgentSecretsError && error instanceof Error, String(error));
    assert.ok(error.is(error.code) && error.message.length > 0);
    return error;
  }
  return assert.fail(`nothing was refused: ${work}`);
}

test("there is a class for every code of the core", () => {
  const table = readFileSync(join(root, "core/src/error/code.rs"), "utf8");
  const codes = [...table.matchAll(/^ {4}([A-Z][A-Za-z]+) = "([a-z_]+)", [A-Z]/gm)];
  assert.ok(codes.length >= 29, `${codes.length} codes`);
  for (const [, name, code] of codes) {
    const error = new agentsecrets[name]("x");
    assert.deepEqual([error.name, error.code], [name, code]);
  }
});

test("a refusal says who refused, and what mends it", async () => {
  const call = (path, options) => () => client.call(path, options);
  const cases = [
    [call("https://example.com/", { bearer: "KEY" }), "DestinationNotAllowed", "policy", "agentsecrets allow KEY"],
    [call(upstream.url("/"), { query: { k: "KEY" } }), "SlotNotAllowed", "policy", "--slot query:k"],
    [call(upstream.url("/"), { bearer: "ABSENT" }), "SecretNotFound", undefined, undefined],
    [call(upstream.url("/")), "NothingToInject", "policy", undefined],
    [call(upstream.url("/hang"), { bearer: "KEY", timeout: 200 }), "Timeout", "send", undefined],
    [call(upstream.url("/drop?after=10&of=100"), { bearer: "KEY" }), "UpstreamUnreachable", undefined, undefined],
    [call(upstream.url("/bytes?n=5m"), { bearer: "KEY", maxResponse: 1000 }), "ResponseTooLarge", "redact", "maxResponse"],
    [call(upstream.url("/compress/unknown"), { bearer: "KEY" }), "UndecodableResponse", "redact", undefined],
    [call(upstream.url("/"), { bearer: "KEY", project: "elsewhere" }), "ProjectNotFound", "context", undefined],
    [call(upstream.url("/"), { bearer: "KEY", headers: { Range: "bytes=0-1" } }), "HeaderNotAllowed", "policy", undefined],
  ];
  for (const [refused, name, stage, hint] of cases) {
    const error = await refusal(refused);
    assert.equal(error.name, name, error.message);
    assert.ok(error instanceof agentsecrets[name]);
    if (stage !== undefined) assert.equal(error.stage, stage, name);
    if (hint === "maxResponse") assert.match(error.hint, /stream|max/);
    else if (hint !== undefined) assert.ok(error.hint.includes(hint), `${name}: ${error.hint}`);
  }
});

test("an upstream's 4xx or 5xx is a response until it is asked to be an error", async () => {
  const response = await client.call(upstream.url("/status/503"), { bearer: "KEY" });
  assert.deepEqual([response.status, response.ok], [503, false]);
  const error = await refusal(() => response.raiseForStatus());
  assert.deepEqual([error.name, error.code, error.retryable], ["UpstreamError", "upstream_error", true]);
});

test("a call that contradicts itself is invalid", async () => {
  const url = upstream.url("/echo");
  const circular = {};
  circular.self = circular;
  const cases = [
    ["no url", {}], [url, { bearer: "KEY", basic: "KEY" }], [url, { bearer: "KEY", header: { Authorization: "KEY" } }],
    [url, { bodyField: { a: "KEY" }, formField: { b: "KEY" } }], [url, { bodyField: { "": "KEY" } }],
    [url, { bearer: "not a name" }], [url, { bearer: 7 }], [url, { bearer: null }], [url, { header: "KEY" }],
    [url, { body: "x", form: {} }], [url, { body: circular }], [url, { body: 7 }], [url, { body: new SecretRef("KEY") }],
    [url, { bearer: "KEY", headers: { "a b": "c" } }], [url, { bearer: "KEY", headers: { a: "b\nc" } }],
    [url, { bearer: "KEY", headers: { a: new SecretRef("KEY") } }], [url, { params: { a: new SecretRef("KEY") } }],
    [url, { bearer: "KEY", headers: { a: "\u20ac" } }], [url, { bearer: "KEY", timeout: 0 }],
    [url, { bearer: "KEY", timeout: Number.NaN }], [url, { bearer: "KEY", timeout: "1" }],
    [url, { bearer: "KEY", retries: -1 }], [url, { bearer: "KEY", maxResponse: 1.5 }], [url, { bearrer: "KEY" }],
    [url, { bearer: "KEY", method: "A B" }], [url, { bearer: "KEY", method: "CONNECT" }],
    [url, { method: "POST", body: "{", bodyField: { a: "KEY" } }],
  ];
  await upstream.forget();
  for (const [where, options] of cases) {
    const error = await refusal(() => client.call(where, options));
    assert.ok(["InvalidCall", "SlotNotAllowed"].includes(error.name), `${JSON.stringify(Object.keys(options))} ${error.name}`);
  }
  assert.deepEqual(await upstream.received(), []);
});

test("a name is never a value", async () => {
  const pasted = canary();
  const error = await refusal(() => client.call(upstream.url("/"), { bearer: pasted }));
  assert.ok(error instanceof InvalidCall);
  assert.ok(!`${error.message}${error.hint}${error.stack}`.includes(pasted));
});

test("what a source throws is why the call fails", async () => {
  const broken = new Error("the disk is gone");
  const body = (async function* () {
    yield "first";
    throw broken;
  })();
  await assert.rejects(client.call(upstream.url("/upload"), { method: "POST", bearer: "KEY", body }), broken);
  const wrong = (function* () {
    yield 7;
  })();
  const error = await refusal(() => client.call(upstream.url("/upload"), { method: "POST", bearer: "KEY", body: wrong }));
  assert.equal(error.code, "invalid_call");
});

test("a client needs a home, and usable choices", async () => {
  const missing = await refusal(() => new AgentSecrets({ home: "/nonexistent/home" }));
  assert.deepEqual([missing.name, missing.hint], ["NotInitialized", "agentsecrets init"]);
  for (const choice of [{ isolation: "none" }, { timeout: -1 }, { project: "../x" }, { project: 7 }, { isolation: "in-process", unlock: "x" }]) {
    assert.ok((await refusal(() => new AgentSecrets({ home: home.home, ...choice }))) instanceof InvalidCall);
  }
});

test("a closed client refuses; a reference is parsed by the core's rules", async () => {
  const closed = home.client();
  await closed.close();
  assert.equal((await refusal(() => closed.call(upstream.url("/"), { bearer: "KEY" }))).code, "invalid_call");
  assert.equal((await refusal(() => closed.status())).code, "invalid_call");
  for (const text of ["", "a", "p/NAME", "A-B", 7, undefined]) assert.throws(() => new SecretRef(text), InvalidCall);
  const scoped = new SecretRef("agentsecrets://w/p/e/NAME");
  assert.deepEqual([scoped.workspace, scoped.project, scoped.environment, scoped.name], ["w", "p", "e", "NAME"]);
  assert.throws(() => scoped.placeholder, InvalidCall);
  assert.throws(() => scoped.format("none"), InvalidCall);
  assert.throws(() => scoped.format(""), InvalidCall);
  assert.ok(Object.isFrozen(scoped) && !("get" in scoped));
});

test("names, grants, status and the log are told", async () => {
  const [secret] = await client.secrets.list();
  assert.equal(secret.name, "KEY");
  assert.ok(secret.created instanceof Date && !("record" in secret));
  assert.deepEqual(await client.secrets.check("KEY", "ABSENT"), [
    { name: "KEY", present: true, granted: true },
    { name: "ABSENT", present: false, granted: false },
  ]);
  const [grant] = await client.grants("KEY");
  assert.deepEqual([grant.secret, grant.permitHeaders, grant.state], ["KEY", [], "active"]);
  assert.deepEqual(await client.allowlist.list(), []);
  const status = await client.status();
  assert.deepEqual([status.isolation, status.useKey, status.locked, status.project], ["broker", "file", false, "tests"]);
  assert.equal(client.isolation, "broker");
  const denied = await client.logs({ outcome: "denied" });
  assert.ok(denied.length > 0 && denied.every((entry) => entry.outcome === "denied" && entry.ended instanceof Date));
  assert.equal((await client.logs({ last: 2 })).length, 2);
  assert.equal((await refusal(() => client.logs({ last: -1 }))).code, "invalid_call");
  assert.equal((await refusal(() => client.logs({ outcome: "good" }))).code, "invalid_call");
  assert.equal((await refusal(() => client.secrets.check("no name"))).code, "invalid_call");
});
