//! The six places a secret can go to. Run it with `cargo run -p agentsecrets-examples --bin auth_styles`.
#![allow(clippy::print_stdout)] // An example prints.

use agentsecrets::{Buffered, Client, SecretRef};
use serde_json::json;

#[tokio::main]
async fn main() -> agentsecrets::Result<()> {
    let base = std::env::var("EXAMPLE_URL").unwrap_or_else(|_| "https://api.example.com".into());
    let url = format!("{base}/echo");
    let client = Client::open().await?;

    let bearer = client.get(&url).bearer("API_KEY").send_buffered().await?;
    let basic = client.get(&url).basic("LOGIN").send_buffered().await?;
    let header = client.get(&url).secret_header("X-Api-Key", "API_KEY").send_buffered().await?;
    let bot = SecretRef::new("API_KEY")?.format("Bot {}")?;
    let formatted = client.get(&url).secret_header("Authorization", &bot).send_buffered().await?;
    let query = client.get(&url).secret_query("key", "API_KEY").send_buffered().await?;
    let body = client
        .post(&url)
        .json(&json!({"grant_type": "client_credentials"}))
        .body_field("auth.client_secret", "API_KEY")
        .send_buffered()
        .await?;
    let form = client
        .post(&url)
        .form([("grant_type", "client_credentials")])
        .form_field("client_secret", "API_KEY")
        .send_buffered()
        .await?;

    for (style, response) in [
        ("bearer", bearer),
        ("basic", basic),
        ("header", header),
        ("header with a format", formatted),
        ("query", query),
        ("body field", body),
        ("form field", form),
    ] {
        println!("{style:21} {} {}", response.status, redacted(&response));
    }
    Ok(())
}

/// The echo sends the value back, so every answer names what was taken out of it.
fn redacted(response: &Buffered) -> String {
    response.redacted.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
