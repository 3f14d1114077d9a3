"""The six places a secret can go to. Run it with `python examples/python/auth_styles.py`."""

import os

from agentsecrets import AgentSecrets, SecretRef

base = os.environ.get("EXAMPLE_URL", "https://api.example.com")
url = f"{base}/echo"
with AgentSecrets() as client:
    bearer = client.call(url, bearer="API_KEY")
    basic = client.call(url, basic="LOGIN")
    header = client.call(url, header={"X-Api-Key": "API_KEY"})
    formatted = client.call(url, header={"Authorization": SecretRef("API_KEY").format("Bot {}")})
    query = client.call(url, query={"key": "API_KEY"})
    body = client.call(
        url,
        method="POST",
        body={"grant_type": "client_credentials"},
        body_field={"auth.client_secret": "API_KEY"},
    )
    form = client.call(
        url,
        method="POST",
        form={"grant_type": "client_credentials"},
        form_field={"client_secret": "API_KEY"},
    )
    for response in (bearer, basic, header, formatted, query, body, form):
        # The echo sends the value back, so every answer names what was taken out of it.
        print(response.status_code, response.redacted)
        assert response.status_code == 200 and response.redacted
