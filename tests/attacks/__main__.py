"""Attacks on a running broker and its hosts by processes of the same user and of another: `python3 tests/attacks [WORD]...`"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))

import altered  # noqa: E402
import answers  # noqa: E402
import browser  # noqa: E402
import destinations  # noqa: E402
import doors  # noqa: E402
import held  # noqa: E402
import impostor  # noqa: E402
import inside  # noqa: E402
import memory  # noqa: E402
import policy  # noqa: E402
import rebinding  # noqa: E402
import secretservice  # noqa: E402
import sockets  # noqa: E402
import strangers  # noqa: E402
import surroundings  # noqa: E402
import system  # noqa: E402
import walls  # noqa: E402
from kit.report import NotRun, Suite, demand, main  # noqa: E402
from table import Table  # noqa: E402
from world import World  # noqa: E402

SUITE = Suite("attacks")
for room in (
    destinations, answers, sockets, rebinding, doors, inside, altered, impostor, secretservice, memory, held, strangers, policy,
    surroundings, browser, walls, system,
):  # fmt: skip
    room.add_to(SUITE)


@SUITE.proof("the attack table is not believed where an attack found otherwise")
def otherwise(world: World) -> str:
    read, refused = Table(), 0
    for row, cells in read.said.items():
        for level in read.levels(row):
            for held in (True, False):
                try:
                    read.tell(row, level, held)
                except AssertionError:
                    refused += 1
                    demand(cells[level] != ("held" if held else "not held"), "what stands in the cell is believed")
    demand(refused == sum(len(read.levels(row)) for row in read.said), f"one of two is refused at each cell: {refused}")
    return f"{refused} cells"


@SUITE.proof("every cell of the attack table has an attack behind it")
def table(world: World) -> str:
    missing = world.table.check()
    if missing and SUITE.not_run:
        raise NotRun(f"some attacks could not be made here, and these cells stand without: {', '.join(missing)}")
    demand(not missing, f"these cells have none: {', '.join(missing)}")
    return f"{len(world.table.found)} cells"


if __name__ == "__main__":
    main(SUITE, World)
