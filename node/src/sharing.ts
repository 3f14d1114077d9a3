// What is told of shared workspaces and of shared sockets.

/** A name that is not the same here as with the members. */
export interface DriftInfo {
  readonly name: string;
  readonly project: string;
  readonly environment: string;
  /** `local` (a push gives it), `remote` (a pull takes it) or `conflict` (both were changed). */
  readonly state: string;
  /** `added`, `changed` or `deleted`, on the side that the state names; in a conflict on the members' side. */
  readonly change: string;
  /** Who changed it, where a member did. */
  readonly author?: string;
  /** When a member did. */
  readonly time?: Date;
  /** The version that the members have, where that is not here. */
  readonly version?: number;
  /** When the value here was set, where there is one. */
  readonly updated?: Date;
}

/** What a pull did. */
export interface PullReport {
  /** What was taken in. */
  readonly pulled: readonly DriftInfo[];
  /** What was not, because it was changed here too. */
  readonly conflicts: readonly DriftInfo[];
  /** What the members do not have yet. */
  readonly unpushed: readonly DriftInfo[];
}

/** What a push did. */
export interface PushReport {
  /** What the members have now. */
  readonly pushed: readonly DriftInfo[];
  /** What they do not, because somebody was faster. */
  readonly conflicts: readonly DriftInfo[];
  /** What is pushed by the owner alone, `agentsecrets secrets push`: a change of what the members have. */
  readonly needsOwner: readonly DriftInfo[];
}

/** A version of a name, as the members have it. */
export interface VersionInfo {
  /** Counts up from 1. */
  readonly version: number;
  readonly author: string;
  /** When it was written, by the author's clock. */
  readonly time: Date;
  /** Whether the name was deleted with it. */
  readonly deleted: boolean;
  /** Whether it is the one that is here. */
  readonly current: boolean;
}

/** A workspace as it is listed. */
export interface WorkspaceInfo {
  readonly name: string;
  readonly id: string;
  /** Whether it is shared by a server, or this home's alone. */
  readonly shared: boolean;
  /** Whether it is the one in use here. */
  readonly current: boolean;
  /** `admin`, `member` or `machine`, where it is shared. */
  readonly role?: string;
}

/** What the choice of a workspace leads to. */
export interface Chosen {
  /** Its project that is in use now; absent in a workspace that has none. */
  readonly project?: string;
  /** The linked directory it was chosen for too, where the client is in one. */
  readonly directory?: string;
}

/** A member of a shared workspace. */
export interface MemberInfo {
  /** What the others call it; its id where that cannot be read here. */
  readonly name: string;
  readonly account: string;
  /** `admin`, `member`, `machine`, or `invited`. */
  readonly role: string;
  /** Six words made of the member's keys, to be compared by another way. */
  readonly fingerprint: string;
  /** How many it has. */
  readonly devices: number;
  /** Of a machine, its environments, as `project/environment`. */
  readonly environments?: readonly string[];
  /** Until when an invitation counts. */
  readonly expires?: Date;
  /** Whether it is this home. */
  readonly own: boolean;
}

/** An entry of the membership chain. */
export interface ChainEntry {
  /** Its number. */
  readonly seq: number;
  /** Its digest. */
  readonly hash: string;
  /** When, by the author's clock. */
  readonly time: Date;
  readonly author: string;
  readonly says: string;
}

/** How a home stands to its server. */
export interface SyncStatus {
  readonly server: string;
  /** The address of the account; absent for a machine. */
  readonly email?: string;
  /** When the server was asked last, for the workspace in use. */
  readonly asked?: Date;
  /** The newest sign of life of an admin. */
  readonly heard?: Date;
  /** Whether no admin was heard for seven days: the server may be showing an old state. */
  readonly stale: boolean;
  /** How many entries the membership chain has. */
  readonly entries?: number;
  /** How many names wait for a decision: changed here and by a member. */
  readonly conflicts: number;
  /** Names, as `project/environment/NAME`, that somebody could read who has left since, and nobody has changed. */
  readonly shouldRotate?: readonly string[];
}

/** A socket that the owner shares with others than this user. */
export interface ShareInfo {
  readonly id: string;
  /** Its path. */
  readonly socket: string;
  /** The only agent it serves; `null` means every registered one. */
  readonly agent: string | null;
  /** `broker-shared` or `broker-system`, for those who call there. */
  readonly isolation: string;
  /** In octal. */
  readonly mode: string;
  readonly group: string | null;
  readonly created: Date;
  readonly expires: Date | null;
  /** `listening`, `waiting` for a broker that opens it, `failed`, `stopped` or `expired`. */
  readonly state: string;
  /** Why it failed. */
  readonly problem?: string;
}
