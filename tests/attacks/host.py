"""An agent in Python: makes calls in every style, says `during` while one is under way and `after` when all are done."""

import json
import sys
import threading

from agentsecrets import AgentSecrets, AgentSecretsError

plan = json.loads(sys.stdin.readline())
sentinel = plan["sentinel"]
client = AgentSecrets(home=plan["home"], project="demo", isolation=plan["isolation"], unlock=plan.get("unlock"))
kept = []


def make(call: dict) -> None:
    arguments = {name: value for name, value in call.items() if name != "url"}
    try:
        answer = client.call(call["url"], **arguments)
        kept.append((answer, answer.text, dict(answer.headers), answer.status_code))
    except AgentSecretsError as error:
        kept.append((error, repr(error), str(error), "error"))


for call in plan["calls"]:
    make(call)
slow = threading.Thread(target=make, args=(plan["slow"],))
with client.stream(plan["stream"]["url"], bearer=plan["stream"]["bearer"]) as stream:
    pieces = stream.iter_bytes()
    kept.append(next(pieces))
    slow.start()
    print("during", flush=True)
    sys.stdin.readline()
slow.join()
print("after", json.dumps([item[3] for item in kept if isinstance(item, tuple)]), flush=True)
sys.stdin.readline()
