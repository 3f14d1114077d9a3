//! One suite for both databases: what the server promises, attacked over HTTP.

mod support;
mod cases {
    pub(crate) mod accounts;
    pub(crate) mod chains;
    mod faults;
    pub(crate) mod figures;
    pub(crate) mod limits;
    pub(crate) mod machines;
    pub(crate) mod proofs;
    mod reached;
    pub(crate) mod records;
    pub(crate) mod stored;
}

macro_rules! conformance {
    ($($module:ident: $($case:ident)+;)+) => {
        mod sqlite {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::cases::$module::$case(super::support::Kind::Sqlite).await;
            })+)+
        }

        mod postgres {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::cases::$module::$case(super::support::Kind::Postgres).await;
            })+)+
        }
    };
}

conformance! {
    accounts:
        who_registers_logs_in
        an_address_has_one_account
        a_stranger_cannot_tell_whether_an_address_has_an_account
        another_password_ends_the_other_sessions
        a_recovery_code_replaces_a_forgotten_password;
    proofs:
        a_token_without_the_devices_signature_opens_nothing
        a_proof_fits_one_request
        a_clock_that_is_off_is_told
        a_session_ends_and_a_device_begins_another;
    chains:
        of_ten_writers_one_goes_on_each_round
        the_same_entry_again_is_answered_as_the_first_time
        nobody_comes_in_with_keys_of_another
        who_is_no_member_finds_nothing
        a_removed_device_is_out
        a_sign_of_life_is_an_admins;
    records:
        of_ten_writers_one_is_stored_each_round
        a_pull_comes_in_pages_and_only_what_is_new
        an_old_epoch_is_refused_and_what_is_stored_stays
        a_record_is_its_authors_and_of_this_chain
        twenty_versions_are_kept;
    machines:
        a_machine_sees_its_scopes_and_writes_nothing
        a_machine_joins_by_its_code_alone;
    limits:
        what_is_too_large_is_refused
        guessing_is_slowed_down
        registration_can_be_closed
        the_document_is_the_one_that_is_served;
    stored:
        a_database_that_was_changed_is_found_out
        nothing_that_should_be_unknown_is_stored_or_logged;
}

mod figures {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "prints figures, and claims nothing: cargo xtask bench --team"]
    async fn sqlite() {
        super::cases::figures::pulls_in_a_second(super::support::Kind::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "prints figures, and claims nothing: cargo xtask bench --team"]
    async fn postgres() {
        super::cases::figures::pulls_in_a_second(super::support::Kind::Postgres).await;
    }
}
