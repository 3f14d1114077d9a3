// An agent in Node: makes calls in every style, says `during` while one is under way and `after` when all are done.
"use strict";

const { createInterface } = require("node:readline");
const { AgentSecrets, AgentSecretsError } = require(process.argv[2]);

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => (await lines.next()).value;
const kept = [];
const camel = { body_field: "bodyField", form_field: "formField" };

async function make(client, call) {
  const options = {};
  for (const [name, value] of Object.entries(call)) if (name !== "url") options[camel[name] ?? name] = value;
  try {
    const answer = await client.call(call.url, options);
    kept.push([answer, answer.text(), answer.headers, answer.status]);
  } catch (error) {
    if (!(error instanceof AgentSecretsError)) throw error;
    kept.push([error, String(error), error.stack, "error"]);
  }
}

(async () => {
  const plan = JSON.parse(await next());
  globalThis.sentinel = plan.sentinel;
  const client = new AgentSecrets({ home: plan.home, project: "demo", isolation: plan.isolation, unlock: plan.unlock });
  for (const call of plan.calls) await make(client, call);
  const stream = await client.fetch(plan.stream.url, { bearer: plan.stream.bearer });
  const reader = stream.body.getReader();
  kept.push(await reader.read());
  const slow = make(client, plan.slow);
  process.stdout.write("during\n");
  await next();
  await reader.cancel();
  await slow;
  process.stdout.write(`after ${JSON.stringify(kept.filter(Array.isArray).map((item) => item[3]))}\n`);
  await next();
  process.exit(0);
})();
