//! The call as it was typed.

use std::io::Read;

use agentsecrets::call::{Auth, Call, FieldPath, parse_header_name};
use agentsecrets::{Error, ErrorCode, Result, SecretRef};

use super::CallArgs;
use crate::commands::usage;

/// The call, without any value but the caller's own.
pub(super) fn build(args: &CallArgs) -> Result<Call> {
    let has_body =
        args.body.is_some() || !args.form.is_empty() || !args.form_fields.is_empty() || !args.body_fields.is_empty();
    let method = args.method.as_deref().unwrap_or(if has_body { "POST" } else { "GET" });
    let method =
        method.to_ascii_uppercase().parse().map_err(|_| usage("--method is no HTTP method", "--method POST"))?;
    let mut call = Call::new(method, &args.url)?;
    for header in &args.plain_headers {
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| usage("--plain-header is 'NAME: VALUE'", "--plain-header 'Accept: text/csv'"))?;
        call.header(name.trim(), value.trim().as_bytes())?;
    }
    body(args, &mut call)?;
    inject(args, &mut call)?;
    if args.timeout.is_some() {
        let timeout = args.timeout().filter(|limit| !limit.is_zero());
        call.timeout(timeout.ok_or_else(|| usage("--timeout is a number of seconds above zero", "--timeout 30"))?);
    }
    if let Some(retries) = args.retries {
        call.retries(retries);
    }
    if let Some(limit) = args.max_response {
        call.max_response(limit);
    }
    Ok(call)
}

fn body(args: &CallArgs, call: &mut Call) -> Result<()> {
    if !args.form.is_empty() || (args.body.is_none() && !args.form_fields.is_empty()) {
        let fields = args.form.iter().map(|field| {
            field.split_once('=').ok_or_else(|| usage("--form is FIELD=VALUE", "--form grant_type=client_credentials"))
        });
        call.form(fields.collect::<Result<Vec<_>>>()?);
        return Ok(());
    }
    let Some(text) = &args.body else {
        if !args.body_fields.is_empty() {
            call.json("{}");
        }
        return Ok(());
    };
    let bytes = match (args.body_file(), text.as_str()) {
        (Some(file), _) => std::fs::read(&file).map_err(|why| unreadable("its file", &why))?,
        (None, "-") => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).map_err(|why| unreadable("stdin", &why))?;
            bytes
        }
        (None, text) => text.as_bytes().to_vec(),
    };
    if is_json(&bytes) || !args.body_fields.is_empty() {
        call.json(bytes);
    } else {
        call.body(bytes);
    }
    Ok(())
}

/// Whether the text is a JSON object or array; a lone number or string more likely is text.
fn is_json(bytes: &[u8]) -> bool {
    let opens = bytes.trim_ascii_start().first().is_some_and(|byte| matches!(byte, b'{' | b'['));
    opens && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

fn inject(args: &CallArgs, call: &mut Call) -> Result<()> {
    if let Some(secret) = &args.bearer {
        call.inject(Auth::Bearer, SecretRef::new(secret)?)?;
    }
    if let Some(secret) = &args.basic {
        call.inject(Auth::Basic, SecretRef::new(secret)?)?;
    }
    for header in &args.headers {
        let (name, secret) = header.split_once('=').ok_or_else(|| place("--header", "X-Api-Key=NAME"))?;
        call.inject(Auth::Header(parse_header_name(name.trim())?), surrounded(secret)?)?;
    }
    for query in &args.queries {
        let (name, secret) = pair("--query", "key=NAME", query)?;
        call.inject(Auth::Query(name.to_owned()), secret)?;
    }
    for field in &args.body_fields {
        let (path, secret) = pair("--body-field", "auth.client_secret=NAME", field)?;
        call.inject(Auth::BodyField(FieldPath::parse(path)?), secret)?;
    }
    for field in &args.form_fields {
        let (name, secret) = pair("--form-field", "client_secret=NAME", field)?;
        call.inject(Auth::FormField(name.to_owned()), secret)?;
    }
    Ok(())
}

/// A place and a name; a name has no `=`, a place may.
fn pair<'a>(argument: &'static str, example: &'static str, typed: &'a str) -> Result<(&'a str, SecretRef)> {
    match typed.rsplit_once('=') {
        Some((place, secret)) if !place.is_empty() => Ok((place, SecretRef::new(secret)?)),
        _ => Err(place(argument, example)),
    }
}

/// `NAME`, or text with `{NAME}` in it.
fn surrounded(typed: &str) -> Result<SecretRef> {
    let Some((before, rest)) = typed.split_once('{') else { return SecretRef::new(typed) };
    let Some((name, after)) = rest.split_once('}') else {
        return Err(usage("the { in --header is not closed", "--header 'Authorization=Bot {NAME}'"));
    };
    SecretRef::new(name)?.format(&format!("{before}{{}}{after}"))
}

fn place(argument: &'static str, example: &'static str) -> Error {
    Error::new(ErrorCode::InvalidCall, format!("{argument} is PLACE=SECRET")).with_hint(format!("{argument} {example}"))
}

fn unreadable(what: &str, why: &std::io::Error) -> Error {
    Error::new(ErrorCode::InvalidCall, format!("the body cannot be read from {what}: {}", why.kind()))
        .with_hint("--body @FILE reads a file, --body - reads stdin")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_may_stand_around_a_name() {
        let bot = surrounded("Bot {DISCORD}").expect("a pattern");
        assert_eq!((bot.name().as_str(), bot.pattern().as_deref()), ("DISCORD", Some("Bot {}")));
        assert_eq!(surrounded("KEY").expect("a name").pattern(), None);
        assert!(surrounded("Bot {KEY").is_err());
        assert!(surrounded("{A}{B}").expect("the rest is text").pattern().is_some());
    }

    #[test]
    fn a_place_may_hold_an_equals_sign() {
        let (place, secret) = pair("--query", "key=NAME", "a=b=KEY").expect("a pair");
        assert_eq!((place, secret.to_string().as_str()), ("a=b", "KEY"));
        for wrong in ["KEY", "=KEY", "a="] {
            assert_eq!(pair("--query", "key=NAME", wrong).expect_err(wrong).code(), ErrorCode::InvalidCall);
        }
    }

    #[test]
    fn only_whole_json_is_taken_for_it() {
        assert!(is_json(b" {\"a\": 1}\n"));
        assert!(is_json(b"[1]"));
        for text in [&b"{a}"[..], b"12", b"\"x\"", b"", b"a=b"] {
            assert!(!is_json(text));
        }
    }
}
