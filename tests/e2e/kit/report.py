"""Running proofs one after another, and telling how it went: 0 all held, 1 one did not, 3 one could not run."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable


class NotRun(Exception):
    """A proof that cannot be made here. It is told by name, and the run is not green."""


class Suite:
    """Proofs in the order in which they are written down."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._proofs: list[tuple[str, Callable[..., str | None]]] = []
        # The proofs that could not be made so far, for one that stands on all of them.
        self.not_run: list[str] = []

    def proof(self, name: str) -> Callable[[Callable[..., str | None]], Callable[..., str | None]]:
        """Take a function in; what it returns stands beside its name in the report."""

        def add(function: Callable[..., str | None]) -> Callable[..., str | None]:
            self._proofs.append((name, function))
            return function

        return add

    def run(self, *given: object, only: list[str] | None = None) -> int:
        """Run them all, or those whose names contain one of the words."""
        chosen = [(name, function) for name, function in self._proofs if not only or any(w in name for w in only)]
        held, failed, not_run = 0, [], self.not_run
        began = time.monotonic()
        for name, function in chosen:
            started = time.monotonic()
            try:
                detail = function(*given) or ""
                mark, held = "held   ", held + 1
            except NotRun as why:
                mark, detail = "NOT RUN", str(why)
                not_run.append(name)
            except Exception as why:  # noqa: BLE001 - whatever goes wrong, the other proofs are still made
                mark, detail = "FAILED ", f"{type(why).__name__}: {why}"
                failed.append(name)
                if not isinstance(why, AssertionError):
                    traceback.print_exc(limit=-6)
            print(f"{mark} {name} ({time.monotonic() - started:.1f} s) {detail}", flush=True)
        if not held and not failed and not not_run:
            print("FAILED no proof was chosen", flush=True)
            return 1
        told = f"{self.title}: {held} held, {len(failed)} failed in {time.monotonic() - began:.0f} s"
        if not_run:
            told += f"; NOT RUN: {', '.join(not_run)}"
        print(told, flush=True)
        return 1 if failed else 3 if not_run else 0


def demand(holds: object, claim: str) -> None:
    """Fail with the claim where it does not hold. The claim names things, never a value."""
    if not holds:
        raise AssertionError(claim)


def main(suite: Suite, open_world: Callable[[], object]) -> None:
    """Run a suite in a world that is torn down whatever happens; words on the command line choose proofs."""
    with open_world() as world:  # type: ignore[attr-defined]
        code = suite.run(world, only=sys.argv[1:])
    sys.exit(code)
