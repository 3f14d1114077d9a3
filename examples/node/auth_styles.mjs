// The six places a secret can go to. Run it with `node examples/node/auth_styles.mjs`.
import assert from "node:assert/strict";

import { AgentSecrets, SecretRef } from "agentsecrets";

const base = process.env.EXAMPLE_URL ?? "https://api.example.com";
const url = `${base}/echo`;
const client = new AgentSecrets();

const bearer = await client.call(url, { bearer: "API_KEY" });
const basic = await client.call(url, { basic: "LOGIN" });
const header = await client.call(url, { header: { "X-Api-Key": "API_KEY" } });
const formatted = await client.call(url, { header: { Authorization: new SecretRef("API_KEY").format("Bot {}") } });
const query = await client.call(url, { query: { key: "API_KEY" } });
const body = await client.call(url, {
  method: "POST",
  body: { grant_type: "client_credentials" },
  bodyField: { "auth.client_secret": "API_KEY" },
});
const form = await client.call(url, {
  method: "POST",
  form: { grant_type: "client_credentials" },
  formField: { client_secret: "API_KEY" },
});

for (const response of [bearer, basic, header, formatted, query, body, form]) {
  // The echo sends the value back, so every answer names what was taken out of it.
  console.log(response.status, response.redacted);
  assert.ok(response.status === 200 && response.redacted.length > 0);
}
await client.close();
