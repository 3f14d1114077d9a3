//! How bytes and statements look in an OpenAPI document.

use std::borrow::Cow;

use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::{Blob, Code, Fixed, Signature, limits};

/// Base64url without padding.
const PATTERN: &str = "^[A-Za-z0-9_-]*$";

fn text(length: Option<usize>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(PATTERN)).min_length(length).max_length(length)
}

impl<const N: usize> PartialSchema for Fixed<N> {
    fn schema() -> RefOr<Schema> {
        text(Some((N * 8).div_ceil(6))).description(Some(format!("{N} bytes, in base64url"))).into()
    }
}

impl<const N: usize> ToSchema for Fixed<N> {
    fn name() -> Cow<'static, str> {
        format!("Bytes{N}").into()
    }
}

impl PartialSchema for Blob {
    fn schema() -> RefOr<Schema> {
        text(None).description(Some("Sealed bytes, in base64url")).into()
    }
}

impl ToSchema for Blob {}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let codes = Self::ALL.iter().map(|code| code.as_str());
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes)).into()
    }
}

impl ToSchema for Code {}

/// Stands for every [`Signed`](crate::Signed) statement: what is said is text to the document.
pub(crate) struct Statement;

impl PartialSchema for Statement {
    fn schema() -> RefOr<Schema> {
        let body = ObjectBuilder::new().schema_type(Type::String).max_length(Some(limits::ENTRY));
        ObjectBuilder::new()
            .description(Some("A statement, as the JSON text that was signed, and its author's signature"))
            .property("body", body)
            .required("body")
            .property("signature", Signature::schema())
            .required("signature")
            .additional_properties(Some(utoipa::openapi::schema::AdditionalProperties::<Schema>::FreeForm(false)))
            .into()
    }
}

impl ToSchema for Statement {
    fn name() -> Cow<'static, str> {
        "Signed".into()
    }
}
