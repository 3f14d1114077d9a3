"""Reads server-sent events as they come. Run it with `python examples/python/streaming.py`."""

import os

from agentsecrets import AgentSecrets

base = os.environ.get("EXAMPLE_URL", "https://api.example.com")
with AgentSecrets() as client:
    with client.stream(f"{base}/sse?events=3", bearer="API_KEY") as stream:
        for event in stream.iter_events():
            print(event.event, event.data)
