//! Nothing to build upon: `agentsecrets-cli` is an executable. Under `cargo xtask fuzz` its parsers are attacked from here.

#![cfg(fuzzing)]
#![allow(dead_code, unused_imports, reason = "the executable uses what the attacks do not")]

mod dotenv;
pub mod fuzz;
mod import;
mod proxy;
