"""Attacks on a running broker and its hosts by processes of the same user and of another: `python3 tests/attacks [WORD]...`"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))

import held  # noqa: E402
import memory  # noqa: E402
import policy  # noqa: E402
import strangers  # noqa: E402
import surroundings  # noqa: E402
from kit.report import Suite, main  # noqa: E402
from world import World  # noqa: E402

SUITE = Suite("attacks")
for room in (memory, held, strangers, policy, surroundings):
    room.add_to(SUITE)

if __name__ == "__main__":
    main(SUITE, World)
