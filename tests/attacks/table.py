"""The attack table of `docs/attack-table.md`, held against what the attacks found."""

from __future__ import annotations

import re
from pathlib import Path

from kit.report import demand
from kit.stage import ROOT

DOCUMENT = ROOT / "docs/attack-table.md"
ROOMS = Path(__file__).resolve().parent

# A column's heading, and the level that it is about.
LEVELS = {
    "`in-process`": "in-process",
    "`broker`, keychain or file": "broker",
    "`broker`, passphrase": "passphrase",
    "`broker-shared`": "broker-shared",
    "`broker-system`": "broker-system",
}  # fmt: skip

# What has to be tried, whatever else is.
WANTED = (
    "environment and file search", "`ctypes` scan", "`/proc` of the broker", "`secret-tool`", "`LD_PRELOAD` on an auto-started broker",
    "fake broker on the socket", "ungranted origin", "ungranted slot", "redirect", "DNS rebinding", "echo in every form", "`Range`",
    "placeholder in the body", "placeholder for another host", "policy change from the agent", "`env -- printenv`",
    "`exec` with guessed ids", "web page calling the local proxy", "forged PID", "hostile project file", "second user",
)  # fmt: skip

_CELL = re.compile(r"(held|\*\*not held\*\*|–)(?=$|[:,;. ])")


class Table:
    """What the document says in each cell, and what was found."""

    def __init__(self) -> None:
        self.said: dict[str, dict[str, str]] = {}
        self.rooms: list[tuple[str, str]] = []
        self.found: dict[tuple[str, str], bool] = {}
        columns: list[str] = []
        for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
            if cells[:1] == ["attack"]:
                columns = [LEVELS[heading] for heading in cells[1:-1]]
            elif cells and cells[0].startswith("**") and columns:
                self._read(cells, columns)
            elif not cells:
                columns = []

    def _read(self, cells: list[str], columns: list[str]) -> None:
        row = cells[0].split("**")[1]
        said = self.said.setdefault(row, {})
        demand(len(cells) == len(columns) + 2, f"the row `{row}` has a cell for each level and one for the proof")
        self.rooms.append((row, cells[-1].strip("`")))
        for level, cell in zip(columns, cells[1:-1], strict=True):
            begins = _CELL.match(cell)
            demand(begins, f"the cell of `{row}` at {level} begins with held, not held or –")
            demand(level not in said, f"the table says once what becomes of `{row}` at {level}")
            assert begins is not None
            said[level] = begins[1].strip("*")

    def levels(self, row: str) -> list[str]:
        """The levels at which a row says something."""
        return [level for level, says in self.said.get(row, {}).items() if says != "–"]

    def tell(self, row: str, level: str, held: bool) -> str:
        """Say what an attack came to; fail where the document says otherwise."""
        says = self.said.get(row, {}).get(level)
        demand(says is not None, f"the attack table has a cell for `{row}` at {level}")
        found = "held" if held else "not held"
        demand(says == found, f"the attack table says `{says}` of `{row}` at {level}, and the attack found: {found}")
        self.found[row, level] = held
        return f"{level}: {found}"

    def check(self) -> list[str]:
        """Return the cells that no attack stood behind."""
        for wanted in WANTED:
            demand(any(row.startswith(wanted) for row in self.said), f"the attack table has a row for: {wanted}")
        for row, room in self.rooms:
            path = ROOMS / room
            demand(path.is_file(), f"`{row}` names a room of tests/attacks: {room}")
            demand(row in path.read_text(encoding="utf-8"), f"{room} names the attack `{row}`")
        return [f"{row} at {level}" for row in self.said for level in self.levels(row) if (row, level) not in self.found]
