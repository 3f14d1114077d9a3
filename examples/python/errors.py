"""What a refusal tells. Run it with `python examples/python/errors.py`."""

import os

from agentsecrets import AgentSecrets, AgentSecretsError, DestinationNotAllowed, UpstreamError

base = os.environ.get("EXAMPLE_URL", "https://api.example.com")
with AgentSecrets() as client:
    try:
        client.call("https://elsewhere.example/", bearer="API_KEY")
    except DestinationNotAllowed as error:
        print(f"refused at stage {error.stage}: {error}")
        print(f"the owner would permit it with: {error.hint}")

    response = client.call(f"{base}/status/503", bearer="API_KEY")
    print("an upstream error is a response:", response.status_code)
    try:
        response.raise_for_status()
    except UpstreamError as error:
        print("unless asked:", error.code, "retryable" if error.retryable else "final")

    try:
        client.call(f"{base}/hang", bearer="API_KEY", timeout=0.2)
    except AgentSecretsError as error:
        print("any other:", error.code)
