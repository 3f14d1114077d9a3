//! The owner's account at a server, and the workspaces it shares: what a human does, with the owner's passphrase.
//!
//! Each function carries messages between the owner's child, which has the keys and no network, and the server. Entries that the child
//! signs go to the server by the broker, which has the device's session and follows the chain from there.

use std::sync::Arc;

use agentsecrets_wire::chain::Entry;
use agentsecrets_wire::{LoggedIn, LoginStart, LoginStarted, RecoveryStart, RegisterStart, RegisterStarted, Signed};
use http::Method;
use uuid::Uuid;

use crate::client::Client;
use crate::error::{Error, ErrorCode, Result};
use crate::home::Home;
use crate::owner::{self, ChainAct, Owner, TokenSink};
use crate::send::Sender;
use crate::sync::{Folder, Remote, open_invitation, parse_server};

/// Where an account is, and who logs in.
#[derive(Clone, Debug)]
pub struct Login {
    /// The server, as its origin.
    pub server: String,
    /// The address.
    pub email: String,
    /// The descriptor that gives the account's password; none asks at the terminal.
    pub password_fd: Option<i32>,
    /// Where a new account's recovery code is shown.
    pub sink: TokenSink,
}

/// The server and address that this home logged in with last.
///
/// # Errors
/// `not_initialized`, `store_corrupted`.
pub fn known(home: &Home) -> Result<Option<(String, Option<String>)>> {
    let config = home.config()?;
    Ok(Folder::of(home, &config).account_if_any()?.map(|account| (account.server, account.email)))
}

/// Makes an account, and logs this home in. The password never leaves the owner's child: the server gets what OPAQUE (RFC 9807)
/// makes of it, and the account's keys sealed.
///
/// # Errors
/// `account_exists`; `owner_required`, `wrong_passphrase`; `sync_unavailable`, `sync_refused`.
pub async fn register(owner: &mut Owner, client: &Client, login: &Login) -> Result<Uuid> {
    let remote = remote(client, &login.server)?;
    let email = address(&login.email)?;
    let request = owner.register_start(&email, login.password_fd)?;
    let start = RegisterStart { email: email.clone(), request };
    let started: RegisterStarted = remote.ask(Method::POST, "/v1/accounts/start", Some(&start)).await?;
    let register = owner.register_finish(started)?;
    remote.ask::<Option<()>>(Method::POST, "/v1/accounts", Some(&register)).await?;
    log_in(owner, client, login).await
}

/// Logs this home in, and makes it a device in every workspace of the account.
///
/// # Errors
/// `wrong_credentials`; `invalid_call` where the home is another account's; those of [`register`].
pub async fn log_in(owner: &mut Owner, client: &Client, login: &Login) -> Result<Uuid> {
    let remote = remote(client, &login.server)?;
    let email = address(&login.email)?;
    let request = owner.login_start(&email, login.password_fd)?;
    let start = LoginStart { email: email.clone(), request };
    let started: LoginStarted = remote.ask(Method::POST, "/v1/login/start", Some(&start)).await?;
    let finish = owner.login_finish(started)?;
    let given: LoggedIn = remote.ask(Method::POST, "/v1/login", Some(&finish)).await?;
    let server = parse_server(&login.server)?.to_string();
    let account = owner.keep_account(&server, &email, given, login.sink.clone())?;
    for workspace in client.follow().await? {
        act(owner, client, workspace, ChainAct::AddDevice, TokenSink::Terminal).await?;
    }
    Ok(account)
}

/// Gives the account another password by its recovery code, read from `code_fd` or at the terminal, and logs this home in.
///
/// # Errors
/// `wrong_credentials` for another code or address, and those of [`log_in`].
pub async fn recover(owner: &mut Owner, client: &Client, login: &Login, code_fd: Option<i32>) -> Result<Uuid> {
    let remote = remote(client, &login.server)?;
    let email = address(&login.email)?;
    let (open, request) = owner.recover_start(&email, code_fd, login.password_fd)?;
    let start = RecoveryStart { email, request };
    let started: RegisterStarted = remote.ask(Method::POST, "/v1/recovery/start", Some(&start)).await?;
    let account = remote.ask(Method::POST, "/v1/recovery/open", Some(&open)).await?;
    let recovery = owner.recover_finish(started, account)?;
    remote.ask::<Option<()>>(Method::POST, "/v1/recovery", Some(&recovery)).await?;
    log_in(owner, client, login).await
}

/// Ends this home's session and forgets the account's keys. Values that were pulled stay.
///
/// # Errors
/// `not_logged_in`, `store_unavailable`.
pub async fn log_out(client: &Client) -> Result<()> {
    client.leave().await
}

/// Begins a workspace, with this account as its admin and one project. Gives its id.
///
/// # Errors
/// `not_logged_in`, and those of [`act`].
pub async fn create(owner: &mut Owner, client: &Client, act: ChainAct) -> Result<(Uuid, Vec<String>)> {
    let workspace = Uuid::now_v7();
    let said = self::act(owner, client, workspace, act, TokenSink::Terminal).await?;
    Ok((workspace, said))
}

/// Signs a change of a workspace and brings it to the server. Says what became possible.
///
/// # Errors
/// `not_an_admin`, `not_a_member`, `sync_conflict` where somebody was faster, and those of the server.
pub async fn act(
    owner: &mut Owner,
    client: &Client,
    workspace: Uuid,
    act: ChainAct,
    sink: TokenSink,
) -> Result<Vec<String>> {
    let (entries, said) = owner.sign_chain(workspace, act, sink)?;
    bring(client, workspace, entries).await?;
    Ok(said)
}

/// Joins the workspace of an invitation's code, which the owner's child reads. Gives its id.
///
/// # Errors
/// `invite_invalid`, also where the server shows another workspace than the code names; `not_logged_in`.
pub async fn join(owner: &mut Owner, client: &Client, code_fd: Option<i32>) -> Result<Uuid> {
    let invitation = owner.read_invitation(code_fd)?;
    let remote = remote(client, &invitation.server)?;
    let opened = open_invitation(&remote, invitation.invite, &owner::open_request(&invitation)).await?;
    let workspace = opened.workspace;
    let (entries, _) = owner.join(opened)?;
    bring(client, workspace, entries).await?;
    Ok(workspace)
}

async fn bring(client: &Client, workspace: Uuid, entries: Vec<Signed<Entry>>) -> Result<()> {
    if entries.is_empty() { Ok(()) } else { client.append(workspace, entries).await }
}

/// The server, by certificates of the platform and of `trust`.
fn remote(client: &Client, server: &str) -> Result<Remote> {
    let home = client.home().ok_or_else(|| {
        Error::new(ErrorCode::NotShared, "an account belongs to a home, and a shared broker has none for its callers")
    })?;
    let roots = owner::trusted_roots(home)?;
    Remote::new(Arc::new(Sender::new(&roots, None)?), server)
}

/// An address as servers keep it: lowercase, one `@`, nothing that is no address.
fn address(text: &str) -> Result<String> {
    let wrong = || Error::new(ErrorCode::InvalidCall, "an account is named by an address, as in ben@example.com");
    let (user, host) = text.split_once('@').ok_or_else(wrong)?;
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_graphic() && c != '@');
    if !plain(user) || !plain(host) || text.len() > 254 {
        return Err(wrong());
    }
    Ok(text.to_ascii_lowercase())
}
