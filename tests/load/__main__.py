"""Many calls at once through one broker, and its end in the middle of them: `python3 tests/load [WORD]...`"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))

import ends  # noqa: E402
import files  # noqa: E402
import many  # noqa: E402
from kit.report import Suite, main  # noqa: E402
from world import World  # noqa: E402

SUITE = Suite("load")
for room in (many, ends, files):
    room.add_to(SUITE)

if __name__ == "__main__":
    main(SUITE, World)
