// Each style and its combinations reach the upstream with the right bytes, through the broker and in-process.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { SecretRef } from "agentsecrets";

import { canary, Home, Upstream } from "./harness.mjs";

const values = { KEY: canary(), PAIR: `user:${canary("pw-")}`, BOT: canary("bot-") };
let upstream, home;
const clients = {};

before(async () => {
  upstream = await Upstream.start("--http1");
  home = new Home(upstream);
  const slots = ["header:X-Api-Key", "query:key", "body:auth.key", "body:/a.b/0", "form:api_key"];
  home.set("KEY", values.KEY, ...["bearer", ...slots].flatMap((slot) => ["--slot", slot]), "--path", "/**");
  home.set("PAIR", values.PAIR);
  home.set("BOT", values.BOT);
  for (const isolation of ["broker", "in-process"]) clients[isolation] = home.client({ isolation });
});

after(async () => {
  await Promise.all(Object.values(clients).map((client) => client.close()));
  home?.stop();
  upstream?.stop();
});

async function sent(isolation, path, options) {
  const client = clients[isolation];
  await upstream.forget();
  const response = await client.call(upstream.url(path), options);
  assert.equal(response.status, 200, response.text());
  const [request] = await upstream.received();
  const header = (name) => request.headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
  return { request, header, body: Buffer.from(request.body_base64, "base64").toString("latin1"), response };
}

for (const isolation of ["broker", "in-process"]) {
  test(`${isolation}: bearer`, async () => {
    const { header, response } = await sent(isolation, "/echo", { bearer: "KEY" });
    assert.deepEqual(header("authorization"), [`Bearer ${values.KEY}`]);
    assert.ok(!response.text().includes(values.KEY) && response.text().includes("[REDACTED:KEY]"));
    assert.deepEqual(response.redacted, ["KEY"]);
  });

  test(`${isolation}: basic`, async () => {
    const { header } = await sent(isolation, "/bytes?n=1", { basic: new SecretRef("PAIR") });
    assert.deepEqual(header("authorization"), [`Basic ${Buffer.from(values.PAIR).toString("base64")}`]);
  });

  test(`${isolation}: a header, and one with a format`, async () => {
    const plain = await sent(isolation, "/bytes?n=1", { header: { "X-Api-Key": "KEY" } });
    assert.deepEqual(plain.header("x-api-key"), [values.KEY]);
    const bot = new SecretRef("BOT").format("Bot {}");
    const formatted = await sent(isolation, "/bytes?n=1", { header: { Authorization: bot } });
    assert.deepEqual(formatted.header("authorization"), [`Bot ${values.BOT}`]);
  });

  test(`${isolation}: a query parameter at the end`, async () => {
    const { request } = await sent(isolation, "/echo?n=%2f+1", { query: { key: "KEY" }, params: { a: [1, true], b: null } });
    assert.equal(request.target, `/echo?n=%2f+1&a=1&a=true&key=${values.KEY}`);
  });

  test(`${isolation}: body fields, dotted and by pointer`, async () => {
    const options = { method: "POST", body: { n: 1.5, "a.b": [null] }, bodyField: { "auth.key": "KEY", "/a.b/0": "KEY" } };
    const { body, header } = await sent(isolation, "/echo", options);
    assert.equal(body, `{"n":1.5,"a.b":["${values.KEY}"],"auth":{"key":"${values.KEY}"}}`);
    assert.deepEqual(header("content-type"), ["application/json"]);
  });

  test(`${isolation}: a form field`, async () => {
    const options = { method: "POST", form: { amount: 1000, tags: ["a", "b"] }, formField: { api_key: "KEY" } };
    const { body, header } = await sent(isolation, "/echo", options);
    assert.equal(body, `amount=1000&tags=a&tags=b&api_key=${values.KEY}`);
    assert.deepEqual(header("content-type"), ["application/x-www-form-urlencoded"]);
  });

  test(`${isolation}: a form with files`, async () => {
    const options = {
      method: "POST",
      form: { purpose: "test" },
      formField: { api_key: "KEY" },
      files: {
        one: new File(["first"], "one.txt", { type: "text/plain" }),
        two: { content: (async function* () { yield "sec"; yield Buffer.from("ond"); })(), fileName: "two.bin" },
        three: Buffer.from("third"),
      },
    };
    const { body } = await sent(isolation, "/multipart", options);
    for (const part of ['name="purpose"', 'filename="one.txt"', "Content-Type: text/plain", "second", 'filename="three"']) {
      assert.ok(body.includes(part), part);
    }
    assert.ok(body.includes(`name="api_key"\r\n\r\n${values.KEY}\r\n`));
  });

  test(`${isolation}: several at once`, async () => {
    const options = {
      method: "PUT", bearer: "KEY", header: { "x-api-key": "KEY" }, query: { key: "KEY" }, body: {},
      bodyField: { "auth.key": "KEY" }, headers: { "X-Plain": "yes" },
    };
    const { request, header, body } = await sent(isolation, "/echo", options);
    assert.deepEqual([request.method, request.target], ["PUT", `/echo?key=${values.KEY}`]);
    assert.deepEqual([header("authorization")[0], header("x-api-key")[0]], [`Bearer ${values.KEY}`, values.KEY]);
    assert.deepEqual([header("x-plain"), body], [["yes"], `{"auth":{"key":"${values.KEY}"}}`]);
  });

  test(`${isolation}: bodies as they are`, async () => {
    const bodies = [
      ["text ä", "text ä"], [Buffer.from([0, 255]), "\0\xff"], [new Uint16Array([0x4241]).subarray(0), "AB"],
      [new TextEncoder().encode("b").buffer, "b"], [new Blob(["blob"]), "blob"], [new URLSearchParams("a=b c"), "a=b+c"],
      [[1, "x"], '[1,"x"]'], [new Date(0), '"1970-01-01T00:00:00.000Z"'],
      [(function* () { yield Buffer.from("it"); yield Buffer.from("er"); })(), "iter"],
      [new Blob(["stream"]).stream(), "stream"],
    ];
    for (const [body, wanted] of bodies) {
      const { body: got } = await sent(isolation, "/echo", { method: "POST", bearer: "KEY", body });
      assert.equal(Buffer.from(got, "latin1").toString(wanted.includes("ä") ? "utf8" : "latin1"), wanted);
    }
  });
}

test("a response is read without waiting", async () => {
  const client = clients.broker;
  const response = await client.call(upstream.url("/json-number"), { method: "POST", bearer: "KEY", body: "\ufeff{\"a\":1}" });
  assert.deepEqual([response.ok, response.statusText], [true, "OK"]);
  assert.deepEqual(response.json(), { a: 1 });
  assert.equal(response.text(), '{"a":1}');
  assert.equal(response.arrayBuffer().byteLength, 10);
  assert.equal(response.bytes()[3], 0x7b);
  assert.ok(response.durationMs > 0 && response.auditIncomplete === false);
  assert.equal(response.raiseForStatus(), response);
  const trailers = await client.call(upstream.url("/trailers"), { bearer: "KEY" });
  assert.ok([...trailers.trailers].flat().join().includes("[REDACTED:KEY]"));
  const cookies = await client.call(upstream.url("/set-cookie"), { bearer: "KEY" });
  assert.equal(cookies.headers.getSetCookie().length, 2);
  const long = await client.call(upstream.url("/bytes?n=300k"), { bearer: "KEY" });
  assert.ok(long.bytes().every((byte, at) => byte === at % 251));
});

test("sixty-four calls at once", async () => {
  const client = clients.broker;
  const calls = Array.from({ length: 64 }, (_, n) => client.call(upstream.url(`/echo?n=${n}`), { bearer: "KEY" }));
  const found = (await Promise.all(calls)).map((response) => response.json().target ?? response.json().query);
  assert.equal(new Set(found.map(String)).size, 64);
});
