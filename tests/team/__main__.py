"""Teams that share a workspace by a real server: `python3 tests/team [WORD]...`"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))

import deploy  # noqa: E402
import faults  # noqa: E402
import hostile  # noqa: E402
import onboarding  # noqa: E402
import zero  # noqa: E402
from kit.report import Suite, main  # noqa: E402
from world import World  # noqa: E402

SUITE = Suite("team")
for room in (onboarding, deploy, hostile, faults, zero):
    room.add_to(SUITE)

if __name__ == "__main__":
    main(SUITE, World)
