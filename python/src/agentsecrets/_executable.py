"""The executable that came with this very package."""

from __future__ import annotations

import os

_NAMES = ("agentsecrets", "agentsecrets.exe")
_found: list[str | None] = []


def own() -> str | None:
    """Return the executable this distribution installed, ``None`` where it brought none.

    Read from the distribution's own ``RECORD``: what else is called so on ``PATH`` does not count.
    """
    if not _found:
        _found.append(look(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    return _found[0]


def look(site: str) -> str | None:
    """Return the executable of the distribution installed in a folder of packages."""
    try:
        folders = [name for name in os.listdir(site) if _is_ours(name)]
        for folder in folders:
            with open(os.path.join(site, folder, "RECORD"), encoding="utf-8") as record:
                for line in record:
                    path = line.rsplit(",", 2)[0].strip('"')
                    if os.path.basename(path) in _NAMES and path.startswith(".."):
                        absolute = os.path.normpath(os.path.join(site, path))
                        return absolute if os.access(absolute, os.X_OK) else None
    except OSError:
        # Not installed as a distribution: the executable recorded in the home is used.
        pass
    return None


def _is_ours(name: str) -> bool:
    return name.startswith("agentsecrets-") and name.endswith(".dist-info")
