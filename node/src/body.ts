// The body of a request: bytes and texts at hand, or what is fed piece by piece as the socket takes it.

import { InvalidCall } from "./errors.js";
import { expect, mailbox, makeId } from "./mailbox.js";
import { native, UNWANTED, WAITS, type BodyFeed, type CallSpec, type PartSpec } from "./native.js";
import { pairs } from "./request.js";
import { SecretRef } from "./secretRef.js";
import type { CallOptions, Content, FileContent, Source } from "./types.js";

/** A checked call. */
export interface Prepared {
  spec: CallSpec;
  /** A body of bytes at hand. */
  bytes?: Uint8Array;
  /** What has to be fed. */
  sources: PreparedSource[];
}

export interface PreparedSource {
  id: number;
  source: Source;
  length: number | undefined;
}

/** What is streamed, with its length in bytes where the source itself does not know it. */
export class Measured {
  constructor(
    readonly source: Source,
    readonly length: number,
  ) {}
}

/** The body that the options say, in a call without its other parts. */
export function prepareBody(options: CallOptions): Prepared {
  const { body, form, files } = options;
  const prepared: Prepared = { spec: { method: "", url: "" }, sources: [] };
  if (body !== undefined && body !== null) {
    if (form !== undefined || files !== undefined) {
      throw new InvalidCall("form and files exclude body", { hint: "say the body in one way" });
    }
    setBody(prepared, body);
  } else if (files !== undefined) {
    prepared.spec.kind = "multipart";
    prepared.spec.parts = [...fieldParts(form), ...fileParts(prepared, files)];
  } else if (form !== undefined) {
    prepared.spec.kind = "form";
    prepared.spec.fields = pairs(form, "form");
  }
  return prepared;
}

function setBody(prepared: Prepared, body: object | string): void {
  const { spec } = prepared;
  const content = contentOf(prepared, body);
  if (content !== undefined) {
    spec.kind = "plain";
    spec.text = content.text;
    spec.feed = content.feed;
    if (content.bytes) prepared.bytes = content.bytes;
  } else if (body instanceof URLSearchParams) {
    spec.kind = "form";
    spec.fields = [...body].flat();
  } else if (isFormData(body)) {
    spec.kind = "multipart";
    spec.parts = [...body].map(([name, value]) => part(prepared, name, value, typeof value !== "string"));
  } else if (body instanceof SecretRef) {
    throw new InvalidCall("the body is a SecretRef", { hint: 'bodyField: {"PATH": new SecretRef(…)}' });
  } else if (typeof body === "object") {
    spec.kind = "json";
    spec.text = json(body);
  } else {
    throw new InvalidCall("a body is a text, bytes, an object, an array, a Blob, a form or a stream");
  }
}

function json(body: object): string {
  try {
    const text = JSON.stringify(body) as string | undefined;
    if (text !== undefined) return text;
  } catch {
    // Said below: the cause would keep the body alive.
  }
  throw new InvalidCall("the body cannot be written as JSON");
}

interface ContentSpec {
  text?: string;
  bytes?: Buffer;
  feed?: number;
}

/** Texts, bytes and streams; `undefined` for anything else. */
function contentOf(prepared: Prepared, given: unknown): ContentSpec | undefined {
  if (typeof given === "string") return { text: given };
  if (given instanceof ArrayBuffer || given instanceof SharedArrayBuffer) return { bytes: Buffer.from(given) };
  if (ArrayBuffer.isView(given)) return { bytes: Buffer.from(given.buffer, given.byteOffset, given.byteLength) };
  const feed = (source: Source, length?: number) => {
    const id = makeId();
    prepared.sources.push({ id, source, length });
    return { feed: id };
  };
  if (given instanceof Blob) return feed(given.stream() as ReadableStream<Uint8Array>, given.size);
  if (given instanceof Measured) return feed(given.source, given.length);
  return isSource(given) ? feed(given) : undefined;
}

/** Not by `instanceof`: to name the class has Node load all of its `fetch`, and few calls need that. */
function isFormData(given: unknown): given is FormData {
  return typeof given === "object" && given !== null && (given as FormData)[Symbol.toStringTag] === "FormData";
}

function isSource(given: unknown): given is Source {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return false;
  if (given instanceof URLSearchParams || given instanceof Map || isFormData(given)) return false;
  return Symbol.asyncIterator in given || Symbol.iterator in given;
}

function fieldParts(form: CallOptions["form"]): PartSpec[] {
  const flat = form === undefined ? [] : pairs(form, "form");
  return flat.flatMap((name, at) => (at % 2 === 0 ? [{ name, text: flat[at + 1] }] : []));
}

function fileParts(prepared: Prepared, files: NonNullable<CallOptions["files"]>): PartSpec[] {
  return Object.entries(files).flatMap(([name, given]) => {
    const all = (Array.isArray(given) ? given : [given]) as readonly FileContent[];
    return all.map((one) => part(prepared, name, one, true));
  });
}

function part(prepared: Prepared, name: string, given: unknown, isFile: boolean): PartSpec {
  const named = isNamed(given) ? given : { content: given as Content };
  const content = contentOf(prepared, named.content);
  if (content === undefined) throw new InvalidCall("a file is a text, bytes, a Blob, a stream, or { content, fileName }");
  const blob = named.content instanceof Blob ? named.content : undefined;
  const own = blob instanceof File ? blob.name : undefined;
  const fileName = named.fileName ?? own ?? (blob && "blob") ?? name;
  const contentType = named.contentType ?? (blob?.type || undefined);
  return { name, ...content, fileName: isFile ? fileName : undefined, contentType };
}

function isNamed(given: unknown): given is { content: Content; fileName?: string; contentType?: string } {
  return typeof given === "object" && given !== null && "content" in given;
}

/** Feeds what a call streams, until it is sent or nobody wants it. */
export class Feeding {
  readonly #feeds: { feed: BodyFeed; iterator: AsyncIterator<unknown> | Iterator<unknown> }[];
  /** What a source threw. */
  failure: { reason: unknown } | undefined;

  constructor(prepared: Prepared) {
    this.#feeds = prepared.sources.map(({ id, source, length }) => ({
      feed: length === undefined ? new native.BodyFeed(mailbox, id) : new native.BodyFeed(mailbox, id, length),
      iterator: iteratorOf(source),
    }));
  }

  start(): void {
    for (const { feed, iterator } of this.#feeds) {
      pump(feed, iterator).catch((reason: unknown) => {
        this.failure ??= { reason };
        feed.close();
      });
    }
  }

  /** The call is over: sources are told, and not waited for. */
  stop(): void {
    for (const { feed, iterator } of this.#feeds) {
      feed.close();
      end(iterator);
    }
  }
}

function iteratorOf(source: Source): AsyncIterator<unknown> | Iterator<unknown> {
  if (Symbol.asyncIterator in source) return source[Symbol.asyncIterator]();
  return (source as Iterable<unknown>)[Symbol.iterator]();
}

async function pump(feed: BodyFeed, iterator: AsyncIterator<unknown> | Iterator<unknown>): Promise<void> {
  for (;;) {
    const { done, value } = await iterator.next();
    if (done) break;
    const piece = pieceOf(value);
    if (!(await settled((id) => feed.give(id, piece)))) {
      end(iterator);
      return;
    }
  }
  await settled((id) => feed.finish(id));
}

function pieceOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return Buffer.from(value);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  throw new InvalidCall("a streamed body gives bytes or texts");
}

function end(iterator: AsyncIterator<unknown> | Iterator<unknown>): void {
  // A source that cannot be told goes on unheard.
  void Promise.resolve()
    .then(() => iterator.return?.())
    .catch(() => undefined);
}

/** Whether a piece was taken, once that is known. */
function settled(give: (id: number) => number): Promise<boolean> | boolean {
  const id = makeId();
  const given = give(id);
  if (given !== WAITS) return given !== UNWANTED;
  return new Promise((resolve) => expect(id, (completion) => resolve(completion.taken === true)));
}
