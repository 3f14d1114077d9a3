// What goes in and what is told: names, states and records, never values.

import type { SecretRef } from "./secretRef.js";
import type { ShareInfo, SyncStatus } from "./sharing.js";

export type * from "./sharing.js";

/** A secret's name. */
export type Secret = string | SecretRef;

/** A plain value; `null` and `undefined` leave it out. */
export type Scalar = string | number | bigint | boolean | null | undefined;

/** Plain names and values. A list gives its name as often. */
export type Pairs = Readonly<Record<string, Scalar | readonly Scalar[]>> | Iterable<readonly [string, Scalar]>;

/** Plain headers. */
export type HeaderPairs =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | Iterable<readonly [string, string]>
  | Headers;

/** What is streamed. */
export type Source = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array | string> | Iterable<Uint8Array>;

/** What is sent as it is. */
export type Content = string | ArrayBuffer | ArrayBufferView | Blob | Source;

/** A file's content, perhaps with the name and type it is sent with. */
export type FileContent =
  | Content
  | { readonly content: Content; readonly fileName?: string | undefined; readonly contentType?: string | undefined };

/** Where secrets go. The styles combine freely; two of them for one place are `InvalidCall`. */
export interface Injections {
  /** `Authorization: Bearer` with this secret. */
  bearer?: Secret | undefined;
  /** `Authorization: Basic` with this secret, whose value is `user:password`. */
  basic?: Secret | undefined;
  /** Headers with secrets. */
  header?: Readonly<Record<string, Secret>> | undefined;
  /** Query parameters with secrets; they go to the end of the query. */
  query?: Readonly<Record<string, Secret>> | undefined;
  /** Fields of the JSON body with secrets: dotted paths (`auth.key`) or RFC 6901 pointers (`/auth/key`). */
  bodyField?: Readonly<Record<string, Secret>> | undefined;
  /** Fields of the form with secrets. */
  formField?: Readonly<Record<string, Secret>> | undefined;
}

/** What a call and a stream share. */
interface Conduct {
  /** Milliseconds, for the whole call; for a stream until its headers. The client's unless said. */
  timeout?: number | undefined;
  /** How often an idempotent call may be tried again; 0 unless said. */
  retries?: number | undefined;
  /** Another project linked in this home. */
  project?: string | undefined;
  /** Another environment. */
  environment?: string | undefined;
  /** Gives the call up; its socket is closed. */
  signal?: AbortSignal | null | undefined;
}

/** What may be said of a call besides its URL. */
export interface CallOptions extends Injections, Conduct {
  /** `GET` unless said. */
  method?: string | undefined;
  /** Plain headers. */
  headers?: HeaderPairs | undefined;
  /** Plain query parameters, added at the end of the query. */
  params?: Pairs | undefined;
  /** Texts and bytes are sent as they are, plain objects and arrays as JSON; the rest is streamed. */
  body?: Content | FormData | URLSearchParams | object | null | undefined;
  /** The fields of a form. Excludes `body`. */
  form?: Pairs | undefined;
  /** Files, sent with `form` as `multipart/form-data`. Excludes `body`. */
  files?: Readonly<Record<string, FileContent | readonly FileContent[]>> | undefined;
  /** The longest buffered response, in bytes; 64 MiB unless said. */
  maxResponse?: number | undefined;
  /** Whether same-origin redirects are followed, `true` unless said; one elsewhere is always the answer. */
  followRedirects?: boolean | undefined;
  /**
   * Whether placeholders (`SecretRef.placeholder`) in headers, query and body stand for their secrets. Each counts once,
   * and only in a place its grant names. `false` unless said; a `fetch` always looks for them.
   */
  placeholders?: boolean | undefined;
}

/** What may be said of a `fetch`: the web's own options, and where secrets go. */
export interface FetchOptions extends Injections, Conduct {
  method?: string | undefined;
  headers?: HeaderPairs | undefined;
  body?: Content | FormData | URLSearchParams | null | undefined;
  /** `follow` unless said, and then those of the same origin only: one elsewhere is always the answer. */
  redirect?: "follow" | "manual" | "error" | undefined;
  duplex?: "half" | undefined;
}

/** A server-sent event (WHATWG HTML, "Server-sent events"). */
export interface ServerSentEvent {
  /** The event's type; `message` where the stream names none. */
  readonly event: string;
  /** The data lines, joined by line feeds. */
  readonly data: string;
  /** The last event id seen so far; empty where there was none. */
  readonly id: string;
  /** How long to wait before a new connection, in milliseconds, where this event said so. */
  readonly retry: number | undefined;
}

/** The choices of a client. What is not said comes from the environment variables and the project file. */
export interface AgentSecretsOptions {
  /** A workspace of this home; the one that was chosen last unless said. */
  workspace?: string | undefined;
  /** A project linked in this home. */
  project?: string | undefined;
  /** An environment of the project. */
  environment?: string | undefined;
  /** What an agent shows to say who it is; `AGENTSECRETS_AGENT_TOKEN` unless said. Shown nowhere. */
  agentToken?: string | undefined;
  /** A broker that is shared with this process, as `unix:/path`, in place of a home; `AGENTSECRETS_BROKER` unless said. */
  broker?: string | undefined;
  /** `broker` (a process of its own holds the values) or `in-process`; the other levels are what a shared socket gives. */
  isolation?: "broker" | "in-process" | undefined;
  /** Where the use key lies, for `in-process`: `file:PATH`, `fd:N`, `keychain`. */
  unlock?: string | undefined;
  /** Another home than `AGENTSECRETS_HOME` or `~/.agentsecrets`. */
  home?: string | undefined;
  /** Milliseconds a call may take unless it says otherwise; 60 seconds. */
  timeout?: number | undefined;
}

/** How far the values are from this process. */
export type Isolation = "broker" | "broker-shared" | "broker-system" | "in-process";

/** How a call ended. */
export type Outcome = "ok" | "denied" | "failed" | "cancelled";

/** A secret as it is listed: its name and history, never its value. */
export interface SecretInfo {
  readonly name: string;
  /** How often it has been set. */
  readonly version: number;
  readonly created: Date;
  readonly updated: Date;
  /** Where it may go, as rules. */
  readonly destinations: readonly string[];
}

/** Whether a name is there, and whether anything may be done with it. */
export interface Checked {
  readonly name: string;
  readonly present: boolean;
  readonly granted: boolean;
}

/** Where a stream of a child leads: where this process's own does, nowhere, or to a descriptor. */
export type StreamOption = "inherit" | "ignore" | number;

/** The choices of a child. */
export interface SpawnOptions {
  /** Only these secrets; every one granted to the command unless said. */
  readonly secrets?: readonly Secret[] | undefined;
  readonly stdin?: StreamOption | undefined;
  readonly stdout?: StreamOption | "capture" | undefined;
  readonly stderr?: StreamOption | "capture" | undefined;
  /** Captures stdout and stderr for `wait`. */
  readonly captureOutput?: boolean | undefined;
  /** The working directory. */
  readonly cwd?: string | URL | undefined;
  /** The environment in place of this process's. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** A grant as it is listed. */
export interface GrantInfo {
  readonly secret: string;
  readonly project: string;
  /** Where the secret may go. */
  readonly rule: string;
  /** In which places of a request. */
  readonly slots: readonly string[];
  /** With which methods; none named means any. */
  readonly methods: readonly string[];
  /** In which environment; none named means any. */
  readonly environment: string | null;
  readonly expires: Date | null;
  /** Whether a private address is permitted. */
  readonly private: boolean;
  readonly permitHeaders: readonly string[];
  /** The only agent it is for; `null` means every caller. */
  readonly agent: string | null;
  /** Whether a human approves each call. */
  readonly approve: boolean;
  /** The limits that its calls count under. */
  readonly limits: readonly string[];
  /** `active`, `expired` or `denied`. */
  readonly state: string;
  /** Whether the value itself leaves, to every process of this user. */
  readonly discloses?: boolean;
  /** The command that is given the value. */
  readonly command?: readonly string[];
  /** The command's program. */
  readonly program?: string;
  /** The exec provider that is given the value. */
  readonly provider?: string;
}

/** Where things stand. */
export interface Status {
  readonly version: string;
  readonly home: string;
  readonly isolation: string;
  readonly brokerPid: number | null;
  readonly store: string;
  /** Where the use key lies: `keychain`, `passphrase`, `file` or `fd`. */
  readonly useKey: string;
  readonly locked: boolean;
  readonly owner: boolean;
  readonly workspace: string | null;
  readonly project: string | null;
  readonly environment: string | null;
  /** The agent that the client's token names. */
  readonly agent: string | null;
  /** How many secrets the environment holds; `null` while locked. */
  readonly secrets: number | null;
  readonly grants: number | null;
  readonly limits: number | null;
  /** The sockets that the owner shares with others than this user. */
  readonly shares?: readonly ShareInfo[];
  /** The secrets whose values leave by a door, to every process of this user. */
  readonly disclosed?: readonly string[];
  /** The proxy that public calls leave by and that resolves their names, where there is one. */
  readonly egress?: {
    readonly proxy: string;
    readonly bypass: readonly string[];
    readonly auth: { readonly project: string; readonly environment: string; readonly name: string } | null;
  } | null;
  readonly policySerial: number | null;
  /** Why selection or policy is not usable, where it is not. */
  readonly problem: { readonly code: string; readonly message: string; readonly hint: string | null } | null;
  readonly auditRecords: number | null;
  /** Bytes of memory that hold values: locked, not locked, and not guarded, of the process that answers. */
  readonly memory: { readonly locked: number; readonly unlocked: number; readonly unguarded: number } | null;
  /** How the home stands to its server; absent where it never logged in, and at a shared socket. */
  readonly sync?: SyncStatus;
}

/** A call on record: its last record, and when it began and ended. */
export interface LogEntry {
  /** When it began; `null` where that is not known. */
  readonly began: Date | null;
  /** When it ended; `null` where it is under way. */
  readonly ended: Date | null;
  readonly id: string;
  readonly call: string;
  readonly phase: string;
  readonly prev: string;
  readonly time: Date;
  readonly act: string;
  readonly agent: string | null;
  readonly identity: string;
  readonly isolation: string;
  readonly workspace: string | null;
  readonly project: string | null;
  readonly environment: string | null;
  readonly secrets: readonly string[];
  readonly styles: readonly string[];
  readonly method: string | null;
  readonly origin: string | null;
  readonly path: string | null;
  readonly status: number | null;
  readonly outcome: Outcome | null;
  /** An error code, or `credential_echo`. */
  readonly reason: string | null;
  readonly redacted: readonly string[];
  readonly durationMs: number | null;
  readonly mac: string;
}
