"""Everything together as a person and their agents use it: `python3 tests/e2e [WORD]...`"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import egress  # noqa: E402
import keychain  # noqa: E402
import proxies  # noqa: E402
import start  # noqa: E402
import together  # noqa: E402
from kit.report import Suite, main  # noqa: E402
from world import World  # noqa: E402

SUITE = Suite("e2e")
for room in (start, together, proxies, egress, keychain):
    room.add_to(SUITE)

if __name__ == "__main__":
    main(SUITE, World)
