// The mock records calls, answers from a script, and has the real rules about arguments.

import assert from "node:assert/strict";
import { test } from "node:test";

import { AgentSecrets, AgentSecretsError, DestinationNotAllowed, InvalidCall } from "agentsecrets";
import { MockAgentSecrets } from "agentsecrets/testing";

test("it answers by rule, the last that fits first", async () => {
  const mock = new MockAgentSecrets();
  mock.respond("https://api.example.com/*", { json: { a: 1 }, redacted: ["KEY"] });
  mock.respond("https://api.example.com/v2?x=*", { method: "post", status: 404, text: "none", headers: { "X-A": "b" } });
  const found = await mock.call("https://api.example.com/v1", { bearer: "KEY" });
  assert.deepEqual([found.status, found.json(), found.redacted], [200, { a: 1 }, ["KEY"]]);
  assert.equal(found.headers.get("content-type"), "application/json");
  const missing = await mock.call("https://api.example.com/v2?x=1", { method: "POST" });
  assert.deepEqual([missing.status, missing.statusText, missing.text(), missing.headers.get("x-a")], [404, "Not Found", "none", "b"]);
  assert.throws(() => missing.raiseForStatus(), { code: "upstream_error" });
  assert.equal((await mock.call("https://api.example.com/v2?x=1")).status, 200);
  assert.deepEqual(mock.calls.map(({ method, url }) => `${method} ${url.slice(23)}`), ["GET /v1", "POST /v2?x=1", "GET /v2?x=1"]);
  assert.equal(mock.calls[0].options.bearer, "KEY");
  await assert.rejects(mock.call("https://other.example.com/"), /no rule/);
});

test("it streams, and is a fetch", async () => {
  const mock = new MockAgentSecrets();
  mock.respond("*", { chunks: ["data: 1\n", "\ndata: 2\n\n"] });
  const streamed = await mock.stream("https://a.example.com/", { bearer: "KEY" });
  const events = [];
  for await (const event of streamed.events()) events.push(event.data);
  assert.deepEqual(events, ["1", "2"]);
  const { fetch } = mock;
  const response = await fetch("https://a.example.com/", { headers: { authorization: "Bearer AS_SECRET_KEY" } });
  assert.equal(await response.text(), "data: 1\n\ndata: 2\n\n");
  assert.equal(new Headers(mock.calls[1].options.headers).get("authorization"), "Bearer AS_SECRET_KEY");
  assert.equal(mock.calls[1].options.placeholders, true);
  const body = (async function* () { yield "up"; yield "load"; })();
  await mock.call("https://a.example.com/", { method: "POST", body });
  assert.equal(Buffer.from(mock.calls[2].sent[0]).toString(), "upload");
});

test("it refuses what the real client refuses", async () => {
  const mock = new MockAgentSecrets();
  mock.respond();
  const url = "https://a.example.com/";
  const wrong = [
    [url, { bearer: "KEY", basic: "KEY" }], [url, { bearer: "no name" }], ["no url", {}], [url, { timeout: 0 }],
    [url, { headers: { "a b": "c" } }], [url, { body: "x", form: {} }], [url, { unknown: 1 }],
  ];
  for (const [where, options] of wrong) await assert.rejects(mock.call(where, options), InvalidCall);
  assert.equal(mock.calls.length, 0);
  mock.fail(new DestinationNotAllowed("no", { hint: "agentsecrets allow KEY a.example.com" }), url);
  await assert.rejects(mock.call(url, { bearer: "KEY" }), (error) => error instanceof AgentSecretsError && error.stage === "policy");
});

test("it tells what it is told, and has the real client's face", async () => {
  const mock = new MockAgentSecrets();
  assert.deepEqual(await mock.secrets.check("A"), [{ name: "A", present: true, granted: true }]);
  mock.tell({ allowlist: ["https://a.example.com"], secrets: [] });
  assert.deepEqual(await mock.allowlist.list(), ["https://a.example.com"]);
  await assert.rejects(mock.status());
  for (const name of Object.getOwnPropertyNames(AgentSecrets.prototype)) assert.ok(name in mock, name);
  await mock.close();
  await assert.rejects(mock.call("https://a.example.com/"), InvalidCall);
});
