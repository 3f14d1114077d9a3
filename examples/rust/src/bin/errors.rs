//! What a refusal tells. Run it with `cargo run -p agentsecrets-examples --bin errors`.
#![allow(clippy::print_stdout)] // An example prints.

use agentsecrets::{Client, ErrorCode};

#[tokio::main]
async fn main() -> agentsecrets::Result<()> {
    let client = Client::open().await?;
    match client.get("https://elsewhere.example/").bearer("API_KEY").send().await {
        Ok(response) => println!("nobody granted this, and yet: {}", response.status()),
        Err(error) if error.code() == ErrorCode::DestinationNotAllowed => {
            println!("refused at stage {}: {}", error.stage(), error.message());
            println!("the owner would permit it with: {}", error.hint().unwrap_or_default());
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
