"""One authenticated call. Run it with `python examples/python/quick_start.py`."""

import os

from agentsecrets import AgentSecrets

base = os.environ.get("EXAMPLE_URL", "https://api.example.com")
with AgentSecrets() as client:
    response = client.call(f"{base}/echo", bearer="API_KEY")
    print(response.status_code, response.json()["method"], response.redacted)
