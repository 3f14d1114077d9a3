"""A folder that every user can reach, with the programs under test in it."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .account import Account
from .report import NotRun

ROOT = Path(__file__).resolve().parents[3]


def _target() -> Path:
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / os.environ.get("AGENTSECRETS_PROOF_PROFILE", "debug")


class Stage:
    """Where the play is given. Leaving it ends every process of its users and removes the folder."""

    def __init__(self) -> None:
        # A short path: the socket's has to fit `sun_path`.
        self.folder = Path(tempfile.mkdtemp(prefix="proof-", dir="/tmp"))
        self.folder.chmod(0o711)
        self.programs = self.folder / "programs"
        self.programs.mkdir(mode=0o755)
        self.accounts: list[Account] = []
        self.cli = self._program("agentsecrets")
        self.upstream_program = self._program("upstream")
        # Whatever breaks off, nothing is left running.
        atexit.register(self.close)

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End what runs, and remove the folder."""
        for account in self.accounts:
            account.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def account(self, name: str) -> Account:
        self.accounts.append(Account.fresh(self.folder, name))
        return self.accounts[-1]

    def stranger(self, name: str) -> Account:
        self.accounts.append(Account.stranger(self.folder, name))
        return self.accounts[-1]

    def file(self, source: Path) -> Path:
        """A copy of a file that every user can read."""
        copy = self.programs / source.name
        if not copy.exists():
            shutil.copy(source, copy)
            copy.chmod(0o755)
        return copy

    def python(self, account: Account) -> str:
        """A Python that the user may run."""
        import sys

        for program in (os.path.realpath(sys.executable), "/usr/bin/python3", "/usr/local/bin/python3"):
            try:
                done = account.run([program, "-c", "import sys; sys.exit(sys.version_info < (3, 10))"])
            except OSError:
                continue
            if done.code == 0:
                return program
        raise NotRun("no Python 3.10 or later that another user may run: apt-get install python3")

    def node(self, account: Account) -> str:
        """A Node that the user may run."""
        found = shutil.which("node")
        for program in (found and os.path.realpath(found), "/usr/bin/node", "/usr/local/bin/node"):
            try:
                if program and account.run([program, "-e", "0"]).code == 0:
                    return program
            except OSError:
                continue
        raise NotRun("no Node that another user may run: apt-get install nodejs")

    def python_package(self) -> Path:
        """A folder for `PYTHONPATH` with the package in it."""
        folder = self.programs / "python"
        if folder.exists():
            return folder
        named = os.environ.get("AGENTSECRETS_PROOF_PYTHON")
        package = Path(named) if named else ROOT / "python/src/agentsecrets"
        native = package / "_native.abi3.so"
        built = _target() / "lib_native.so"
        if not named and built.exists():
            native = built
        if not (package / "client.py").exists() or not native.exists():
            raise NotRun("the Python package is not built: cargo build -p agentsecrets-python")
        ignored = shutil.ignore_patterns("*.so", "__pycache__")
        shutil.copytree(package, folder / "agentsecrets", ignore=ignored)
        shutil.copy(native, folder / "agentsecrets/_native.abi3.so")
        _open_to_all(folder)
        return folder

    def node_package(self) -> Path:
        """The folder of the npm package, to be required by its path."""
        folder = self.programs / "node"
        if folder.exists():
            return folder
        package = Path(os.environ.get("AGENTSECRETS_PROOF_NODE") or ROOT / "node")
        built = _target() / "libagentsecrets_node.so"
        native = built if built.exists() else package / "native/agentsecrets.node"
        if not (package / "dist/index.js").exists() or not native.exists():
            raise NotRun("the npm package is not built: npm run build and cargo build -p agentsecrets-node")
        shutil.copytree(package / "dist", folder / "dist")
        shutil.copy(package / "package.json", folder)
        (folder / "native").mkdir()
        shutil.copy(native, folder / "native/agentsecrets.node")
        os.link(self.cli, folder / "native/agentsecrets")
        _open_to_all(folder)
        return folder

    def _program(self, name: str) -> str:
        built = _target() / name
        if not built.is_file():
            raise SystemExit(f"{built} is not there: cargo build -p agentsecrets-cli -p agentsecrets-upstream")
        copy = self.programs / name
        shutil.copy(built, copy)
        # A debug build is mostly debug information, and its hash is taken at every start.
        subprocess.run(["strip", "--strip-debug", str(copy)], check=False, capture_output=True)
        copy.chmod(0o755)
        return str(copy)


def _open_to_all(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
