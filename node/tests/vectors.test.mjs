// The vectors that every language reads: what a request with injected values looks like on the wire.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { AgentSecretsError, SecretRef } from "agentsecrets";
import { MockAgentSecrets } from "agentsecrets/testing";

import { Home, root, Upstream } from "./harness.mjs";

const folder = join(root, "tests/vectors/inject");
const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
const vectors = files.map((file) => ({ file, ...JSON.parse(readFileSync(join(folder, file), "utf8")) }));
const names = new Map();
/** Values of this length and more have a home of their own: every answer there is searched for them. */
const LONG = 1024;
const homes = {};
const clients = {};
let upstream;

function bytesOf(text) {
  if (typeof text === "string") return Buffer.from(text);
  if ("hex" in text) return Buffer.from(text.hex, "hex");
  return Buffer.from(`${text.before ?? ""}${text.repeat.repeat(text.times)}${text.after ?? ""}`);
}

const STYLES = { bearer: "bearer", basic: "basic", header: "header", query: "query", body_field: "bodyField", form_field: "formField" };
const SLOTS = { header: "header", query: "query", body_field: "body", form_field: "form" };

function slotOf({ style, name }) {
  const kind = SLOTS[style];
  return kind === undefined ? style : `${kind}:${name}`;
}

/** One name for each value, with every slot that any case wants of it: owner's acts are slow by design. */
async function collect() {
  const mock = new MockAgentSecrets();
  mock.respond();
  const cases = vectors.flatMap((vector) => vector.cases);
  for (const value of cases.flatMap(({ secrets }) => Object.values(secrets).map(bytesOf))) {
    const known = { name: `VALUE_${names.size + 1}`, value, slots: new Set() };
    if (!names.has(value.toString("hex"))) names.set(value.toString("hex"), known);
  }
  for (const one of cases) {
    // A call that cannot even be written needs no grant, and there is none for its places.
    const canBeWritten = await mock.call(one.request.url, optionsOf(one)).then(() => true, () => false);
    if (!canBeWritten) continue;
    for (const injection of one.injections) knownOf(one, injection).slots.add(slotOf(injection));
  }
}

function knownOf(one, { secret }) {
  return names.get(bytesOf(one.secrets[secret]).toString("hex"));
}

before(async () => {
  await collect();
  upstream = await Upstream.start("--http1");
  homes.short = new Home(upstream);
  homes.long = new Home(upstream);
  for (const known of names.values()) {
    const home = known.value.length < LONG ? homes.short : homes.long;
    if (known.value.length === 0) continue;
    // One line feed at the end is dropped.
    const feed = known.value.at(-1) === 0x0a ? "\n" : "";
    home.run(["secrets", "set", known.name, "--weak"], Buffer.concat([known.value, Buffer.from(feed)]));
    const slots = [...known.slots].flatMap((slot) => ["--slot", slot]);
    if (slots.length > 0) home.allow(known.name, "--path", "/**", ...slots);
  }
  for (const [size, home] of Object.entries(homes)) clients[size] = home.client();
});

after(async () => {
  for (const client of Object.values(clients)) void client.close();
  for (const home of Object.values(homes)) home.stop();
  upstream?.stop();
});

function optionsOf(one) {
  const options = { method: one.request.method, headers: one.request.headers };
  if (one.request.body !== undefined) options.body = bytesOf(one.request.body);
  for (const injection of one.injections) {
    const { style, name, format } = injection;
    const reference = new SecretRef(knownOf(one, injection).name);
    const formatted = format === undefined ? reference : reference.format(format);
    const option = STYLES[style];
    if (name === undefined) options[option] = formatted;
    else options[option] = { ...options[option], [name]: formatted };
  }
  return options;
}

/** JavaScript's options are maps: a place twice cannot even be written down. And two things are refused before injection
 * is asked: a call without a secret, and a caller's own header in the place of an injected one. */
function isForTheWire(one) {
  const places = one.injections.map(({ style, name }) => `${style} ${name}`);
  const taken = new Set(["authorization", ...one.injections.map(({ name }) => name?.toLowerCase())]);
  const setsItself = Object.keys(one.request.headers ?? {}).some((name) => taken.has(name.toLowerCase()));
  return places.length > 0 && new Set(places).size === places.length && !setsItself;
}

async function check(one) {
  const isLong = Object.values(one.secrets).some((text) => bytesOf(text).length >= LONG);
  const client = isLong ? clients.long : clients.short;
  await upstream.forget();
  const url = one.request.url.replace("https://upstream.test", upstream.origin);
  if (one.error !== undefined) {
    const refused = await client.call(url, optionsOf(one)).catch((error) => error);
    assert.ok(refused instanceof AgentSecretsError, "it was sent");
    assert.equal(refused.code, one.error);
    assert.deepEqual(await upstream.received(), []);
    return;
  }
  await client.call(url, optionsOf(one));
  const [request] = await upstream.received();
  assert.equal(request.target, bytesOf(one.expect.target).toString());
  for (const [name, wanted] of Object.entries(one.expect.headers)) {
    const found = request.headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
    assert.deepEqual(found, [bytesOf(wanted).toString("latin1")], name);
  }
  const body = Buffer.from(request.body_base64, "base64");
  assert.equal(body.toString("latin1"), bytesOf(one.expect.body ?? "").toString("latin1"));
}

for (const { file, cases } of vectors) {
  describe(file, () => {
    for (const one of cases.filter(isForTheWire)) test(one.name, () => check(one));
  });
}

test("the vectors were read", () => {
  assert.ok(vectors.length >= 7 && vectors.every(({ cases }) => cases.length > 0));
});
