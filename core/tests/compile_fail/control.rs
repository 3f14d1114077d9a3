use agentsecrets::{Client, SecretInput, SecretName};

pub async fn set(client: Client, name: SecretName, value: SecretInput) -> agentsecrets::Result<()> {
    client.set(name, value, false, None).await.map(|_| ())
}

pub fn show(name: &SecretName) -> String {
    format!("{name:?} {}", serde_json::to_string(name).unwrap())
}
