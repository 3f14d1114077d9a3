// The vectors that every language reads: what a request with injected values looks like on the wire.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { AgentSecretsError, SecretRef } from "agentsecrets";

import { Home, root, Upstream } from "./harness.mjs";

const folder = join(root, "tests/vectors/inject");
const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
const vectors = files.map((file) => ({ file, ...JSON.parse(readFileSync(join(folder, file), "utf8")) }));
const names = new Map();
let upstream, home, client;

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
function collect() {
  for (const { cases } of vectors) {
    for (const one of cases) {
      for (const injection of one.injections) {
        const value = bytesOf(one.secrets[injection.secret]);
        const key = value.toString("hex");
        const known = names.get(key) ?? { name: `VALUE_${names.size + 1}`, value, slots: new Set() };
        if (injection.name !== "") known.slots.add(slotOf(injection));
        names.set(key, known);
      }
    }
  }
}

before(async () => {
  collect();
  upstream = await Upstream.start("--http1");
  home = new Home(upstream);
  for (const known of names.values()) {
    if (known.value.length === 0) continue;
    home.run(["secrets", "set", known.name, "--weak", "--from-file", "/dev/stdin"], Buffer.concat([known.value, Buffer.from("\n")]));
    const slots = [...known.slots].flatMap((slot) => ["--slot", slot]);
    if (slots.length > 0) home.allow(known.name, "--path", "/**", ...slots);
  }
  client = home.client();
});

after(async () => {
  await client?.close();
  home?.stop();
  upstream?.stop();
});

function optionsOf(one) {
  const options = { method: one.request.method, headers: one.request.headers };
  if (one.request.body !== undefined) options.body = bytesOf(one.request.body);
  for (const { style, name, secret, format } of one.injections) {
    const reference = new SecretRef(names.get(bytesOf(one.secrets[secret]).toString("hex")).name);
    const formatted = format === undefined ? reference : reference.format(format);
    const option = STYLES[style];
    if (name === undefined) options[option] = formatted;
    else options[option] = { ...options[option], [name]: formatted };
  }
  return options;
}

/** JavaScript's options are maps: a place twice cannot even be written down. */
function isSayable(one) {
  const places = one.injections.map(({ style, name }) => `${style} ${name}`);
  return new Set(places).size === places.length;
}

async function check(one) {
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
    for (const one of cases.filter(isSayable)) test(one.name, () => check(one));
  });
}

test("the vectors were read", () => {
  assert.ok(vectors.length >= 7 && vectors.every(({ cases }) => cases.length > 0));
});
