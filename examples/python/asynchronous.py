"""Many calls at once. Run it with `python examples/python/asynchronous.py`."""

import asyncio
import os

from agentsecrets import AsyncAgentSecrets

base = os.environ.get("EXAMPLE_URL", "https://api.example.com")


async def main() -> None:
    async with AsyncAgentSecrets() as client:
        calls = [client.call(f"{base}/echo", params={"n": n}, bearer="API_KEY") for n in range(8)]
        for response in await asyncio.gather(*calls):
            print(response.status_code, response.json()["target"])


asyncio.run(main())
