// Compiled, never run: what a TypeScript user writes, and what the compiler must refuse.

import {
  AgentSecrets, AgentSecretsError, SecretRef,
  type CallOptions, type DriftInfo, type ErrorCode, type LogEntry, type PushReport,
} from "agentsecrets";
import { MockAgentSecrets, type AgentSecretsLike } from "agentsecrets/testing";
import { AgentSecretsDispatcher } from "agentsecrets/undici";
import { fetch as undiciFetch, request, setGlobalDispatcher } from "undici";

export async function usage(signal: AbortSignal): Promise<void> {
  await using client = new AgentSecrets({ project: "p", isolation: "broker", timeout: 1000 });
  const options: CallOptions = { bearer: "KEY", header: { "X-Key": new SecretRef("B").format("Bot {}") }, signal };
  const response = await client.call(new URL("https://a.example.com"), options);
  const names: readonly string[] = response.redacted;
  const typed: { id: string } = response.json<{ id: string }>();
  const web: Response = await client.fetch("https://a.example.com", { bearer: "KEY", body: new FormData(), method: "POST" });
  await using streamed = await client.stream("https://a.example.com", { form: { a: [1, true, "x"] } });
  for await (const { data, retry } of streamed.events()) console.log(data, retry?.toFixed());
  const entries: LogEntry[] = await client.logs({ last: 3, outcome: "denied" });
  // A library's parameter of this type takes it.
  const library = (fetch: typeof globalThis.fetch) => fetch;
  library(client.fetch as typeof globalThis.fetch);
  console.log(names, typed, web, entries, client.isolation);
}

export async function shared(client: AgentSecretsLike): Promise<readonly DriftInfo[]> {
  const inside = client.workspace("acme", { project: "payments" });
  const drift: DriftInfo[] = await inside.secrets.diff({ all: true });
  const { needsOwner }: PushReport = await inside.secrets.push(...drift.map(({ name }) => name));
  const newest: Date | undefined = (await inside.secrets.history("KEY"))[0]?.time;
  console.log((await inside.status()).sync?.heard?.getTime(), newest, (await inside.workspaces.members())[0]?.fingerprint);
  // @ts-expect-error an act is the owner's
  await inside.secrets.pull({ act: "signed" });
  return needsOwner;
}

export async function dispatched(): Promise<void> {
  const dispatcher = new AgentSecretsDispatcher({ project: "p" });
  setGlobalDispatcher(new AgentSecretsDispatcher(new AgentSecrets()));
  const { body } = await request("https://a.example.com", { dispatcher });
  console.log(await body.text(), await undiciFetch("https://a.example.com", { dispatcher }));
  await dispatcher.close();
}

export function errors(error: unknown): ErrorCode | undefined {
  if (error instanceof AgentSecretsError && error.is("slot_not_allowed")) return error.code;
  return undefined;
}

export function either(client: AgentSecretsLike): AgentSecretsLike[] {
  return [client, new MockAgentSecrets(), new AgentSecrets()];
}

// @ts-expect-error a value has no place in a call
export const value: CallOptions = { bearer: 7 };
// @ts-expect-error there is no such style
export const style: CallOptions = { token: "KEY" };
// @ts-expect-error there is no way to a value
export const get = (reference: SecretRef) => reference.get();
