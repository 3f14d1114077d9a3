"""Lets httpx make its calls through AgentSecrets. Run it with `python examples/python/transports.py`.

It needs `pip install httpx`.
"""

import os

import httpx

from agentsecrets import DestinationNotAllowed, SecretRef
from agentsecrets.transports import HttpxTransport

base = os.environ.get("EXAMPLE_URL", "https://api.example.com")
headers = {"Authorization": f"Bearer {SecretRef('API_KEY').placeholder}"}
with httpx.Client(transport=HttpxTransport(), headers=headers) as client:
    answer = client.post(f"{base}/echo", json={"hello": "world"})
    print(answer.status_code, "REDACTED" in answer.text)
    with client.stream("GET", f"{base}/sse?events=3") as streamed:
        print(sum(line.startswith("data:") for line in streamed.iter_lines()), "lines of data")
    try:
        client.get("https://elsewhere.example/")
    except DestinationNotAllowed as error:
        print(error.hint)
