-- What the server keeps. Ids, keys and digests are bytes; times are seconds.
CREATE TABLE accounts (
    account BLOB NOT NULL PRIMARY KEY,
    address BLOB NOT NULL UNIQUE,
    signing BLOB NOT NULL,
    receiving BLOB NOT NULL,
    recovery_key BLOB NOT NULL,
    sealed BLOB NOT NULL,
    recovery BLOB NOT NULL,
    record BLOB NOT NULL
);
CREATE TABLE logins (
    login BLOB NOT NULL PRIMARY KEY,
    address BLOB NOT NULL,
    state BLOB NOT NULL,
    expires INTEGER NOT NULL
);
CREATE TABLE sessions (
    token BLOB NOT NULL PRIMARY KEY,
    account BLOB NOT NULL,
    device BLOB NOT NULL,
    device_key BLOB NOT NULL,
    expires INTEGER NOT NULL
);
CREATE INDEX sessions_of_account ON sessions (account);
CREATE TABLE workspaces (
    workspace BLOB NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    cursor INTEGER NOT NULL,
    beat INTEGER NOT NULL,
    beat_body TEXT,
    beat_signature BLOB
);
CREATE TABLE entries (
    workspace BLOB NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    body TEXT NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (workspace, seq)
);
-- The next three follow from the entries, and are looked up by.
CREATE TABLE members (
    account BLOB NOT NULL,
    workspace BLOB NOT NULL,
    present INTEGER NOT NULL,
    PRIMARY KEY (account, workspace)
);
CREATE TABLE devices (
    device BLOB NOT NULL,
    workspace BLOB NOT NULL,
    account BLOB NOT NULL,
    device_key BLOB NOT NULL,
    PRIMARY KEY (device, workspace)
);
CREATE TABLE invites (
    invite BLOB NOT NULL,
    workspace BLOB NOT NULL,
    signing BLOB NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (invite, workspace)
);
CREATE TABLE records (
    workspace BLOB NOT NULL,
    scope BLOB NOT NULL,
    record BLOB NOT NULL,
    version INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    hash BLOB NOT NULL,
    latest INTEGER NOT NULL,
    body TEXT NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (workspace, scope, record, version)
);
CREATE UNIQUE INDEX records_of_log ON records (workspace, cursor);
CREATE INDEX records_latest ON records (workspace, cursor) WHERE latest = 1;
CREATE TABLE counters (
    name BLOB NOT NULL,
    span INTEGER NOT NULL,
    hits INTEGER NOT NULL,
    PRIMARY KEY (name, span)
);
