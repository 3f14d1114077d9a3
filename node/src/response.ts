// A response whose body has been read. Everything about it is known, so nothing here waits.

import { UpstreamError } from "./errors.js";
import type { Head, Tail } from "./native.js";

const RETRYABLE: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** What both kinds of response say before their body. */
export class ResponseHead {
  /** The status code. */
  readonly status: number;
  /** The reason phrase. */
  readonly statusText: string;
  /** The URL that answered, after same-origin redirects; the values of its query are hidden. */
  readonly url: string;
  readonly #headers: string[];
  #made: Headers | undefined;

  /** @internal */
  constructor(head: Head) {
    this.status = head.status;
    this.statusText = head.reason;
    this.url = head.url;
    this.#headers = head.headers;
  }

  /** Whether the status is 2xx. */
  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** The headers; values that came back are taken out. */
  get headers(): Headers {
    return (this.#made ??= headersOf(this.#headers));
  }

  /**
   * This response, unless its status is 4xx or 5xx.
   * @throws {UpstreamError}
   */
  raiseForStatus(): this {
    if (this.status < 400) return this;
    throw new UpstreamError(`the upstream answered ${this.status} ${this.statusText}`.trimEnd(), {
      retryable: RETRYABLE.has(this.status),
    });
  }
}

/** A response whose body has been read. */
export class CallResponse extends ResponseHead {
  /** The names of the values that came back, and were taken out. */
  readonly redacted: readonly string[];
  /** From the call to the last byte, in milliseconds. */
  readonly durationMs: number;
  /** Whether the record of the call's end could not be written; the next call is then refused. */
  readonly auditIncomplete: boolean;
  readonly #body: Uint8Array;
  readonly #trailers: string[];

  /** @internal */
  constructor(head: Head, body: Uint8Array, tail: Tail) {
    super(head);
    this.#body = body;
    this.#trailers = tail.trailers;
    this.redacted = Object.freeze(tail.redacted);
    this.durationMs = tail.durationMs ?? 0;
    this.auditIncomplete = tail.auditIncomplete;
  }

  /** The trailer fields. */
  get trailers(): Headers {
    return headersOf(this.#trailers);
  }

  /** The body as text; what is not UTF-8 becomes U+FFFD. */
  text(): string {
    const text = view(this.#body).toString("utf8");
    return text.startsWith("\ufeff") ? text.slice(1) : text;
  }

  /**
   * The body as JSON.
   * @throws {SyntaxError} It is none.
   */
  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T;
  }

  /** The body's bytes. Not a copy: what is written there stays. */
  bytes(): Uint8Array {
    const { buffer, byteOffset, byteLength } = this.#body;
    return new Uint8Array(buffer, byteOffset, byteLength);
  }

  /** The body's bytes, in a buffer of their own. */
  arrayBuffer(): ArrayBuffer {
    const { buffer, byteOffset, byteLength } = this.#body;
    return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
  }
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Names and values in turn, as the web has them. */
export function headersOf(flat: readonly string[]): Headers {
  const headers = new Headers();
  for (let at = 0; at + 1 < flat.length; at += 2) headers.append(flat[at] as string, flat[at + 1] as string);
  return headers;
}
