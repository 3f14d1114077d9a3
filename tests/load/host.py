"""Makes calls as lines of JSON on stdin say, all at the same time, and tells what came of each line."""

import asyncio
import json
import resource
import sys
from collections import Counter

from agentsecrets import AgentSecretsError, AsyncAgentSecrets

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))


class Tally:
    def __init__(self) -> None:
        self.good, self.wrong, self.final, self.codes, self.said = 0, 0, 0, Counter(), set()

    def failed(self, why: AgentSecretsError) -> None:
        self.codes[why.code] += 1
        self.final += not why.retryable
        if len(self.said) < 4:
            self.said.add(str(why))

    def told(self) -> dict:
        return {"good": self.good, "wrong": self.wrong, "final": self.final, "codes": self.codes, "said": list(self.said)}


class Host:
    def __init__(self) -> None:
        self.client = AsyncAgentSecrets()
        self.closing = asyncio.Event()
        self.streams: list[asyncio.Task] = []
        self.tally = Tally()
        self.seen = 0

    async def calls(self, said: dict) -> dict:
        """Every answer has to be that of its own request."""
        tally, numbers = Tally(), iter(range(said["first"], said["first"] + said["count"]))

        async def one_after_the_other() -> None:
            for number in numbers:
                own = f"n={number}"
                try:
                    answer = await self.client.call(said["url"] + own, bearer="TOKEN", timeout=120)
                except AgentSecretsError as why:
                    tally.failed(why)
                    continue
                target = answer.json()["target"]
                is_own = answer.status_code == 200 and target.endswith(own) and answer.redacted == ["TOKEN"]
                tally.good, tally.wrong = tally.good + is_own, tally.wrong + (not is_own)

        await asyncio.gather(*(one_after_the_other() for _ in range(said["in_flight"])))
        return tally.told()

    async def clients(self, said: dict) -> dict:
        """As many clients of their own, each with one call, all at once."""

        async def own(number: int) -> dict:
            return await Host().calls({**said, "first": number, "count": 1, "in_flight": 1})

        all_told = await asyncio.gather(*(own(said["first"] + at) for at in range(said["count"])))
        sums = {name: sum(told[name] for told in all_told) for name in ("good", "wrong", "final")}
        codes = sum((told["codes"] for told in all_told), Counter())
        return {**sums, "codes": codes, "said": [text for told in all_told for text in told["said"]][:4]}

    async def open(self, said: dict) -> dict:
        """Opens streams, and tells when each has given its first event or failed."""
        self.closing.clear()
        self.tally, self.seen = Tally(), 0
        opened = [asyncio.Event() for _ in range(said["count"])]
        numbers = range(said["first"], said["first"] + said["count"])
        self.streams = [asyncio.create_task(self.stream(said, n, it)) for n, it in zip(numbers, opened, strict=True)]
        for it in opened:
            await it.wait()
        return {**self.tally.told(), "seen": self.seen}

    async def stream(self, said: dict, number: int, opened: asyncio.Event) -> None:
        """Every event has to come, in order, and be that of its own stream."""
        seen = 0
        try:
            url = f"{said['urls'][number % len(said['urls'])]}tag={number}"
            async with self.client.stream(url, bearer="TOKEN", timeout=120) as answer:
                async for event in answer.iter_events():
                    seen += 1
                    if event.id != str(seen) or f"tag {number}" not in event.data.splitlines():
                        break
                    opened.set()
                    self.seen += 1
                    if seen == said["events"] and said["hold"]:
                        await self.closing.wait()
                        break
            is_whole = seen == said["events"]
            self.tally.good, self.tally.wrong = self.tally.good + is_whole, self.tally.wrong + (not is_whole)
        except AgentSecretsError as why:
            self.tally.failed(why)
        finally:
            opened.set()

    async def count(self, _said: dict) -> dict:
        return {"seen": self.seen}

    async def close(self, _said: dict) -> dict:
        """Lets go of what is held, and tells of every stream."""
        self.closing.set()
        await asyncio.gather(*self.streams)
        return self.tally.told()


async def main() -> None:
    host, running = Host(), set()

    async def answer(said: dict) -> None:
        told = await getattr(host, said["do"])(said)
        print(json.dumps({"tag": said["tag"], **told}), flush=True)

    while line := await asyncio.to_thread(sys.stdin.readline):
        task = asyncio.create_task(answer(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)


asyncio.run(main())
