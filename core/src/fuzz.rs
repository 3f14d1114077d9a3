//! Every parser that reads what an agent, an upstream, a manager or a stranger's file says, as a function of bytes.
//!
//! Compiled for tests, which replay the seeds, and for `cargo xtask fuzz`, which searches on. Each target states what
//! holds whatever the bytes are; it lies beside its parser.

mod kit;

pub use kit::Target;
pub(crate) use kit::{Dice, Input, chunks};

/// Every target of the core.
pub const TARGETS: &[Target] = &[
    crate::audit::fuzz::LOG,
    crate::broker::fuzz::ANSWER,
    crate::broker::fuzz::CALL,
    crate::broker::fuzz::QUESTION,
    crate::crypto::fuzz::INVITE_CODE,
    crate::crypto::fuzz::LOGIN,
    crate::crypto::fuzz::RECORD,
    crate::crypto::fuzz::RECOVERY_CODE,
    crate::crypto::fuzz::SEALS,
    crate::engine::placeholders::fuzz::PLACEHOLDER_BODY,
    crate::inject::fuzz::FORM,
    crate::inject::fuzz::HEADER,
    crate::inject::fuzz::JSON,
    crate::inject::fuzz::MULTIPART,
    crate::log_safe::fuzz::URL,
    crate::call::fuzz::PLACEHOLDER,
    crate::owner::fuzz::BACKUP,
    crate::policy::fuzz::DOCUMENT,
    crate::policy::fuzz::PATH,
    crate::policy::fuzz::RULE,
    crate::redact::fuzz::MESSAGES,
    crate::redact::fuzz::REDACT,
    crate::release::fuzz::MANAGER,
    crate::release::fuzz::ORDERS,
    crate::secret_ref::fuzz::NAMES,
    crate::send::fuzz::DECODE,
    crate::sync::fuzz::ANSWER,
    crate::sync::fuzz::CHAIN,
    crate::sync::fuzz::CHANGES,
    crate::sync::fuzz::OPENED,
    crate::sync::fuzz::POLICY,
    crate::websocket::fuzz::FRAMES,
];

#[cfg(test)]
mod tests {
    use super::{TARGETS, Target, kit};

    /// Tries every target, so that one that fails hides no other.
    fn all(attack: impl Fn(&Target) + std::panic::RefUnwindSafe) {
        let failed = |target: &&Target| std::panic::catch_unwind(|| attack(target)).is_err();
        let failed: Vec<&str> = TARGETS.iter().filter(failed).map(|target| target.name).collect();
        assert!(failed.is_empty(), "what does not hold: {failed:?}");
    }

    #[test]
    fn every_seed_holds_from_beginning_to_end() {
        all(kit::replay);
    }

    #[test]
    fn every_target_holds_when_its_seeds_are_altered() {
        all(|target| kit::alter_often(target, 60));
    }
}
