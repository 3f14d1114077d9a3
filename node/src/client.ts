// The client: calls by a secret's name, and questions about names.

import { Feeding, type Prepared } from "./body.js";
import { Child, specOf } from "./child.js";
import { InvalidCall, UpstreamUnreachable } from "./errors.js";
import { callOf, webResponse } from "./fetch.js";
import { mailbox, run } from "./mailbox.js";
import { Allowlist, Secrets, Workspaces, type Ask } from "./names.js";
import {
  errorOf, isRefusal, native, ownExecutable,
  type ClientOptions, type Completion, type NativeClient, type Question, type Refusal, type Tail,
} from "./native.js";
import { Refused } from "./refused.js";
import { prepare } from "./request.js";
import { CallResponse } from "./response.js";
import { NativeChunks, StreamedResponse } from "./stream.js";
import { told } from "./told.js";
import type {
  AgentSecretsOptions, CallOptions, FetchOptions, GrantInfo, Isolation, LogEntry, Outcome, SpawnOptions, Status,
} from "./types.js";

/** Fetch, "redirect status". */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** A native client that is open already. */
class Opened {
  readonly native: NativeClient;

  constructor(opened: NativeClient) {
    this.native = opened;
  }
}

/** Makes authenticated calls by a secret's name. One is enough for a program. */
export class AgentSecrets {
  /** The names of the environment in use. */
  readonly secrets: Secrets;
  /** The origins of the workspace. */
  readonly allowlist: Allowlist;
  /** The workspaces of this home, and who is in the one in use. */
  readonly workspaces: Workspaces;
  readonly #native: NativeClient;
  readonly #isolation: Isolation;
  #closed = false;

  /** @throws {AgentSecretsError} There is no home, or a choice, a variable or the project file is not usable. */
  constructor(options: AgentSecretsOptions = {}) {
    const opened = options instanceof Opened ? options.native : native.openClient(mailbox, choices(options));
    if (isRefusal(opened)) throw errorOf(opened);
    this.#native = opened;
    this.#isolation = opened.isolation as Isolation;
    const ask: Ask = (what, names, logs) => this.#ask(what, names, logs);
    this.secrets = new Secrets(ask);
    this.allowlist = new Allowlist(ask);
    this.workspaces = new Workspaces(ask);
  }

  /** How far the values are from this process. */
  get isolation(): Isolation {
    return this.#isolation;
  }

  /** Makes a call and reads the whole answer. An upstream 4xx or 5xx is a response. */
  async call(url: string | URL, options: CallOptions = {}): Promise<CallResponse> {
    const prepared = prepare(url, options);
    const done = await this.#send(prepared, options.signal, (id) => this.#native.call(id, prepared.spec, prepared.bytes));
    return new CallResponse(done.completion.head!, done.completion.body!, done.completion.tail as Tail);
  }

  /** Makes a call whose answer is read as it comes. */
  async stream(url: string | URL, options: CallOptions = {}): Promise<StreamedResponse> {
    const { completion, ended } = await this.#open(url, options);
    return new StreamedResponse(completion.head!, new NativeChunks(completion.stream!, options.signal, ended));
  }

  /**
   * `fetch` as the web has it, for libraries that take one; it needs no `this`. Its options are the web's and those of
   * `call`; a placeholder in a header stands for its secret.
   */
  readonly fetch = async (input: string | URL | Request, init?: FetchOptions): Promise<Response> => {
    const { url, options } = callOf(input, init);
    const opened = await this.#open(url, options).catch((error) => Refused.of(error, options.headers as Headers));
    if (opened instanceof Refused) return opened.response();
    const { completion, ended } = opened;
    const chunks = new NativeChunks(completion.stream!, options.signal, ended);
    const redirect = init?.redirect ?? (input instanceof Request ? input.redirect : "follow");
    if (redirect === "error" && REDIRECTS.has(completion.head!.status)) {
      chunks.close();
      throw new UpstreamUnreachable("the upstream redirects, and the call takes no redirect", { retryable: false });
    }
    return webResponse(completion.head!, chunks);
  };

  /**
   * Has the broker run a command that the owner has granted secrets to. The values are in its environment under the
   * secrets' names, and nowhere here; its output comes without them. Prefer `call` and placeholders: what a command has,
   * every process of this user can read.
   */
  async spawn(argv: readonly string[], options: SpawnOptions = {}): Promise<Child> {
    this.#check();
    const spec = specOf(argv, options);
    return new Child((await run((id) => this.#native.spawn(id, spec))).child!);
  }

  /**
   * The same client in another workspace of this home, over the same connections. A project is one workspace's alone, so
   * this client's is left behind: the new one means `project`, else what the workspace has for this directory. Whether
   * the workspace is there is said by what the new client is asked.
   *
   * @throws {InvalidCall} One of them is no name.
   */
  workspace(name: string, options: { project?: string | undefined } = {}): AgentSecrets {
    this.#check();
    const inside = this.#native.inWorkspace(String(name), options.project);
    if (isRefusal(inside)) throw errorOf(inside);
    return new AgentSecrets(new Opened(inside) as AgentSecretsOptions);
  }

  /** The grants of the project in use, or those of one name. */
  async grants(name?: string): Promise<GrantInfo[]> {
    return told(await this.#ask("grants", name === undefined ? [] : [String(name)]));
  }

  /** Where things stand: home, store, project, server, and whether anything is wrong. */
  async status(): Promise<Status> {
    return told(await this.#ask("status"));
  }

  /** The calls on record, the newest `last` of them. */
  async logs(wanted: { last?: number | undefined; outcome?: Outcome | undefined } = {}): Promise<LogEntry[]> {
    const { last, outcome } = wanted;
    if (last !== undefined && !(Number.isInteger(last) && last >= 0 && last < 2 ** 32)) {
      throw new InvalidCall("last is a whole number");
    }
    const filter = { ...(last !== undefined && { last }), ...(outcome !== undefined && { outcome }) };
    return told(await this.#ask("logs", [], filter));
  }

  /** Lets go of the client and its idle connections; calls under way are finished. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#native.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #ask(what: Question, names?: string[], logs?: { last?: number; outcome?: string }): Promise<unknown> {
    this.#check();
    return (await run((id) => this.#native.ask(id, what, names, logs))).answer;
  }

  #open(url: string | URL, options: CallOptions): Promise<{ completion: Completion; ended?: () => void }> {
    const prepared = prepare(url, options);
    return this.#send(prepared, options.signal, (id) => this.#native.stream(id, prepared.spec, prepared.bytes), true);
  }

  /** Sends a call and feeds its body; where the answer is streamed, feeding may go on while it is read. */
  async #send(
    prepared: Prepared,
    signal: AbortSignal | null | undefined,
    start: (id: number) => Refusal | null,
    streams = false,
  ): Promise<{ completion: Completion; ended?: () => void }> {
    this.#check();
    if (prepared.sources.length === 0) return { completion: await run(start, signal) };
    const feeding = new Feeding(prepared);
    let isOpen = false;
    try {
      const running = run(start, signal);
      feeding.start();
      const completion = await running;
      isOpen = streams;
      return { completion, ended: () => feeding.stop() };
    } catch (error) {
      // What a source threw is why the request broke off.
      throw feeding.failure ? feeding.failure.reason : error;
    } finally {
      if (!isOpen) feeding.stop();
    }
  }

  #check(): void {
    if (this.#closed) throw new InvalidCall("the client is closed");
  }
}

function choices(options: AgentSecretsOptions): ClientOptions {
  const { workspace, project, environment, agentToken, broker, isolation, unlock, home, timeout } = options;
  const chosen: ClientOptions = { workspace, project, environment, agentToken, broker, isolation, unlock, home, timeout };
  for (const [name, value] of Object.entries(chosen)) {
    const wanted = name === "timeout" ? "number" : "string";
    if (value !== undefined && typeof value !== wanted) throw new InvalidCall(`${name} is a ${wanted}`);
  }
  return { ...chosen, executable: ownExecutable() };
}
