// refused: E0599
pub fn f(client: &agentsecrets::Client) {
    let _ = client.secret("KEY");
}
