//! The real executable, in homes of its own: what it does, what it says, and what it never says.

mod agents;
mod allowlist;
mod answers;
mod approvals;
mod authority;
mod backups;
mod call;
mod door_gates;
mod door_terminal;
mod doors;
mod dotenv;
mod egress;
mod environments;
mod exports;
mod first_time;
mod limits;
mod logs;
mod proxy;
mod proxy_ca;
mod run;
mod run_child;
mod scene;
mod sources;
mod stage;
mod terminal;
