// Lets undici, and Node's own `fetch`, make their calls through AgentSecrets. Run it with `node examples/node/transports.mjs`.
// It needs `npm install undici`.
import { SecretRef } from "agentsecrets";
import { AgentSecretsDispatcher } from "agentsecrets/undici";

const base = process.env.EXAMPLE_URL ?? "https://api.example.com";
const headers = { authorization: `Bearer ${new SecretRef("API_KEY").placeholder}` };
const dispatcher = new AgentSecretsDispatcher();

const response = await fetch(`${base}/echo`, { method: "POST", body: "{}", headers, dispatcher });
console.log(response.status, (await response.text()).includes("REDACTED"));

const refused = await fetch("https://elsewhere.example/", { headers, dispatcher }).catch((error) => error.cause);
console.log(refused.hint);
await dispatcher.close();
