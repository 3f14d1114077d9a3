// What a refusal tells. Run it with `node examples/node/errors.mjs`.
import { AgentSecrets, AgentSecretsError, DestinationNotAllowed } from "agentsecrets";

const base = process.env.EXAMPLE_URL ?? "https://api.example.com";
const client = new AgentSecrets();
try {
  await client.call("https://elsewhere.example/", { bearer: "API_KEY" });
} catch (error) {
  if (!(error instanceof DestinationNotAllowed)) throw error;
  console.log(`refused at stage ${error.stage}: ${error.message}`);
  console.log(`the owner would permit it with: ${error.hint}`);
}

const response = await client.call(`${base}/status/503`, { bearer: "API_KEY" });
console.log("an upstream error is a response:", response.status);

try {
  await client.call(`${base}/hang`, { bearer: "API_KEY", timeout: 200 });
} catch (error) {
  if (!(error instanceof AgentSecretsError)) throw error;
  console.log("any other:", error.code, error.is("timeout"));
}
await client.close();
