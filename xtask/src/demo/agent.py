"""An agent in Python. It knows the name DEMO_KEY, and nothing here could tell it more."""

import json
import sys

from agentsecrets import AgentSecrets
from agentsecrets.errors import AgentSecretsError

origin = sys.argv[1]

with AgentSecrets() as client:
    account = client.call(f"{origin}/v1/account", bearer="DEMO_KEY")
    charge = client.call(f"{origin}/v1/charges", method="POST", bearer="DEMO_KEY", body={"amount": 1000})
    echo = client.call(f"{origin}/v1/echo", bearer="DEMO_KEY")

    refused = []
    for url, styles in [
        ("https://collector.example/v1/account", {"bearer": "DEMO_KEY"}),
        (f"{origin}/v1/account", {"query": {"key": "DEMO_KEY"}}),
    ]:
        try:
            client.call(url, **styles)
        except AgentSecretsError as error:
            refused.append({"code": error.code, "message": str(error), "hint": error.hint})

    print(
        json.dumps(
            {
                "isolation": client.isolation,
                "account": account.json(),
                "charge": charge.json(),
                "echo": echo.text,
                "redacted": list(echo.redacted),
                "refused": refused,
            }
        )
    )
