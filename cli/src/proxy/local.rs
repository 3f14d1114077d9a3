//! The proxy of a home on 127.0.0.1: the explicit and the reverse way, behind one guard, and where the owner agreed the
//! forward way.

use std::convert::Infallible;
use std::net::TcpListener as Bound;
use std::sync::Arc;
use std::time::Instant;

use agentsecrets::owner::Agreed;
use agentsecrets::{Client, Error, ErrorCode, Result};
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

use super::explicit::Edit;
use super::forward::{Forward, Guest};
use super::guard::{self, Token};
use super::log::{Entry, Log};
use super::published::{Folder, Published};
use super::refusal::{Answer, Refusal, whole};
use super::session::{Seat, Session};
use super::upload::Upload;
use super::{Authority, exchange, explicit, reverse};

/// What a proxy is started with.
pub(crate) struct Choice {
    pub(crate) seat: Seat,
    pub(crate) listener: Bound,
    pub(crate) token: Token,
    pub(crate) client: Client,
    /// Where the certificate of the forward way is to be put, where the owner agreed to one.
    pub(crate) ca: Option<(Folder, Agreed)>,
}

struct Local {
    client: Client,
    token: Arc<Token>,
    port: u16,
    log: Arc<Log>,
    forward: Option<Arc<Forward>>,
}

/// Serves until it is told to end, and says `ready` once it does.
pub(crate) fn serve(choice: Choice, ready: Box<dyn FnOnce() + Send>) -> Result<()> {
    let failed = |_| Error::new(ErrorCode::Internal, "the proxy's runtime does not start");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(failed)?;
    let Choice { seat, listener, token, client, ca } = choice;
    let served = runtime.block_on(async {
        let listener = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let pid = i32::try_from(std::process::id()).unwrap_or_default();
        let (token, log) = (Arc::new(token), Arc::new(Log::open(seat.folder())?));
        let forward = ca.map(|(folder, _)| forward(&folder, &client, &token, &log)).transpose()?;
        let (forward, published) = forward.unzip();
        let local = Arc::new(Local { client, token, port, log, forward });
        let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
            return Err(Error::new(ErrorCode::Internal, "the proxy cannot be told to end"));
        };
        let session_token = local.token.text().to_owned();
        seat.announce(&Session { port, session_token, pid, published: published.clone() })?;
        ready();
        tokio::select! {
            () = local.accept(listener) => {}
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        if let Some(published) = &published {
            published.withdraw();
        }
        seat.leave();
        Ok(())
    });
    runtime.shutdown_background();
    served
}

/// The forward way, with an authority made here and now, whose certificate is put where the owner said.
fn forward(folder: &Folder, client: &Client, token: &Arc<Token>, log: &Arc<Log>) -> Result<(Arc<Forward>, Published)> {
    let authority = Authority::make()?;
    let published = folder.publish(authority.pem())?;
    Ok((Forward::logged(client.clone(), Arc::clone(token), authority, Arc::clone(log)), published))
}

impl Local {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        super::accept(&listener, |stream| Arc::clone(&self).serve(stream)).await;
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let answer = service_fn(move |request| {
            let local = Arc::clone(&self);
            async move { Ok::<_, Infallible>(local.answer(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .max_headers(super::MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), answer)
            .with_upgrades();
        // What breaks off here is told to nobody: the program has seen it itself.
        let _ = connection.await;
    }

    /// Answers one request and writes it down.
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (started, mut entry) = (Instant::now(), Entry::of(request.method()));
        if let Some(forward) = self.forward.clone().filter(|_| is_to_a_proxy(&request)) {
            // What goes through is written down by it, request by request.
            return forward.answer(request, &Guest::default()).await.unwrap_or_else(Refusal::into_answer);
        }
        let answer = self.routed(request, &mut entry).await.unwrap_or_else(|refusal| {
            entry.error = Some(refusal.code().to_owned());
            refusal.into_answer()
        });
        self.log.add(&entry.ended(answer.status(), started));
        answer
    }

    async fn routed(&self, request: Request<Incoming>, entry: &mut Entry) -> Result<Answer, Refusal> {
        guard::check_page(request.uri(), request.headers(), self.port)?;
        let path = request.uri().path();
        if path == "/health" {
            return Ok(whole(StatusCode::OK, "{\"ok\":true}".to_owned()));
        }
        if path == "/proxy" {
            entry.way = "explicit".to_owned();
            return self.explicit(request, entry).await;
        }
        if path.starts_with("/to/") {
            entry.way = "reverse".to_owned();
            return self.reverse(request, entry).await;
        }
        if !self.token.is_in(request.headers()) {
            return Err(guard::token_required());
        }
        Err(Refusal::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path", "/proxy, or /to/HOST/…"))
    }

    async fn explicit(&self, mut request: Request<Incoming>, entry: &mut Entry) -> Result<Answer, Refusal> {
        if !self.token.is_in(request.headers()) {
            return Err(guard::token_required());
        }
        let socket = exchange::socket_of(&mut request);
        let (parts, body) = request.into_parts();
        let explicit = explicit::read(&parts.method, &parts.headers)?;
        let origin = explicit.call.url().origin().to_string();
        entry.origin = Some(origin.clone());
        let client = caller(&self.client, &parts.headers);
        let answered = match explicit.edit {
            None => exchange::pass(&client, explicit.call, Upload::new(&parts.headers, body), socket).await,
            Some(edit) => exchange::pass_whole(&client, explicit.call, body, edit == Edit::Form).await,
        };
        answered.map_err(|error| Refusal::from(error).about(host(&origin)))
    }

    async fn reverse(&self, mut request: Request<Incoming>, entry: &mut Entry) -> Result<Answer, Refusal> {
        let socket = exchange::socket_of(&mut request);
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
        let target = reverse::parse(path.strip_prefix("/to/").unwrap_or_default());
        // Whoever has no token learns nothing else, not even that the path is malformed.
        let known = match target.as_ref().ok().and_then(|target| target.token) {
            Some(said) => self.token.is(said.as_bytes()),
            None => self.token.is_in(&parts.headers),
        };
        if !known {
            return Err(guard::token_required());
        }
        let mut call = exchange::call_of(parts.method, &target?.url, &parts.headers)?;
        call.placeholders(true);
        let origin = call.url().origin().to_string();
        entry.origin = Some(origin.clone());
        let client = caller(&self.client, &parts.headers);
        let answered = exchange::pass(&client, call, Upload::new(&parts.headers, body), socket).await;
        answered.map_err(|error| Refusal::from(error).about(host(&origin)))
    }
}

/// Whether a request asks for a tunnel, or names its host whole (RFC 9112, sections 3.2.2 and 3.2.3): no page in a browser
/// can make either to this port.
fn is_to_a_proxy(request: &Request<Incoming>) -> bool {
    request.method() == Method::CONNECT || request.uri().authority().is_some()
}

/// Whose call it is: the agent's whose token came along, else of whoever started the proxy.
fn caller(client: &Client, headers: &HeaderMap) -> Client {
    match headers.get(guard::AGENT_TOKEN) {
        Some(token) => client.for_agent(String::from_utf8_lossy(token.as_bytes()).into_owned()),
        None => client.clone(),
    }
}

/// The host of an origin as it is written.
fn host(origin: &str) -> &str {
    origin.split_once("://").map_or(origin, |(_, host)| host)
}
