//! A call as it is written, one word after the other.

use std::time::Duration;

use super::Client;
use crate::call::{Auth, Body, Call, FieldPath, Multipart};
use crate::error::{Error, ErrorCode, Result};
use crate::response::{Buffered, Response};
use crate::secret_ref::SecretRef;

/// A call being written. The first mistake is kept and said when it is sent.
#[must_use = "a call does nothing until it is sent"]
pub struct CallBuilder {
    pub(super) client: Client,
    pub(super) call: Result<Call>,
}

impl CallBuilder {
    /// `Authorization: Bearer` with this secret's value.
    pub fn bearer<S: TryInto<SecretRef>>(self, secret: S) -> Self
    where
        Error: From<S::Error>,
    {
        self.inject(Auth::Bearer, secret)
    }

    /// `Authorization: Basic` with this secret's `user:password`.
    pub fn basic<S: TryInto<SecretRef>>(self, secret: S) -> Self
    where
        Error: From<S::Error>,
    {
        self.inject(Auth::Basic, secret)
    }

    /// A header with this secret's value.
    pub fn secret_header<S: TryInto<SecretRef>>(self, name: &str, secret: S) -> Self
    where
        Error: From<S::Error>,
    {
        match crate::call::parse_header_name(name) {
            Ok(name) => self.inject(Auth::Header(name), secret),
            Err(error) => self.failed(error),
        }
    }

    /// A query parameter with this secret's value.
    pub fn secret_query<S: TryInto<SecretRef>>(self, name: &str, secret: S) -> Self
    where
        Error: From<S::Error>,
    {
        self.inject(Auth::Query(name.to_owned()), secret)
    }

    /// A field of the JSON body with this secret's value: a dotted path or an RFC 6901 pointer.
    pub fn body_field<S: TryInto<SecretRef>>(self, path: &str, secret: S) -> Self
    where
        Error: From<S::Error>,
    {
        match FieldPath::parse(path) {
            Ok(path) => self.inject(Auth::BodyField(path), secret),
            Err(error) => self.failed(error),
        }
    }

    /// A field of the form body with this secret's value.
    pub fn form_field<S: TryInto<SecretRef>>(self, name: &str, secret: S) -> Self
    where
        Error: From<S::Error>,
    {
        self.inject(Auth::FormField(name.to_owned()), secret)
    }

    /// Any style by its place.
    pub fn inject<S: TryInto<SecretRef>>(self, auth: Auth, secret: S) -> Self
    where
        Error: From<S::Error>,
    {
        self.with(|call| call.inject(auth, secret.try_into()?))
    }

    /// A plain header.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.with(|call| call.header(name, value.as_bytes()))
    }

    /// Plain query parameters.
    pub fn params<N: AsRef<str>, V: AsRef<str>>(self, pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        self.having(|call| call.params(pairs))
    }

    /// A body as it is.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.having(|call| call.body(body))
    }

    /// A JSON body.
    pub fn json<T: serde::Serialize + ?Sized>(self, value: &T) -> Self {
        self.with(|call| match serde_json::to_vec(value) {
            Ok(text) => {
                call.json(text);
                Ok(())
            }
            Err(why) => Err(Error::new(ErrorCode::InvalidCall, format!("the body cannot be written as JSON: {why}"))),
        })
    }

    /// A form body.
    pub fn form<N: AsRef<str>, V: AsRef<str>>(self, fields: impl IntoIterator<Item = (N, V)>) -> Self {
        self.having(|call| call.form(fields))
    }

    /// A multipart body.
    pub fn multipart(self, multipart: Multipart) -> Self {
        self.having(|call| call.multipart(multipart))
    }

    /// How long the call may take.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.having(|call| call.timeout(timeout))
    }

    /// The longest body that [`Response::buffered`] reads.
    pub fn max_response(self, bytes: u64) -> Self {
        self.having(|call| call.max_response(bytes))
    }

    /// How often an idempotent call may be tried again; never unless said.
    pub fn retries(self, retries: u32) -> Self {
        self.having(|call| call.retries(retries))
    }

    /// Whether same-origin redirects are followed; they are unless said.
    pub fn redirects(self, follow: bool) -> Self {
        self.having(|call| call.redirects(follow))
    }

    /// Whether placeholders in the call stand for their secrets; they do not unless said.
    pub fn placeholders(self, count: bool) -> Self {
        self.having(|call| call.placeholders(count))
    }

    /// Sends the call.
    ///
    /// # Errors
    /// The first mistake of the builder, and those of [`Client::send`].
    pub async fn send(self) -> Result<Response> {
        self.client.send(self.call?).await
    }

    /// Sends the call and reads the whole body.
    ///
    /// # Errors
    /// The first mistake of the builder, and those of [`Client::send_buffered`].
    pub async fn send_buffered(self) -> Result<Buffered> {
        self.client.send_buffered(self.call?).await
    }

    fn with(mut self, change: impl FnOnce(&mut Call) -> Result<()>) -> Self {
        if let Ok(call) = &mut self.call
            && let Err(error) = change(call)
        {
            self.call = Err(error);
        }
        self
    }

    fn having(self, change: impl FnOnce(&mut Call)) -> Self {
        self.with(|call| {
            change(call);
            Ok(())
        })
    }

    fn failed(self, error: Error) -> Self {
        self.with(|_| Err(error))
    }
}
