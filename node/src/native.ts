// The native module, and the executable beside it: from the platform's package, or from a build in this tree.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

import { fromParts, type AgentSecretsError } from "./errors.js";

/** A call as the native module takes it; lists of pairs are flat. */
export interface CallSpec {
  method: string;
  url: string;
  headers?: string[] | undefined;
  params?: string[] | undefined;
  /** Style, place, reference and pattern in turn. */
  injections?: string[] | undefined;
  kind?: "plain" | "json" | "form" | "multipart" | undefined;
  text?: string | undefined;
  feed?: number | undefined;
  fields?: string[] | undefined;
  parts?: PartSpec[] | undefined;
  timeout?: number | undefined;
  maxResponse?: number | undefined;
  retries?: number | undefined;
  noRedirects?: boolean | undefined;
  placeholders?: boolean | undefined;
  project?: string | undefined;
  environment?: string | undefined;
}

export interface PartSpec {
  name: string;
  fileName?: string | undefined;
  contentType?: string | undefined;
  text?: string | undefined;
  bytes?: Buffer | undefined;
  feed?: number | undefined;
}

export interface Refusal {
  code: string;
  stage: string;
  retryable: boolean;
  message: string;
  hint?: string | null;
}

export interface Head {
  status: number;
  reason: string;
  url: string;
  headers: string[];
}

export interface Tail {
  redacted: string[];
  trailers: string[];
  auditIncomplete: boolean;
  durationMs?: number | null;
}

export interface Completion {
  id: number;
  error?: Refusal | null;
  head?: Head | null;
  body?: Buffer | null;
  stream?: BodyStream | null;
  chunk?: Buffer | null;
  tail?: Tail | null;
  taken?: boolean | null;
  answer?: unknown;
  child?: NativeChild | null;
  exit?: { code?: number | null; signal?: number | null; stdout?: Buffer | null; stderr?: Buffer | null } | null;
}

/** A child as the native module takes it; -1 inherits a stream, -2 drops and -3 captures it. */
export interface SpawnSpec {
  argv: string[];
  secrets: string[];
  streams: number[];
  variables?: string[] | undefined;
  directory?: string | undefined;
}

export interface NativeChild {
  readonly pid: number;
  signal(signal: number): void;
  wait(id: number): Refusal | null;
}

export interface Mailbox {
  hold(): void;
  release(): void;
  cancel(id: number): void;
}

/** A response's body: `read` gives the next piece at once, or has it delivered. */
export interface BodyStream {
  read(id: number): Completion | null | undefined;
  tail(): Tail | null;
  close(): void;
}

/** What became of a piece at once: nobody wants it, it was taken, or it waits. */
export const UNWANTED = 0;
export const WAITS = 2;

export interface BodyFeed {
  give(id: number, piece: Uint8Array): number;
  finish(id: number): number;
  close(): void;
}

export interface ClientOptions {
  home?: string | undefined;
  broker?: string | undefined;
  workspace?: string | undefined;
  project?: string | undefined;
  environment?: string | undefined;
  agentToken?: string | undefined;
  isolation?: string | undefined;
  unlock?: string | undefined;
  timeout?: number | undefined;
  executable?: string | undefined;
}

export type Question =
  | "secrets" | "check" | "grants" | "allowlist" | "status" | "logs"
  | "diff" | "diff_whole" | "pull" | "push" | "history" | "workspaces" | "use_workspace" | "members" | "workspace_log";

export interface NativeClient {
  readonly isolation: string;
  inWorkspace(workspace: string, project?: string): NativeClient | Refusal;
  call(id: number, call: CallSpec, bytes?: Uint8Array): Refusal | null;
  stream(id: number, call: CallSpec, bytes?: Uint8Array): Refusal | null;
  ask(id: number, what: Question, names?: string[], logs?: { last?: number; outcome?: string }): Refusal | null;
  spawn(id: number, spec: SpawnSpec): Refusal | null;
  close(): void;
}

export interface Reference {
  name: string;
  workspace?: string | null;
  project?: string | null;
  environment?: string | null;
  text: string;
  placeholder?: string | null;
}

interface Native {
  Mailbox: new (dispatch: (batch: Completion[]) => void) => Mailbox;
  BodyFeed: new (mailbox: Mailbox, id: number, length?: number) => BodyFeed;
  openClient(mailbox: Mailbox, options: ClientOptions): NativeClient | Refusal;
  parseReference(text: string, pattern?: string): Reference | Refusal;
  checkCall(call: CallSpec): Refusal | null;
}

/** The platforms there is a package for. */
const PACKAGES: Readonly<Record<string, string>> = { "linux-x64": "@agentsecrets/linux-x64-gnu" };

/** The folder that holds `agentsecrets.node` and the executable. */
function locate(): string {
  // Not in the published package: what `npm run native` builds.
  const built = join(__dirname, "..", "native");
  if (existsSync(join(built, "agentsecrets.node"))) return built;
  const platform = `${process.platform}-${process.arch}`;
  const name = PACKAGES[platform];
  if (name === undefined) throw new Error(`agentsecrets has no build for ${platform}`);
  try {
    return dirname(require.resolve(`${name}/package.json`));
  } catch {
    throw new Error(`agentsecrets needs the package ${name}; install without --omit=optional`);
  }
}

const folder = locate();

export const native: Native = require(join(folder, "agentsecrets.node")) as Native;

/** The executable of this package, where it has one. */
export function ownExecutable(): string | undefined {
  const path = join(folder, process.platform === "win32" ? "agentsecrets.exe" : "agentsecrets");
  return existsSync(path) ? path : undefined;
}

/** The error that the native module tells of. */
export function errorOf(refusal: Refusal): AgentSecretsError {
  return fromParts(refusal.code, refusal.stage, refusal.retryable, refusal.message, refusal.hint);
}

/** Whether a native answer is a refusal. */
export function isRefusal(answer: object): answer is Refusal {
  return "retryable" in answer;
}
