//! Every parser of the command line that reads what a program or a stranger's file says, as a function of bytes.
//!
//! Compiled for tests and for `cargo xtask fuzz`, as in the core.

#![cfg_attr(not(fuzzing), allow(unreachable_pub, reason = "reached from outside by the fuzzers alone"))]

#[allow(dead_code, reason = "the core's targets use more of it")]
#[path = "../../core/src/fuzz/kit.rs"]
mod kit;

pub(crate) use kit::Input;
pub use kit::Target;

/// Every target of the command line.
pub const TARGETS: &[Target] = &[
    crate::dotenv::fuzz::DOTENV,
    crate::import::fuzz::EXPORT,
    crate::proxy::fuzz::GUARD,
    crate::proxy::fuzz::HEADERS,
    crate::proxy::fuzz::PLACE,
];

#[cfg(test)]
#[test]
fn every_target_holds_as_it_is_and_altered() {
    for target in TARGETS {
        kit::replay(target);
        kit::alter_often(target, 400);
    }
}
