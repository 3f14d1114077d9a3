//! The explicit way: `/proxy`, told by `X-AS-*` headers where to go and what to put in.

use agentsecrets::call::parse_header_name;
use agentsecrets::{Auth, Call, Error, ErrorCode, FieldPath, Result, SecretRef, Style};
use http::{HeaderMap, Method};
use serde::Deserialize;

use super::exchange::{OURS, call_of};
use super::guard::{AGENT_TOKEN, SESSION_TOKEN};

/// A call, and whether a value goes into its body.
pub(super) struct Explicit {
    pub(super) call: Call,
    pub(super) edit: Option<Edit>,
}

/// The kind of a body that a value is written into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    Json,
    Form,
}

/// One injection of the lossless `X-AS-Inject`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    style: String,
    #[serde(default)]
    name: Option<String>,
    secret: String,
    #[serde(default)]
    format: Option<String>,
}

/// Reads the headers of a request to `/proxy`.
///
/// # Errors
/// `invalid_call` for a header of ours that is missing, unknown, said twice or malformed.
pub(super) fn read(method: &Method, headers: &HeaderMap) -> Result<Explicit> {
    let url = one(headers, "x-as-target-url")?
        .ok_or_else(|| wrong("X-AS-Target-URL is missing").with_hint("X-AS-Target-URL: https://api.example.com/v1"))?;
    let method = match one(headers, "x-as-method")? {
        Some(said) => said.to_ascii_uppercase().parse().map_err(|_| wrong("X-AS-Method is no HTTP method"))?,
        None => method.clone(),
    };
    let mut explicit = Explicit { call: call_of(method, url, headers)?, edit: None };
    for name in headers.keys().filter(|name| name.as_str().starts_with(OURS)) {
        let Some(said) = one(headers, name.as_str())? else { continue };
        match &name.as_str()[OURS.len()..] {
            "target-url" | "method" => {}
            _ if name == SESSION_TOKEN || name == AGENT_TOKEN => {}
            "agent-id" => return Err(no_declared_agents()),
            "inject" => explicit.inject_list(said)?,
            style => explicit.inject_by_header(style, said)?,
        }
    }
    Ok(explicit)
}

impl Explicit {
    fn inject_list(&mut self, text: &str) -> Result<()> {
        let list: Vec<Said> = serde_json::from_str(text).map_err(|_| {
            wrong("X-AS-Inject is no JSON list of injections")
                .with_hint("X-AS-Inject: [{\"style\":\"header\",\"name\":\"X-Api-Key\",\"secret\":\"NAME\"}]")
        })?;
        for said in list {
            let secret = SecretRef::new(&said.secret)?;
            let secret = said.format.as_deref().map_or(Ok(secret.clone()), |format| secret.format(format))?;
            self.inject(place(&said.style, said.name.as_deref())?, secret)?;
        }
        Ok(())
    }

    fn inject_by_header(&mut self, name: &str, secret: &str) -> Result<()> {
        let place = match name.strip_prefix("inject-").map(|style| style.split_once('-').unwrap_or((style, ""))) {
            Some((style, name)) => place(style, Some(name).filter(|name| !name.is_empty()))?,
            None => return Err(wrong("there is an X-AS header here that the proxy does not know").with_hint(GUIDE)),
        };
        self.inject(place, SecretRef::new(secret)?)
    }

    fn inject(&mut self, auth: Auth, secret: SecretRef) -> Result<()> {
        match auth.style() {
            Style::BodyField => self.edit = Some(Edit::Json),
            Style::FormField => self.edit = Some(Edit::Form),
            _ => {}
        }
        self.call.inject(auth, secret)
    }
}

const GUIDE: &str = "X-AS-Inject-Bearer: NAME, or X-AS-Inject-Header-X-Api-Key: NAME";

/// The place that a style and a name mean.
fn place(style: &str, name: Option<&str>) -> Result<Auth> {
    match (style, name) {
        ("bearer", None) => Ok(Auth::Bearer),
        ("basic", None) => Ok(Auth::Basic),
        ("header", Some(name)) => Ok(Auth::Header(parse_header_name(name)?)),
        ("query", Some(name)) => Ok(Auth::Query(name.to_owned())),
        ("body" | "body_field", Some(path)) => Ok(Auth::BodyField(FieldPath::parse(path)?)),
        ("form" | "form_field", Some(name)) => Ok(Auth::FormField(name.to_owned())),
        _ => Err(wrong("a style is bearer or basic, or header, query, body or form with a name").with_hint(GUIDE)),
    }
}

/// A header that is there once or not at all.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            std::str::from_utf8(value.as_bytes()).map(Some).map_err(|_| wrong("an X-AS header is not UTF-8"))
        }
        _ => Err(wrong("an X-AS header is there twice")),
    }
}

fn no_declared_agents() -> Error {
    wrong("X-AS-Agent-ID is not supported: an agent is known by its token")
        .with_hint("X-AS-Agent-Token, with what agentsecrets agent token issue gave")
}

fn wrong(message: &'static str) -> Error {
    Error::new(ErrorCode::InvalidCall, message)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    const TO: (&str, &str) = ("x-as-target-url", "https://api.example.com/v1");

    fn said(pairs: &[(&str, &str)]) -> Result<Explicit> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: HeaderName = name.parse().expect("name");
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("value"));
        }
        read(&Method::POST, &headers)
    }

    #[test]
    fn every_style_is_understood_in_both_forms() {
        for (header, value, edit) in [
            ("x-as-inject-bearer", "KEY", None),
            ("x-as-inject-basic", "KEY", None),
            ("x-as-inject-header-x-api-key", "KEY", None),
            ("x-as-inject-query-key", "KEY", None),
            ("x-as-inject-body-auth.secret", "KEY", Some(Edit::Json)),
            ("x-as-inject-form-client_secret", "KEY", Some(Edit::Form)),
            ("x-as-inject", r#"[{"style":"header","name":"Authorization","secret":"KEY","format":"Bot {}"}]"#, None),
            ("x-as-inject", r#"[{"style":"body","name":"/a.b/C","secret":"KEY"}]"#, Some(Edit::Json)),
            ("x-as-inject", r#"[{"style":"bearer","secret":"KEY"},{"style":"query","name":"Key","secret":"B"}]"#, None),
        ] {
            let explicit = said(&[TO, (header, value)]).unwrap_or_else(|why| panic!("{header}: {why}"));
            assert_eq!(explicit.edit, edit, "{header}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for pairs in [
            &[][..],
            &[TO, TO],
            &[TO, ("x-as-inject-bearer", "no name")],
            &[TO, ("x-as-inject-bearer", "KEY"), ("x-as-inject-basic", "KEY")],
            &[TO, ("x-as-inject-bearer-x", "KEY")],
            &[TO, ("x-as-inject-header", "KEY")],
            &[TO, ("x-as-inject-cookie-x", "KEY")],
            &[TO, ("x-as-injekt", "KEY")],
            &[TO, ("x-as-agent-id", "x")],
            &[TO, ("x-as-method", "CONNECT")],
            &[TO, ("x-as-inject", "{}")],
            &[TO, ("x-as-inject", r#"[{"style":"bearer","secret":"KEY","value":"x"}]"#)],
            &[("x-as-target-url", "file:///etc/passwd")],
        ] {
            assert!(said(pairs).is_err_and(|why| why.code() == ErrorCode::InvalidCall), "{pairs:?}");
        }
    }

    proptest! {
        /// Nothing that is said makes the reader stop, and no refusal repeats it.
        #[test]
        fn any_list_is_read_or_refused(text in "[ -~]{0,60}") {
            let shown = format!("zq9{text}");
            if let Err(why) = said(&[TO, ("x-as-inject", &shown)]) {
                prop_assert!(!why.to_string().contains("zq9"));
            }
        }

        #[test]
        fn a_list_of_any_styles_is_read_or_refused(
            style in "(bearer|basic|header|query|body|form|x)", name in proptest::option::of("[ -~]{0,12}"),
            secret in "[A-Za-z_]{1,6}", format in proptest::option::of("[ -~]{0,8}")
        ) {
            let mut one = serde_json::json!({ "style": style, "secret": secret });
            if let Some(name) = name { one["name"] = name.into(); }
            if let Some(format) = format { one["format"] = format.into(); }
            let _ = said(&[TO, ("x-as-inject", &serde_json::json!([one]).to_string())]);
        }

        #[test]
        fn any_header_of_ours_is_read_or_refused(name in "x-as-[a-z._-]{1,20}", value in "[ -~]{0,20}") {
            let _ = said(&[TO, (&name, value.trim())]);
        }
    }
}
