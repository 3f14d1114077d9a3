// A response that is read as it comes. Nothing is read that nobody asked for, and ending it closes the socket.

import { Cancelled } from "./errors.js";
import { expect, giveUp, makeId } from "./mailbox.js";
import { errorOf, type BodyStream, type Completion, type Head, type Tail } from "./native.js";
import { headersOf, ResponseHead } from "./response.js";
import { EventParser, LineSplitter } from "./sse.js";
import type { ServerSentEvent } from "./types.js";

/** The pieces of a body. */
export interface Chunks {
  /** The next piece, `undefined` at the end. */
  next(): Promise<Uint8Array | undefined>;
  /** Ends the call. */
  close(): void;
  /** What is known so far; all of it once the body has ended. */
  tail(): Tail;
}

const UNKNOWN: Tail = { redacted: [], trailers: [], auditIncomplete: false };

/** The pieces of a body that the native module reads. */
export class NativeChunks implements Chunks {
  readonly #stream: BodyStream;
  readonly #ended: (() => void)[] = [];
  #tail: Tail | undefined;
  #failure: { reason: unknown } | undefined;
  #waiting: { id: number; reject: (reason: unknown) => void } | undefined;

  constructor(stream: BodyStream, signal?: AbortSignal | null, ended?: () => void) {
    this.#stream = stream;
    if (ended) this.#ended.push(ended);
    if (!signal) return;
    // A signal may live longer than everybody's interest in the body.
    const self = new WeakRef(this);
    const aborted = () => self.deref()?.abort(signal.reason);
    signal.addEventListener("abort", aborted, { once: true });
    this.#ended.push(() => signal.removeEventListener("abort", aborted));
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.#failure) throw this.#failure.reason;
    if (this.#tail) return undefined;
    const id = makeId();
    const completion = this.#stream.read(id) ?? (await this.#wait(id));
    if (completion.error) {
      this.#failure = { reason: errorOf(completion.error) };
      this.#end();
      throw this.#failure.reason;
    }
    if (completion.chunk) return completion.chunk;
    this.#tail = completion.tail ?? UNKNOWN;
    this.#end();
    return undefined;
  }

  #wait(id: number): Promise<Completion> {
    return new Promise((resolve, reject) => {
      this.#waiting = { id, reject };
      expect(id, (completion) => {
        this.#waiting = undefined;
        resolve(completion);
      });
    });
  }

  close(): void {
    this.abort(new Cancelled("the stream is closed", { retryable: false }));
  }

  abort(reason: unknown): void {
    if (this.#failure || this.#tail) return;
    this.#tail = this.#stream.tail() ?? UNKNOWN;
    this.#failure = { reason };
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) giveUp(waiting.id);
    this.#stream.close();
    this.#end();
    waiting?.reject(reason);
  }

  tail(): Tail {
    return this.#tail ?? this.#stream.tail() ?? UNKNOWN;
  }

  #end(): void {
    for (const ended of this.#ended.splice(0)) ended();
  }
}

/** The pieces as a stream of the web: pulled one by one, and cancelled to the socket. */
export function readable(chunks: Chunks): ReadableStream<Uint8Array> {
  return new ReadableStream({
    type: "bytes",
    async pull(controller) {
      let chunk = await chunks.next();
      while (chunk?.byteLength === 0) chunk = await chunks.next();
      if (chunk) {
        controller.enqueue(chunk);
        return;
      }
      controller.close();
      // A reader that brought its own buffer gets it back.
      (controller.byobRequest as { respond(length: number): void } | null)?.respond(0);
    },
    cancel() {
      chunks.close();
    },
  }) as ReadableStream<Uint8Array>;
}

/** A response whose body is read once, in one of four ways. Leaving the loop ends the call. */
export class StreamedResponse extends ResponseHead {
  readonly #chunks: Chunks;
  #body: ReadableStream<Uint8Array> | undefined;

  /** @internal */
  constructor(head: Head, chunks: Chunks) {
    super(head);
    this.#chunks = chunks;
  }

  /** The names of the values that came back so far; complete once the body has been read. */
  get redacted(): readonly string[] {
    return this.#chunks.tail().redacted;
  }

  /** The trailer fields; there are none before the body has been read. */
  get trailers(): Headers {
    return headersOf(this.#chunks.tail().trailers);
  }

  /** Whether the record of the call's end could not be written; the next call is then refused. */
  get auditIncomplete(): boolean {
    return this.#chunks.tail().auditIncomplete;
  }

  /** The body as a stream of the web. */
  get body(): ReadableStream<Uint8Array> {
    return (this.#body ??= readable(this.#chunks));
  }

  /** The body's bytes, as they come. */
  async *bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const chunk = await this.#chunks.next();
        if (chunk === undefined) return;
        yield chunk;
      }
    } finally {
      this.close();
    }
  }

  /** The body's text, as it comes; what is not UTF-8 becomes U+FFFD. */
  async *text(): AsyncGenerator<string, void, undefined> {
    const decoder = new TextDecoder();
    for await (const chunk of this.bytes()) {
      const text = decoder.decode(chunk, { stream: true });
      if (text !== "") yield text;
    }
    const rest = decoder.decode();
    if (rest !== "") yield rest;
  }

  /** The body's lines, each at its end, without LF, CR or CRLF. */
  async *lines(): AsyncGenerator<string, void, undefined> {
    const splitter = new LineSplitter();
    for await (const text of this.text()) yield* splitter.feed(text);
    yield* splitter.end();
  }

  /** The body's server-sent events, each at its end. */
  async *events(): AsyncGenerator<ServerSentEvent, void, undefined> {
    const splitter = new LineSplitter();
    const parser = new EventParser();
    for await (const text of this.text()) {
      for (const line of splitter.feed(text)) {
        const event = parser.line(line);
        if (event) yield event;
      }
    }
  }

  /**
   * This response, unless its status is 4xx or 5xx; the call is then ended.
   * @throws {UpstreamError}
   */
  override raiseForStatus(): this {
    if (this.status >= 400) this.close();
    return super.raiseForStatus();
  }

  /** Ends the call; what was not read is not read any more. */
  close(): void {
    this.#chunks.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}
