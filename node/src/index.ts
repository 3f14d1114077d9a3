/**
 * Agents call APIs by a secret's name and never hold its value.
 *
 * `AgentSecrets` is the client, `SecretRef` the name of a secret; every error is an `AgentSecretsError`.
 */

export { Child, type ChildExit } from "./child.js";
export { AgentSecrets } from "./client.js";
export * from "./errors.js";
export { Allowlist, Secrets, Workspaces } from "./names.js";
export { CallResponse } from "./response.js";
export { SecretRef } from "./secretRef.js";
export { StreamedResponse } from "./stream.js";
export type * from "./types.js";
