// `fetch` as the web has it, for libraries that take one: what they say becomes a call, what comes back a `Response`.

import type { Head } from "./native.js";
import { headersOf } from "./response.js";
import { readable, type Chunks } from "./stream.js";
import type { CallOptions, FetchOptions } from "./types.js";

/** Statuses whose responses have no body (Fetch, "null body status"). */
const BODILESS: ReadonlySet<number> = new Set([101, 204, 205, 304]);

/** What a `fetch` says, as a call. */
export function callOf(input: string | URL | Request, init: FetchOptions = {}): { url: string; options: CallOptions } {
  const request = input instanceof Request ? input : undefined;
  const options: CallOptions = {
    method: init.method ?? request?.method,
    bearer: init.bearer,
    basic: init.basic,
    header: init.header,
    query: init.query,
    bodyField: init.bodyField,
    formField: init.formField,
    body: "body" in init ? init.body : (request?.body as ReadableStream<Uint8Array> | null | undefined),
    timeout: init.timeout,
    retries: init.retries,
    placeholders: true,
    followRedirects: (init.redirect ?? request?.redirect ?? "follow") === "follow",
    project: init.project,
    environment: init.environment,
    signal: init.signal ?? request?.signal,
  };
  const headers = new Headers((init.headers ?? request?.headers) as ConstructorParameters<typeof Headers>[0]);
  const type = contentType(options.body);
  if (type !== undefined && !headers.has("content-type")) headers.set("content-type", type);
  if (options.body instanceof URLSearchParams) options.body = String(options.body);
  options.headers = headers;
  return { url: request?.url ?? String(input), options };
}

/** The type that the web gives a body (Fetch, "extract a body"); that of a form with files has its boundary. */
function contentType(body: CallOptions["body"]): string | undefined {
  if (typeof body === "string") return "text/plain;charset=UTF-8";
  if (body instanceof URLSearchParams) return "application/x-www-form-urlencoded;charset=UTF-8";
  return body instanceof Blob ? body.type || undefined : undefined;
}

/** The response as the web has it. */
export function webResponse(head: Head, chunks: Chunks): Response {
  const hasBody = !BODILESS.has(head.status);
  if (!hasBody) chunks.close();
  // The web knows statuses up to 599 and reason phrases of Latin-1.
  const status = head.status >= 200 && head.status <= 599 ? head.status : 200;
  const statusText = /^[\t\x20-\x7e\x80-\xff]*$/.test(head.reason) ? head.reason : "";
  const body = hasBody ? readable(chunks) : null;
  const response = new Response(body as ConstructorParameters<typeof Response>[0], { status, statusText, headers: headersOf(head.headers) });
  Object.defineProperty(response, "url", { value: head.url });
  if (status !== head.status) {
    Object.defineProperties(response, { status: { value: head.status }, ok: { value: false } });
  }
  return response;
}
