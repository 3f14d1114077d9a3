"""An agent's program: makes the calls that it reads on stdin, prints all that it was given of each."""

import json
import sys

from agentsecrets import AgentSecrets, AgentSecretsError

plan = json.loads(sys.stdin.readline())
client = AgentSecrets(**plan["client"])


def make(call: dict) -> dict:
    url = call.pop("url")
    pieces = call.pop("pieces", False)
    try:
        if pieces:
            with client.stream(url, **call) as answer:
                text = b"".join(answer.iter_bytes()).decode("latin-1")
        else:
            answer = client.call(url, **call)
            text = answer.content.decode("latin-1")
    except AgentSecretsError as error:
        return {"status": None, "code": error.code, "text": str(error), "hint": error.hint, "more": repr(error)}
    more = [getattr(answer, name, None) for name in ("reason", "trailers", "url", "redacted")]
    headers = [[str(part) for part in pair] for pair in answer.headers.items()]
    return {"status": answer.status_code, "code": None, "text": text, "headers": headers, "more": repr(more)}


# As they are, so that whoever looks for a value sees its bytes and not JSON's escapes of them.
print(json.dumps([make(call) for call in plan["calls"]], ensure_ascii=False))
