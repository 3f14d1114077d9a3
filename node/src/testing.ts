/**
 * Tests without a network: a client that records calls and answers from a script.
 *
 * ```ts
 * const mock = new MockAgentSecrets();
 * mock.respond("https://api.stripe.com/*", { json: { ok: true } });
 * await codeUnderTest(mock);
 * assert.equal(mock.calls[0].options.bearer, "STRIPE_KEY");
 * ```
 *
 * The rules about arguments are the real ones: what the real client refuses as `InvalidCall` is refused here. Policy,
 * store and upstream are not played; say their errors with `fail`.
 */

import { STATUS_CODES } from "node:http";

import type { Prepared } from "./body.js";
import type { Child } from "./child.js";
import type { AgentSecrets } from "./client.js";
import { InvalidCall, NeedsBroker, type AgentSecretsError } from "./errors.js";
import { callOf, webResponse } from "./fetch.js";
import { errorOf, native, type Head, type Tail } from "./native.js";
import { prepare } from "./request.js";
import { CallResponse } from "./response.js";
import { StreamedResponse, type Chunks } from "./stream.js";
import type {
  CallOptions, ChainEntry, Checked, Chosen, DriftInfo, FetchOptions, GrantInfo, LogEntry, MemberInfo, PullReport, PushReport,
  SecretInfo, SpawnOptions, Status, VersionInfo, WorkspaceInfo,
} from "./types.js";

/** A client's public face, whatever is behind it. */
export type AgentSecretsLike = { [Name in keyof Omit<AgentSecrets, "workspace">]: Face<AgentSecrets[Name]> } & {
  workspace(...said: Parameters<AgentSecrets["workspace"]>): AgentSecretsLike;
};
type Face<T> = T extends (...args: never[]) => unknown ? T : T extends object ? { [Name in keyof T]: T[Name] } : T | "mock";

/** A call as the code under test made it. */
export interface RecordedCall {
  readonly method: string;
  readonly url: string;
  /** Every option that was given. */
  readonly options: CallOptions;
  /** What the streamed parts of the body gave, one entry a part. */
  readonly sent: Uint8Array[];
}

/** An answer out of the script; one of `json`, `text`, `content` and `chunks` is its body. */
export interface Canned {
  readonly status?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly json?: unknown;
  readonly text?: string | undefined;
  readonly content?: Uint8Array | undefined;
  readonly chunks?: Iterable<Uint8Array | string> | undefined;
  readonly redacted?: readonly string[] | undefined;
}

/** What the questions are answered with. */
export interface Told {
  status?: Status;
  secrets?: SecretInfo[];
  check?: Checked[];
  grants?: GrantInfo[];
  logs?: LogEntry[];
  allowlist?: string[];
  diff?: DriftInfo[];
  pull?: PullReport;
  push?: PushReport;
  history?: VersionInfo[];
  workspaces?: WorkspaceInfo[];
  chosen?: Chosen;
  members?: MemberInfo[];
  chain?: ChainEntry[];
}

interface Rule {
  readonly url: RegExp;
  readonly method: string | undefined;
  readonly said: Canned | AgentSecretsError;
}

/** `AgentSecrets` without a network: records calls, and answers from a script. */
export class MockAgentSecrets implements AgentSecretsLike {
  readonly isolation = "mock";
  /** The calls made so far, oldest first. */
  readonly calls: RecordedCall[] = [];
  readonly #rules: Rule[] = [];
  readonly #told: Told = {};
  #closed = false;

  readonly secrets = {
    list: async (): Promise<SecretInfo[]> => this.#answer("secrets", []),
    check: async (...names: string[]): Promise<Checked[]> =>
      this.#answer("check", names.map((name) => ({ name, present: true, granted: true }))),
    diff: async (): Promise<DriftInfo[]> => this.#answer("diff", []),
    pull: async (): Promise<PullReport> => this.#answer("pull", { pulled: [], conflicts: [], unpushed: [] }),
    push: async (): Promise<PushReport> => this.#answer("push", { pushed: [], conflicts: [], needsOwner: [] }),
    history: async (): Promise<VersionInfo[]> => this.#answer("history", []),
  };

  readonly workspaces = {
    list: async (): Promise<WorkspaceInfo[]> => this.#answer("workspaces", []),
    use: async (): Promise<Chosen> => this.#answer("chosen", {}),
    members: async (): Promise<MemberInfo[]> => this.#answer("members", []),
    log: async (): Promise<ChainEntry[]> => this.#answer("chain", []),
  };

  readonly allowlist = {
    list: async (): Promise<string[]> => this.#answer("allowlist", []),
  };

  /** Answers calls of a URL (`*` stands for anything in it); the last rule that fits counts. */
  respond(url = "*", said: Canned & { method?: string } = {}): void {
    this.#rules.push({ url: matcher(url), method: said.method, said });
  }

  /** Refuses calls of a URL with an error, as in `fail(new DestinationNotAllowed("no"))`. */
  fail(error: AgentSecretsError, url = "*", method?: string): void {
    this.#rules.push({ url: matcher(url), method, said: error });
  }

  /** Says what the questions answer. */
  tell(told: Told): void {
    Object.assign(this.#told, told);
  }

  async call(url: string | URL, options: CallOptions = {}): Promise<CallResponse> {
    const { head, chunks, redacted } = await this.#send(url, options);
    const tail: Tail = { redacted, trailers: [], auditIncomplete: false, durationMs: 0 };
    return new CallResponse(head, new Uint8Array(Buffer.concat(chunks)), tail);
  }

  async stream(url: string | URL, options: CallOptions = {}): Promise<StreamedResponse> {
    const { head, chunks, redacted } = await this.#send(url, options);
    return new StreamedResponse(head, new CannedChunks(chunks, redacted));
  }

  readonly fetch = async (input: string | URL | Request, init?: FetchOptions): Promise<Response> => {
    const { url, options } = callOf(input, init);
    const { head, chunks, redacted } = await this.#send(url, options);
    return webResponse(head, new CannedChunks(chunks, redacted));
  };

  /** The mock itself: it is in every workspace. */
  workspace(_name: string, _options?: { project?: string | undefined }): this {
    return this;
  }

  /** A mock starts no child. */
  async spawn(_argv: readonly string[], _options?: SpawnOptions): Promise<Child> {
    throw new NeedsBroker("a mock starts no child");
  }

  async grants(_name?: string): Promise<GrantInfo[]> {
    return this.#answer("grants", []);
  }

  async status(): Promise<Status> {
    const { status } = this.#told;
    if (status === undefined) throw new Error("no status was told: say one with tell()");
    return status;
  }

  async logs(_wanted?: { last?: number | undefined; outcome?: string | undefined }): Promise<LogEntry[]> {
    return this.#answer("logs", []);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #answer<Name extends keyof Told>(what: Name, otherwise: NonNullable<Told[Name]>): NonNullable<Told[Name]> {
    return this.#told[what] ?? otherwise;
  }

  async #send(url: string | URL, options: CallOptions): Promise<{ head: Head; chunks: Buffer[]; redacted: string[] }> {
    if (this.#closed) throw new InvalidCall("the client is closed");
    const prepared = prepare(url, options);
    const refusal = native.checkCall(prepared.spec);
    if (refusal) throw errorOf(refusal);
    options.signal?.throwIfAborted();
    const made: RecordedCall = { method: prepared.spec.method.toUpperCase(), url: String(url), options, sent: [] };
    this.calls.push(made);
    await drain(prepared, made);
    const rule = this.#rules.findLast(({ url: fits, method }) => {
      return fits.test(made.url) && (method === undefined || method.toUpperCase() === made.method);
    });
    if (rule === undefined) throw new Error(`no rule for ${made.method} ${made.url}: say one with respond()`);
    if (rule.said instanceof Error) throw rule.said;
    return canned(made.url, rule.said);
  }
}

async function drain(prepared: Prepared, made: RecordedCall): Promise<void> {
  for (const { source } of prepared.sources) {
    const pieces: Uint8Array[] = [];
    for await (const piece of source as AsyncIterable<Uint8Array | string>) pieces.push(Buffer.from(piece));
    made.sent.push(Buffer.concat(pieces));
  }
}

function canned(url: string, said: Canned): { head: Head; chunks: Buffer[]; redacted: string[] } {
  const headers = Object.entries(said.headers ?? {}).flatMap(([name, value]) => [name.toLowerCase(), value]);
  if (said.json !== undefined && !headers.includes("content-type")) headers.push("content-type", "application/json");
  const status = said.status ?? 200;
  const head = { status, reason: STATUS_CODES[status] ?? "", url, headers };
  return { head, chunks: chunksOf(said), redacted: [...(said.redacted ?? [])] };
}

function chunksOf(said: Canned): Buffer[] {
  if (said.json !== undefined) return [Buffer.from(JSON.stringify(said.json))];
  if (said.text !== undefined) return [Buffer.from(said.text)];
  if (said.content !== undefined) return [Buffer.from(said.content)];
  return [...(said.chunks ?? [])].map((chunk) => Buffer.from(chunk));
}

function matcher(url: string): RegExp {
  const parts = url.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^]*")}$`);
}

class CannedChunks implements Chunks {
  readonly #chunks: Buffer[];
  readonly #redacted: string[];

  constructor(chunks: Buffer[], redacted: string[]) {
    this.#chunks = [...chunks];
    this.#redacted = redacted;
  }

  async next(): Promise<Uint8Array | undefined> {
    const chunk = this.#chunks.shift();
    return chunk && new Uint8Array(chunk);
  }

  close(): void {
    this.#chunks.length = 0;
  }

  tail(): Tail {
    return { redacted: this.#redacted, trailers: [], auditIncomplete: false };
  }
}
