//! The forward proxy of a run or of a home: it ends the TLS of its programs, makes a call of every request, and tunnels
//! nothing.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use agentsecrets::{Call, Client, ErrorCode};
use http::header::{self, HeaderValue};
use http::uri::Authority as HostPort;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;

use super::guard::Token;
use super::log::{Entry, Log};
use super::refusal::{Answer, Refusal, without_body};
use super::upload::Upload;
use super::{Authority, challenge, exchange, kin, tunnel};

/// What asks a program for the credentials it was given.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"AgentSecrets\"");

/// The proxy of one run, or of a home.
pub(crate) struct Forward {
    client: Client,
    token: Arc<Token>,
    pub(super) authority: Authority,
    /// Where requests are written down, where they are.
    log: Option<Arc<Log>>,
}

/// A connection's other end, which need not say the password where the kernel says whose it is.
#[derive(Default)]
pub(super) struct Guest {
    ends: Option<(SocketAddr, SocketAddr)>,
    known: OnceCell<bool>,
}

impl Guest {
    fn of(stream: &TcpStream) -> Self {
        Self { ends: stream.peer_addr().ok().zip(stream.local_addr().ok()), known: OnceCell::new() }
    }

    /// Whether it was started with the word in its environment, as the programs of a run are.
    async fn knows(&self, word: &Arc<Token>) -> bool {
        let Some((peer, ours)) = self.ends else { return false };
        let ask = || async {
            let word = Arc::clone(word);
            tokio::task::spawn_blocking(move || kin::knows(peer, ours, word.text())).await.unwrap_or(false)
        };
        *self.known.get_or_init(ask).await
    }
}

/// Where a request goes to.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) scheme: &'static str,
    pub(super) authority: HostPort,
}

impl Origin {
    fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(if self.scheme == "https" { 443 } else { 80 })
    }

    /// Whether a `Host` or `:authority` names this origin.
    pub(super) fn is(&self, said: &str) -> bool {
        let Ok(said) = said.parse::<HostPort>() else { return false };
        let said = Self { scheme: self.scheme, authority: said };
        said.authority.host().eq_ignore_ascii_case(self.authority.host()) && said.port() == self.port()
    }
}

impl Forward {
    /// A proxy that lets in whoever knows the token.
    pub(crate) fn new(client: Client, token: Arc<Token>, authority: Authority) -> Arc<Self> {
        Arc::new(Self { client, token, authority, log: None })
    }

    /// The same, which writes down what goes through.
    pub(super) fn logged(client: Client, token: Arc<Token>, authority: Authority, log: Arc<Log>) -> Arc<Self> {
        Arc::new(Self { client, token, authority, log: Some(log) })
    }

    /// Lets programs in, until the runtime ends.
    pub(crate) async fn accept(self: Arc<Self>, listener: TcpListener) {
        super::accept(&listener, |stream| Arc::clone(&self).serve(stream)).await;
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let guest = Arc::new(Guest::of(&stream));
        let answer = service_fn(move |request| {
            let (proxy, guest) = (Arc::clone(&self), Arc::clone(&guest));
            async move { Ok::<_, Infallible>(proxy.answer(request, &guest).await.unwrap_or_else(Refusal::into_answer)) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .max_headers(super::MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), answer)
            .with_upgrades();
        // What breaks off here is told to nobody: the program has seen it itself.
        let _ = connection.await;
    }

    /// Answers a request to a proxy. Whoever says a password says the right one.
    pub(super) async fn answer(self: Arc<Self>, request: Request<Incoming>, guest: &Guest) -> Result<Answer, Refusal> {
        let says = request.headers().contains_key(header::PROXY_AUTHORIZATION);
        let known = self.token.is_in_credentials(request.headers()) || (!says && guest.knows(&self.token).await);
        if !known {
            return Ok(credentials_required());
        }
        if self.authority.is_over() {
            return Err(day_over());
        }
        let scheme = match request.uri().scheme_str() {
            Some("http") => "http",
            Some("https") => "https",
            _ if request.method() == Method::CONNECT => return tunnel::open(self, request),
            _ => return Err(no_proxy_request()),
        };
        let Some(authority) = request.uri().authority().cloned() else { return Err(no_proxy_request()) };
        Ok(self.pass(&Origin { scheme, authority }, request).await)
    }

    /// Makes a call of a request to `origin`, and an answer of what comes back or of why nothing does.
    pub(super) async fn pass(&self, origin: &Origin, request: Request<Incoming>) -> Answer {
        let (started, mut entry) = (Instant::now(), Entry::of(request.method()));
        let answer = self.passed(origin, request, &mut entry).await;
        if let Some(log) = &self.log {
            entry.way = "forward".to_owned();
            entry.origin = Some(format!("{}://{}", origin.scheme, origin.authority.as_str().to_ascii_lowercase()));
            log.add(&entry.ended(answer.status(), started));
        }
        answer
    }

    async fn passed(&self, origin: &Origin, request: Request<Incoming>, entry: &mut Entry) -> Answer {
        let head = request.method() == Method::HEAD;
        match self.checked(origin, request).await {
            Ok(answer) => answer,
            Err((refusal, challenge)) => {
                entry.error = Some(refusal.code().to_owned());
                let mut answer = refusal.about(origin.authority.host()).into_answer();
                if challenge {
                    answer.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
                }
                if head { without_body(answer) } else { answer }
            }
        }
    }

    /// The upstream's answer, or a refusal and whether it asks the program for the credentials it was given.
    async fn checked(&self, origin: &Origin, mut request: Request<Incoming>) -> Result<Answer, (Refusal, bool)> {
        let bare = !request.headers().contains_key(header::AUTHORIZATION);
        let socket = exchange::socket_of(&mut request);
        let (call, upload) = call_of(origin, request).map_err(|refusal| (refusal, false))?;
        match exchange::pass(&self.client, call, upload, socket).await {
            Ok(answer) => Ok(answer),
            Err(error) if error.code() == ErrorCode::NothingToInject && bare && self.asks(origin).await => {
                Err((Refusal::from(error).with_status(StatusCode::UNAUTHORIZED), true))
            }
            Err(error) => Err((error.into(), false)),
        }
    }

    async fn asks(&self, origin: &Origin) -> bool {
        challenge::worthwhile(&self.client, origin.scheme, origin.authority.host(), origin.port()).await
    }
}

fn call_of(origin: &Origin, request: Request<Incoming>) -> Result<(Call, Upload), Refusal> {
    let (parts, body) = request.into_parts();
    let host = parts.headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    if !parts.uri.authority().map(HostPort::as_str).into_iter().chain(host).all(|said| origin.is(said)) {
        return Err(misdirected());
    }
    let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    // The asterisk of an OPTIONS is no path, and would go on as a part of the host.
    if path.starts_with('*') {
        return Err(no_proxy_request());
    }
    let url = format!("{}://{}{path}", origin.scheme, origin.authority);
    let mut call = exchange::call_of(parts.method, &url, &parts.headers)?;
    call.placeholders(true);
    Ok((call, Upload::new(&parts.headers, body)))
}

fn credentials_required() -> Answer {
    let refusal = Refusal::new(
        StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        "session_token_required",
        "this proxy serves programs that say its password, or that it was started for",
        "agentsecrets run -- COMMAND, or the URL of agentsecrets proxy status --json",
    );
    let mut answer = refusal.into_answer();
    answer.headers_mut().insert(header::PROXY_AUTHENTICATE, CHALLENGE);
    answer
}

fn day_over() -> Refusal {
    Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "authority_expired",
        "this proxy's authority was for a day, which is over",
        "start the command again, or: agentsecrets proxy stop, and agentsecrets proxy start --ca DIR",
    )
}

fn no_proxy_request() -> Refusal {
    Refusal::new(
        StatusCode::BAD_REQUEST,
        ErrorCode::InvalidCall.as_str(),
        "this is a forward proxy: it takes CONNECT, and requests with a whole URL",
        "use it as HTTPS_PROXY, which agentsecrets run sets",
    )
}

fn misdirected() -> Refusal {
    Refusal::new(
        StatusCode::MISDIRECTED_REQUEST,
        ErrorCode::InvalidCall.as_str(),
        "the Host header names another host than the one the connection was made for",
        "leave the Host header to the program",
    )
}
