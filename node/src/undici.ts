/**
 * A dispatcher for undici, for Node's own `fetch`, and for what is built on them.
 *
 * A request that carries a placeholder (`SecretRef.placeholder`) goes through AgentSecrets, and so does any other: it is
 * then refused (`nothing_to_inject`) unless the workspace allowlist names its origin.
 */

import { stringify } from "node:querystring";

import { Dispatcher, errors } from "undici";

import { Measured } from "./body.js";
import { AgentSecrets } from "./client.js";
import { AgentSecretsError, BrokerUnavailable, InvalidCall, Timeout, UpstreamUnreachable } from "./errors.js";
import { Exchange, listenerOf } from "./exchange.js";
import { Refused } from "./refused.js";
import type { AgentSecretsOptions, CallOptions } from "./types.js";

type Options = Dispatcher.DispatchOptions;
/** Milliseconds for the head, and for each piece of a body, unless a request says its own: undici's defaults. */
const LIMIT = 300_000;

type Done = (error?: Error | null, data?: unknown) => void;

/**
 * Sends what undici is asked for through a client: `setGlobalDispatcher(new AgentSecretsDispatcher())`, or as the
 * `dispatcher` of a request or a `fetch`.
 *
 * Redirects are the library's: each is a request of its own, on which policy decides. A refusal is the
 * `AgentSecretsError` it is (`fetch` makes it the cause of its `TypeError`), and to the SDKs of OpenAI and Anthropic, which
 * would try that again, a response of 403; what fails on the way is undici's own error, with the `AgentSecretsError` as its
 * cause.
 */
export class AgentSecretsDispatcher extends Dispatcher {
  readonly #client: AgentSecrets;
  readonly #isOwn: boolean;
  readonly #running = new Set<Exchange>();
  #isClosed = false;
  #idle: (() => void)[] = [];

  /** @param client A client, which is not closed here, or the options of one that the dispatcher makes and closes. */
  constructor(client: AgentSecrets | AgentSecretsOptions = {}) {
    super();
    this.#isOwn = !(client instanceof AgentSecrets);
    this.#client = client instanceof AgentSecrets ? client : new AgentSecrets(client);
  }

  /** Sends a request. What becomes of it is told to the handler, later; it is never asked to wait. */
  override dispatch(options: Options, handler: Dispatcher.DispatchHandler): boolean {
    const exchange = new Exchange(listenerOf(handler), options.bodyTimeout ?? LIMIT);
    if (this.#isClosed) {
      exchange.fail(new errors.ClientClosedError());
      return false;
    }
    this.#running.add(exchange);
    const send = async () => {
      const call = callOf(options, exchange.signal);
      return this.#client.stream(urlOf(options), call).catch((error) => Refused.of(error, call.headers as [string, string][]));
    };
    void exchange.run(send, translated).finally(() => {
      this.#running.delete(exchange);
      if (this.#running.size === 0) for (const idle of this.#idle.splice(0)) idle();
    });
    return true;
  }

  /** Takes no more requests, and waits for those under way. */
  override close(): Promise<void>;
  override close(callback: () => void): void;
  override close(callback?: Done): Promise<void> | void {
    this.#isClosed = true;
    const closed = this.#end();
    if (!callback) return closed;
    void callbackOf(closed, callback);
  }

  /** Takes no more requests, and gives up those under way. */
  override destroy(): Promise<void>;
  override destroy(error: Error | null): Promise<void>;
  override destroy(callback: () => void): void;
  override destroy(error: Error | null, callback: () => void): void;
  override destroy(error?: Error | null | Done, callback?: Done): Promise<void> | void {
    const reason = typeof error === "function" ? undefined : error;
    for (const exchange of this.#running) exchange.abort(reason ?? new errors.ClientDestroyedError());
    return this.close((typeof error === "function" ? error : callback) as () => void);
  }

  async #end(): Promise<void> {
    if (this.#running.size > 0) await new Promise<void>((idle) => this.#idle.push(idle));
    if (this.#isOwn) await this.#client.close();
  }
}

function urlOf({ origin, path, query }: Options): string {
  // Joined as texts: a path that begins with two slashes is a path all the same.
  const base = origin instanceof URL ? origin.origin : String(origin).replace(/\/$/, "");
  if (!query) return base + path;
  if (/[?#]/.test(path)) throw new InvalidCall("a path with a query takes no further query");
  return `${base}${path}?${stringify(query as Record<string, string>)}`;
}

function callOf(options: Options, signal: AbortSignal): CallOptions {
  if (options.upgrade || options.method === "CONNECT") {
    throw new InvalidCall("a request that changes the protocol is not for this dispatcher");
  }
  const headers = pairsOf(options.headers);
  const length = headers.find(([name]) => name.toLowerCase() === "content-length")?.[1];
  return {
    method: options.method,
    headers,
    body: bodyOf(options.body, length),
    // undici says 0 for no limit, and 24 days are what a timer can do.
    timeout: options.headersTimeout === 0 ? 2 ** 31 - 1 : (options.headersTimeout ?? LIMIT),
    followRedirects: false,
    placeholders: true,
    signal,
  };
}

/** The headers in pairs: undici takes a flat list, pairs, or an object. */
function pairsOf(headers: Options["headers"]): [string, string][] {
  const pairs: [string, string][] = [];
  const add = (name: unknown, value: unknown) => {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) pairs.push([String(name), String(one)]);
  };
  if (Array.isArray(headers) && !Array.isArray(headers[0])) {
    for (let at = 0; at + 1 < headers.length; at += 2) add(headers[at], headers[at + 1]);
  } else if (headers) {
    const each = Symbol.iterator in headers ? (headers as Iterable<[string, unknown]>) : Object.entries(headers);
    for (const [name, value] of each) add(name, value);
  }
  return pairs;
}

/** The body; what is streamed goes with its length where that was said. */
function bodyOf(body: unknown, length: string | undefined): CallOptions["body"] {
  if (typeof body !== "object" || body === null || ArrayBuffer.isView(body)) return body as CallOptions["body"];
  const isStream = Symbol.asyncIterator in body;
  return isStream && length !== undefined ? new Measured(body as AsyncIterable<Uint8Array>, Number(length)) : body;
}

async function callbackOf(closed: Promise<void>, callback: Done): Promise<void> {
  await closed;
  callback(null, null);
}

/** What went wrong on the way, as undici tells it; refusals and what others threw stay what they are. */
function translated(error: unknown): Error {
  if (error instanceof Timeout) return told(errors.HeadersTimeoutError, error);
  if (error instanceof UpstreamUnreachable || error instanceof BrokerUnavailable) return told(errors.SocketError, error);
  return error instanceof Error ? error : new errors.RequestAbortedError(String(error));
}

function told(kind: { new (message?: string): Error }, cause: AgentSecretsError): Error {
  return Object.assign(new kind(cause.message), { cause });
}
