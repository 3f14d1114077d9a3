// A refusal as a response, for libraries that try again whatever is thrown beneath them.

import {
  AgentSecretsError, BrokerUnavailable, Cancelled, InvalidCall, InvalidValue, Timeout, UndecodableResponse, UpstreamUnreachable,
} from "./errors.js";

/** What happens on the way, and may go otherwise the next time; all else that does not pass is a refusal. */
const TRANSIENT = [BrokerUnavailable, Cancelled, Timeout, UndecodableResponse, UpstreamUnreachable];
/** What the libraries of OpenAI and Anthropic, and Stripe's, write into every request of theirs. */
const MARKS: ReadonlySet<string> = new Set(["x-stainless-retry-count", "x-stripe-client-user-agent"]);

/**
 * The refusal as what those libraries do not try again: policy does not change by asking twice. They take any error that
 * `fetch` throws for a broken connection, and heed a response which says that another try is in vain.
 */
export class Refused {
  readonly status: number;
  readonly statusText = "Refused by AgentSecrets";
  readonly headers: Headers;
  readonly trailers = new Headers();
  readonly text: string;

  private constructor(error: AgentSecretsError) {
    const { code, hint } = error;
    this.status = error instanceof InvalidCall || error instanceof InvalidValue ? 400 : 403;
    const message = hint === undefined ? error.message : `${error.message} (${hint})`;
    this.text = JSON.stringify({ error: { type: "agentsecrets_refusal", code, message, hint } });
    this.headers = new Headers({
      "content-type": "application/json",
      "agentsecrets-error": code,
      "x-should-retry": "false",
      "stripe-should-retry": "false",
    });
  }

  /** The refusal, where it is one and a library that asks like this would try it again; else what was thrown is thrown. */
  static of(error: unknown, headers: Iterable<[string, unknown]>): Refused {
    const isFinal = error instanceof AgentSecretsError && !error.retryable && !TRANSIENT.some((kind) => error instanceof kind);
    if (isFinal) for (const [name] of headers) if (MARKS.has(name.toLowerCase())) return new Refused(error);
    throw error;
  }

  /** As the web has it. */
  response(): Response {
    return new Response(this.text, { status: this.status, statusText: this.statusText, headers: this.headers });
  }

  async *bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    yield Buffer.from(this.text);
  }

  close(): void {
    // There is no socket.
  }
}
