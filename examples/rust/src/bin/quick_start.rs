//! One authenticated call. Run it with `cargo run -p agentsecrets-examples --bin quick_start`.
#![allow(clippy::print_stdout)] // An example prints.

use agentsecrets::Client;

#[tokio::main]
async fn main() -> agentsecrets::Result<()> {
    let url = std::env::var("EXAMPLE_URL").unwrap_or_else(|_| "https://api.example.com".into());
    let client = Client::open().await?;
    let response = client.get(&format!("{url}/echo")).bearer("API_KEY").send_buffered().await?;
    println!("{} {}", response.status, response.text());
    Ok(())
}
