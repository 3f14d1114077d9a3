// One request of undici's and its answer, told to a handler of either of undici's two interfaces.

import type { IncomingHttpHeaders } from "node:http";

import { errors, type Dispatcher } from "undici";

import type { StreamedResponse } from "./stream.js";

/** What of an answer is told. */
type Answer = Pick<StreamedResponse, "status" | "statusText" | "headers" | "trailers" | "bytes" | "close">;

/** What a handler is told; `false` asks for a pause until `resume`. */
interface Listener {
  start(exchange: Exchange): void;
  head(exchange: Exchange, status: number, headers: Headers, statusText: string): boolean | void;
  data(exchange: Exchange, chunk: Buffer): boolean | void;
  end(exchange: Exchange, trailers: Headers): void;
  error(exchange: Exchange, error: Error): void;
}

/** A request under way. It is what undici calls a controller. */
export class Exchange implements Dispatcher.DispatchController {
  rawHeaders: Buffer[] | null = null;
  rawTrailers: Buffer[] | null = null;
  readonly #listener: Listener;
  readonly #bodyTimeout: number;
  readonly #abort = new AbortController();
  #resume: (() => void) | undefined;
  #isPaused = false;

  constructor(listener: Listener, bodyTimeout: number) {
    this.#listener = listener;
    this.#bodyTimeout = bodyTimeout;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get aborted(): boolean {
    return this.signal.aborted;
  }

  get reason(): Error | null {
    return this.aborted ? (this.signal.reason as Error) : null;
  }

  get paused(): boolean {
    return this.#isPaused;
  }

  /** Gives the request up: its socket is closed, and the handler is told the reason. */
  abort(reason?: Error): void {
    this.#abort.abort(reason ?? new errors.RequestAbortedError());
    this.resume();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#resume?.();
    this.#resume = undefined;
  }

  fail(error: Error): void {
    this.#listener.error(this, error);
  }

  /** Sends, and tells the handler how it goes; never rejects unless the handler throws at an error. */
  async run(send: () => Promise<Answer>, translated: (error: unknown) => Error): Promise<void> {
    let response: Answer | undefined;
    try {
      // As of a dispatcher with a socket: the handler hears nothing before the caller has come back.
      await Promise.resolve();
      this.#listener.start(this);
      this.signal.throwIfAborted();
      response = await send();
      this.signal.throwIfAborted();
      this.rawHeaders = rawOf(response.headers);
      if (this.#listener.head(this, response.status, response.headers, response.statusText) === false) this.pause();
      for await (const chunk of this.#chunks(response)) {
        if (this.#listener.data(this, chunk) === false) this.pause();
      }
      this.rawTrailers = rawOf(response.trailers);
      this.#listener.end(this, response.trailers);
    } catch (error) {
      response?.close();
      this.fail(this.reason ?? translated(error));
    }
  }

  /** The body's pieces, each read when the handler wants it. */
  async *#chunks(response: Answer): AsyncGenerator<Buffer, void, undefined> {
    const chunks = response.bytes();
    for (;;) {
      if (this.#isPaused) await new Promise<void>((resume) => (this.#resume = resume));
      this.signal.throwIfAborted();
      const { done, value } = await this.#inTime(chunks.next());
      if (done) return;
      if (value.byteLength > 0) yield Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
  }

  async #inTime<T>(read: Promise<T>): Promise<T> {
    if (this.#bodyTimeout === 0) return read;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new errors.BodyTimeoutError()), this.#bodyTimeout);
    });
    try {
      return await Promise.race([read, late]);
    } finally {
      clearTimeout(timer);
      // Where it was late: closing the response settles it, and nobody waits for that.
      read.catch(() => undefined);
    }
  }
}

/** A listener that tells a handler, of the interface with a controller or of the older one without. */
export function listenerOf(handler: Dispatcher.DispatchHandler): Listener {
  if (handler === null || typeof handler !== "object") throw new errors.InvalidArgumentError("handler must be an object");
  return handler.onRequestStart ? current(handler) : former(handler);
}

function current(handler: Dispatcher.DispatchHandler): Listener {
  return {
    start: (exchange) => handler.onRequestStart?.(exchange, undefined),
    head: (exchange, status, headers, text) => handler.onResponseStart?.(exchange, status, objectOf(headers), text),
    data: (exchange, chunk) => handler.onResponseData?.(exchange, chunk),
    end: (exchange, trailers) => handler.onResponseEnd?.(exchange, objectOf(trailers)),
    error: (exchange, error) => handler.onResponseError?.(exchange, error),
  };
}

function former(handler: Dispatcher.DispatchHandler): Listener {
  return {
    start: (exchange) => handler.onConnect?.((reason) => exchange.abort(reason)),
    head: (exchange, status, _, text) => {
      handler.onResponseStarted?.();
      return handler.onHeaders?.(status, exchange.rawHeaders ?? [], () => exchange.resume(), text);
    },
    data: (_, chunk) => handler.onData?.(chunk),
    end: (exchange) => handler.onComplete?.(exchange.rawTrailers as unknown as string[]),
    error: (_, error) => handler.onError?.(error),
  };
}

/** Names and values in turn, in Latin-1 as they were on the wire. */
function rawOf(headers: Headers): Buffer[] {
  return [...headers].flatMap((pair) => pair.map((text) => Buffer.from(text, "latin1")));
}

function objectOf(headers: Headers): IncomingHttpHeaders {
  const cookies = headers.getSetCookie();
  return { ...Object.fromEntries(headers), ...(cookies.length > 0 && { "set-cookie": cookies }) };
}
