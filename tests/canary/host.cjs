// An agent in Node that makes a plan's calls in every way and shows everything it holds of them.
"use strict";

const { readFileSync, writeFileSync } = require("node:fs");
const { inspect } = require("node:util");
const { writeHeapSnapshot } = require("node:v8");
const { AgentSecrets, AgentSecretsError } = require(process.argv[2]);

const plan = JSON.parse(readFileSync(0, "utf8"));
const kept = [{ planted: plan.sentinel }];
const shown = new Set();
const outcomes = {};
const camel = { body_field: "bodyField", form_field: "formField", max_response: "maxResponse" };

const note = (outcome) => { outcomes[outcome] = (outcomes[outcome] ?? 0) + 1; };

function failed(error) {
  if (!(error instanceof AgentSecretsError)) throw error;
  note(error.code);
  kept.push(error);
  for (const text of [error.stack, String(error), error.message, error.hint]) shown.add(String(text));
}

function optionsOf(call) {
  const options = {};
  for (const [name, value] of Object.entries(call)) {
    if (name === "url") continue;
    options[camel[name] ?? name] = name === "timeout" ? value * 1000 : value;
  }
  return options;
}

async function called(client, call) {
  const answer = await client.call(call.url, optionsOf(call));
  note("answered");
  kept.push(answer);
  shown.add(Buffer.from(answer.arrayBuffer()).toString("latin1"));
  shown.add(answer.text());
  shown.add(inspect([answer.headers, answer.reason, answer.trailers, answer.url, answer.redacted], { depth: Infinity }));
}

async function fetched(client, call) {
  const { body_field, form_field, form, body, ...rest } = call;
  if (body_field || form_field || form || call.max_response) return called(client, call);
  const answer = await client.fetch(call.url, optionsOf({ ...rest, ...(body && { body: JSON.stringify(body) }) }));
  note("answered");
  kept.push(answer);
  const content = Buffer.from(await answer.arrayBuffer());
  shown.add(content.toString("latin1"));
  shown.add(content.toString("utf8"));
  shown.add(inspect([...answer.headers]));
}

function show(thing) {
  for (const way of [
    (it) => inspect(it, { showHidden: true, depth: 12, getters: true, maxArrayLength: null, maxStringLength: null }),
    (it) => JSON.stringify(it), (it) => String(it), (it) => JSON.stringify(Object.getOwnPropertyDescriptors(it)),
  ]) {
    try { shown.add(String(way(thing))); } catch (why) { shown.add(String(why.stack)); }
  }
}

(async () => {
  const client = new AgentSecrets({ home: plan.home, project: "demo" });
  for (const [at, call] of plan.calls.entries()) {
    try { await (at % 2 ? fetched : called)(client, call); } catch (error) { failed(error); }
  }
  kept.push(client, await client.secrets.list(), await client.status(), await client.logs({ last: 500 }));
  kept.push(await client.grants());
  kept.forEach(show);
  writeFileSync(plan.shown, [...shown].join("\n"));
  writeHeapSnapshot(plan.collected);
  process.stdout.write(`${JSON.stringify(outcomes)}\n`);
  await client.close();
})().catch((error) => { process.stderr.write(`${error.stack}\n`); process.exit(1); });
