//! What every request shares, and what is done around every request.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentsecrets_wire::Code;
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};

use crate::auth::Peer;
use crate::chains::Chains;
use crate::config::{Options, Registration, Switch};
use crate::error::Refused;
use crate::keys::Keys;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::routes;
use crate::storage::Storage;

/// How long a request may take, its body included.
const REQUEST_TIME: Duration = Duration::from_secs(60);

/// The other end of a connection.
#[derive(Clone, Copy)]
pub(crate) struct Connection(pub(crate) SocketAddr);

/// What every request shares.
pub(crate) struct App {
    /// The database.
    pub(crate) storage: Storage,
    /// The server's own keys.
    pub(crate) keys: Keys,
    /// Who is who in each workspace.
    pub(crate) chains: Chains,
    /// How often who may ask.
    pub(crate) limits: Limits,
    /// What the server counts about itself.
    pub(crate) metrics: Metrics,
    /// Who may make an account.
    pub(crate) registration: Registration,
    trust_proxy: bool,
}

impl App {
    /// Opens what the options name.
    pub(crate) async fn open(options: &Options) -> Result<Arc<Self>, String> {
        let url = options.database_url()?;
        let storage = Storage::open(url.as_deref(), &options.data).await?;
        storage.migrate(options.migrate == Switch::On).await?;
        let path = options.key_file();
        // Beside a shared database a key that each process makes for itself would be worse than none.
        let keys = Keys::open(&path, url.is_none())?;
        let limits = Limits::new(options.requests_per_minute, options.logins_per_minute);
        let (chains, metrics) = (Chains::default(), Metrics::default());
        let (registration, trust_proxy) = (options.registration, options.trust_proxy);
        Ok(Arc::new(Self { storage, keys, chains, limits, metrics, registration, trust_proxy }))
    }

    /// Where a request comes from: the proxy's word for it, where there is one that is believed.
    fn peer(&self, headers: &HeaderMap, connection: IpAddr) -> IpAddr {
        let told = headers.get_all("x-forwarded-for").iter().next_back().filter(|_| self.trust_proxy);
        let last = told.and_then(|told| told.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        last.unwrap_or(connection)
    }
}

/// Every route, with what is done around it.
pub(crate) fn router(app: &Arc<App>, with_metrics: bool) -> Router {
    let (router, _) = routes::documented().split_for_parts();
    let router = router.merge(routes::plain(with_metrics));
    let router = router.fallback(|| async { Refused::from(Code::NotFound) });
    router.layer(from_fn_with_state(app.clone(), around)).with_state(app.clone())
}

/// Counts, times, limits and logs a request: by its route, never by its path.
async fn around(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("none", |path| path.as_str()).to_owned();
    let method = request.method().clone();
    let connection = request.extensions().get::<Connection>().map(|it| it.0.ip());
    let peer = app.peer(request.headers(), connection.unwrap_or(IpAddr::from([0; 4])));
    request.extensions_mut().insert(Peer(peer));
    let answered = async {
        if route.starts_with("/v1/") {
            app.limits.peer(&app.storage, &app.keys, peer).await?;
        }
        Ok(next.run(request).await)
    };
    let mut response = match tokio::time::timeout(REQUEST_TIME, answered).await {
        Ok(Ok(response)) => response,
        Ok(Err(refused)) => Refused::into_response(refused),
        Err(_) => Refused::from(Code::Unavailable).into_response(),
    };
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let (status, took) = (response.status().as_u16(), began.elapsed());
    app.metrics.count(&route, status, took);
    tracing::info!(%method, route, status, micros = took.as_micros(), "answered");
    response
}
