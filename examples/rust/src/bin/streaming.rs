//! Reads a response as it comes. Run it with `cargo run -p agentsecrets-examples --bin streaming`.
#![allow(clippy::print_stdout)] // An example prints.

use agentsecrets::Client;

#[tokio::main]
async fn main() -> agentsecrets::Result<()> {
    let base = std::env::var("EXAMPLE_URL").unwrap_or_else(|_| "https://api.example.com".into());
    let client = Client::open().await?;
    let mut response = client.get(&format!("{base}/sse?events=3&echo=1")).bearer("API_KEY").send().await?;
    while let Some(chunk) = response.chunk().await? {
        print!("{}", String::from_utf8_lossy(&chunk));
    }
    println!("redacted on the way: {:?}", response.redacted());
    Ok(())
}
