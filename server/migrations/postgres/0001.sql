-- What the server keeps. Ids, keys and digests are bytes; times are seconds.
CREATE TABLE accounts (
    account BYTEA NOT NULL PRIMARY KEY,
    address BYTEA NOT NULL UNIQUE,
    signing BYTEA NOT NULL,
    receiving BYTEA NOT NULL,
    recovery_key BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    recovery BYTEA NOT NULL,
    record BYTEA NOT NULL
);
CREATE TABLE logins (
    login BYTEA NOT NULL PRIMARY KEY,
    address BYTEA NOT NULL,
    state BYTEA NOT NULL,
    expires BIGINT NOT NULL
);
CREATE TABLE sessions (
    token BYTEA NOT NULL PRIMARY KEY,
    account BYTEA NOT NULL,
    device BYTEA NOT NULL,
    device_key BYTEA NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX sessions_of_account ON sessions (account);
CREATE TABLE workspaces (
    workspace BYTEA NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    cursor BIGINT NOT NULL,
    beat BIGINT NOT NULL,
    beat_body TEXT,
    beat_signature BYTEA
);
CREATE TABLE entries (
    workspace BYTEA NOT NULL,
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    body TEXT NOT NULL,
    signature BYTEA NOT NULL,
    PRIMARY KEY (workspace, seq)
);
-- The next three follow from the entries, and are looked up by.
CREATE TABLE members (
    account BYTEA NOT NULL,
    workspace BYTEA NOT NULL,
    present BIGINT NOT NULL,
    PRIMARY KEY (account, workspace)
);
CREATE TABLE devices (
    device BYTEA NOT NULL,
    workspace BYTEA NOT NULL,
    account BYTEA NOT NULL,
    device_key BYTEA NOT NULL,
    PRIMARY KEY (device, workspace)
);
CREATE TABLE invites (
    invite BYTEA NOT NULL,
    workspace BYTEA NOT NULL,
    signing BYTEA NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (invite, workspace)
);
CREATE TABLE records (
    workspace BYTEA NOT NULL,
    scope BYTEA NOT NULL,
    record BYTEA NOT NULL,
    version BIGINT NOT NULL,
    cursor BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    latest BIGINT NOT NULL,
    body TEXT NOT NULL,
    signature BYTEA NOT NULL,
    PRIMARY KEY (workspace, scope, record, version)
);
CREATE UNIQUE INDEX records_of_log ON records (workspace, cursor);
CREATE INDEX records_latest ON records (workspace, cursor) WHERE latest = 1;
CREATE TABLE counters (
    name BYTEA NOT NULL,
    span BIGINT NOT NULL,
    hits BIGINT NOT NULL,
    PRIMARY KEY (name, span)
);
