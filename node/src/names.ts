// What a client says of secrets, of the allowlist and of workspaces: names, never values.

import type { Question } from "./native.js";
import { told } from "./told.js";
import type {
  ChainEntry, Checked, Chosen, DriftInfo, MemberInfo, PullReport, PushReport, SecretInfo, VersionInfo, WorkspaceInfo,
} from "./types.js";

export type Ask = (what: Question, names?: string[], logs?: { last?: number; outcome?: string }) => Promise<unknown>;

/** The names of the environment in use. There is no way to a value. */
export class Secrets {
  readonly #ask: Ask;

  /** @internal */
  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** Every secret's name, history and destinations. */
  async list(): Promise<SecretInfo[]> {
    return told(await this.#ask("secrets"));
  }

  /** For each name, whether it is there and whether any destination is granted. */
  async check(...names: string[]): Promise<Checked[]> {
    return told(await this.#ask("check", names.map(String)));
  }

  /**
   * The names that are not the same here as with the members of the workspace; with `all` those of every project and
   * environment, and not of the one in use alone.
   *
   * @throws {NotLoggedIn} This home has no account at a server.
   * @throws {WorkspaceNotFound} The workspace in use is shared with nobody.
   * @throws {SyncUnavailable} The server is not reached.
   * @throws {NeedsBroker} The client is in-process.
   */
  async diff(wanted: { all?: boolean | undefined } = {}): Promise<DriftInfo[]> {
    return told(await this.#ask(wanted.all === true ? "diff_whole" : "diff"));
  }

  /** Takes in what the members have. What was changed here too is left, and told as a conflict. Refused as `diff` is. */
  async pull(): Promise<PullReport> {
    return told(await this.#ask("pull"));
  }

  /**
   * Gives the members what is new here: these names, or all of them. A change of what they have is the owner's to give,
   * and comes back in `needsOwner`. Refused as `diff` is, and `NotAMember` for a machine, which only reads.
   */
  async push(...names: string[]): Promise<PushReport> {
    return told(await this.#ask("push", names.map(String)));
  }

  /**
   * The versions of a name that the members have had, the newest first. Refused as `diff` is.
   *
   * @throws {SecretNotFound} The members have no such name.
   */
  async history(name: string): Promise<VersionInfo[]> {
    return told(await this.#ask("history", [String(name)]));
  }
}

/** The origins that the workspace lets its projects call. */
export class Allowlist {
  readonly #ask: Ask;

  /** @internal */
  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** The origins; none where the workspace has no allowlist, which then binds nobody. */
  async list(): Promise<string[]> {
    return ((await this.#ask("allowlist")) as string[] | null) ?? [];
  }
}

/** The workspaces of this home, and who is in the one in use. */
export class Workspaces {
  readonly #ask: Ask;

  /** @internal */
  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** The workspaces of this home. */
  async list(): Promise<WorkspaceInfo[]> {
    return told(await this.#ask("workspaces"));
  }

  /**
   * Makes a workspace the one in use for every program of this home, until another is chosen; `client.workspace(name)`
   * chooses for one client alone.
   *
   * @throws {WorkspaceNotFound} This home has none of that name.
   */
  async use(name: string): Promise<Chosen> {
    return told(await this.#ask("use_workspace", [String(name)]));
  }

  /** Who is in the workspace in use. Refused as `secrets.diff` is. */
  async members(): Promise<MemberInfo[]> {
    return told(await this.#ask("members"));
  }

  /**
   * The membership chain of the workspace in use, as this home has verified it. Two members whose digests of one number
   * differ were shown different chains.
   *
   * @throws {WorkspaceNotFound} The workspace in use is shared with nobody.
   */
  async log(): Promise<ChainEntry[]> {
    return told(await this.#ask("workspace_log"));
  }
}
