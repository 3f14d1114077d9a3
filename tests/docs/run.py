#!/usr/bin/env python3
"""Runs the documents: every marked block against the real executable, and every example.

    python3 tests/docs/run.py --bin target/debug [--python PYTHON] [--node-package DIR] [FILE.md ...]

`--bin` holds `agentsecrets`, `upstream` and the Rust examples; PYTHON is an interpreter that has the package installed,
DIR the folder of the built npm package. What cannot run for want of one of them is named NOT RUN, and then the exit
code is 3; it is 1 where a document is wrong. The markers are explained in CONTRIBUTING.md.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PASSPHRASE = "correct horse of the documents"
LIMIT = 120.0
# Hosts the documents speak of, and the mode of the bundled API that answers for them.
HOSTS = {"api.stripe.com": ["--demo"], "api.example.com": []}
SHELLS = {"console", "sh"}
PROGRAMS = {"python": "py", "js": "mjs"}
MARK = re.compile(r"<!--\s*(runs|from|hidden|examples)\b(.*?)-->", re.S)


class Wrong(Exception):
    """A document that does not hold."""


class NotRun(Exception):
    """Something that is missing here."""


@dataclass
class Block:
    """A marked block: what kind, where, and what it says."""

    kind: str
    option: str
    language: str
    text: str
    line: int


@dataclass
class Tools:
    """What the documents are run with."""

    bin: Path
    python: str | None
    node_package: Path | None


@dataclass
class World:
    """A throwaway user: a home, a project folder, and the APIs that the documents call."""

    root: Path
    tools: Tools
    hosts: dict[str, str] = field(default_factory=dict)
    values: list[str] = field(default_factory=list)
    transcript: list[str] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    prompts: int = 0

    @property
    def work(self) -> Path:
        return self.root / "shop"

    def start(self) -> None:
        self.work.mkdir()
        self.work.joinpath("README.md").write_text("A project.\n")
        bundle = b""
        for host, mode in HOSTS.items():
            folder = self.root / "api" / host
            folder.mkdir(parents=True)
            command = [self.tools.bin / "upstream", "--dir", folder, "--until-stdin-closes", *mode]
            api = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.processes.append(api)
            ready = folder / "ready.json"
            wait_for(ready.exists, f"the API of {host}")
            self.hosts[host] = json.loads(ready.read_text())["base_url"].removeprefix("https://")
            bundle += folder.joinpath("ca.pem").read_bytes()
        self.root.joinpath("ca.pem").write_bytes(bundle)

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("LANG", "TERM", "TMPDIR") if name in os.environ}
        # In `bin` a document puts stand-ins for what is not installed here.
        path = f"{self.root}/bin:{self.tools.bin}:/usr/local/bin:/usr/bin:/bin:{os.environ.get('PATH', '')}"
        api = f"https://{self.hosts['api.example.com']}"
        return kept | {
            "PATH": path, "HOME": str(self.root), "NO_COLOR": "1", "CA": str(self.root / "ca.pem"), "COLUMNS": "160",
            "EXAMPLE_URL": api, "SHELL": "/bin/bash", "PYTHONDONTWRITEBYTECODE": "1",
        }

    def real(self, text: str) -> str:
        """A document's text, with the hosts that answer here."""
        for host, place in self.hosts.items():
            text = text.replace(host, place)
        return text

    def told(self, text: str) -> str:
        """What was printed here, as a document would show it."""
        for host, place in self.hosts.items():
            text = text.replace(place, host)
        return text.replace(str(self.root), "/home/you")

    def end(self) -> None:
        """Ends what the documents started: brokers by asking them, APIs by closing their input."""
        for socket in self.root.glob("**/run/broker.sock"):
            env = self.environment() | {"AGENTSECRETS_HOME": str(socket.parents[1])}
            stop = [self.tools.bin / "agentsecrets", "broker", "stop"]
            subprocess.run(stop, env=env, cwd=self.work, stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
        for api in self.processes:
            if api.stdin:
                api.stdin.close()
            try:
                api.wait(10)
            except subprocess.TimeoutExpired:
                api.kill()


def wait_for(true: object, what: str) -> None:
    """Waits until something holds."""
    end = time.monotonic() + 20
    while not true():  # type: ignore[operator]
        if time.monotonic() > end:
            raise Wrong(f"{what} does not come up")
        time.sleep(0.02)


def blocks(text: str) -> list[Block]:
    """The marked blocks of a document, in order."""
    found = []
    for mark in MARK.finditer(text):
        line = text.count("\n", 0, mark.start()) + 1
        kind, said = mark.group(1), mark.group(2).strip()
        if kind in ("hidden", "examples"):
            found.append(Block(kind, "", "sh", said, line))
            continue
        fence = re.compile(r"\s*```([\w]+)[^\n]*\n(.*?)\n```", re.S).match(text, mark.end())
        if fence is None:
            raise Wrong(f"line {line}: no fenced block follows the marker")
        found.append(Block(kind, said, fence.group(1), fence.group(2), line))
    return found


def commands(text: str) -> tuple[str, list[str]]:
    """What a console block types, and what it says is printed."""
    typed: list[str] = []
    printed: list[str] = []
    continued = False
    for line in text.split("\n"):
        if line.startswith("$ ") or continued:
            typed.append(line.removeprefix("$ ").removeprefix("> "))
            continued = line.endswith("\\")
        elif line.strip():
            printed.append(line)
    return "\n".join(typed), printed


def answer_to(world: World, tail: str) -> bytes | None:
    """What a human would type at this prompt, if it is one."""
    if re.search(r"Value of \w+[^\n]*: $", tail):
        value = secrets.token_urlsafe(24)
        world.values.append(value)
        if "LOGIN" in tail:
            value = f"user:{value}"
        return value.encode() + b"\n"
    if re.search(r"(assphrase|once more)[^\n]*: ?$", tail):
        return PASSPHRASE.encode() + b"\n"
    if re.search(r"\?[^\n]*(\[[yYnN/]+\]|\(y)[^\n]*:? ?$", tail):
        return b"y\n"
    return None


def at_a_terminal(world: World, script: str) -> tuple[int, str]:
    """Runs a script at a terminal of its own, answering prompts; gives exit code and output."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(world.work)
        os.execve("/bin/bash", ["bash", "--norc", "-e", "-o", "pipefail", "-c", script], world.environment())
    output, asked, end = "", 0, time.monotonic() + LIMIT
    try:
        while True:
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                raise Wrong(f"nothing more came within {LIMIT:.0f} s:\n{output}")
            if not select.select([terminal], [], [], 0.2)[0]:
                typed = answer_to(world, output[asked:])
                if typed is not None:
                    asked = len(output)
                    world.prompts += 1
                    os.write(terminal, typed)
                continue
            try:
                piece = os.read(terminal, 65536)
            except OSError:
                break
            if not piece:
                break
            output += piece.decode(errors="replace").replace("\r\n", "\n")
    finally:
        # Closed first, the terminal would hang up on a shell that is about to end.
        status = os.waitpid(pid, 0)[1]
        os.close(terminal)
    world.transcript.append(output)
    return os.waitstatus_to_exitcode(status), world.told(output)


def check_printed(expected: list[str], output: str) -> None:
    """Every line shown was printed, in this order; `…` stands for anything, spaces and a table's frame do not count."""
    rest = [" ".join(re.sub("[│┆]", " ", line).split()) for line in output.split("\n")]
    for line in expected:
        pattern = ".*".join(re.escape(part) for part in " ".join(line.split()).split("…"))
        at = next((at for at, printed in enumerate(rest) if re.fullmatch(pattern, printed)), None)
        if at is None:
            raise Wrong(f"this line is shown and was not printed:\n    {line}\nwhat was printed:\n{output}")
        del rest[: at + 1]


def run_shell(world: World, block: Block) -> None:
    """Runs a shell block; its marker may say `exit=N` and `prompts=N`."""
    options = dict(part.split("=") for part in block.option.split())
    text = block.text
    typed, printed = commands(text) if block.language == "console" else (text, [])
    before = world.prompts
    code, output = at_a_terminal(world, world.real(typed))
    if code != int(options.get("exit", "0")):
        raise Wrong(f"it ended with {code}:\n{output}")
    if "prompts" in options and world.prompts - before != int(options["prompts"]):
        raise Wrong(f"it asked {world.prompts - before} times, not {options['prompts']}:\n{output}")
    check_printed(printed, output)


def run_program(world: World, command: list[str | Path]) -> None:
    """Runs a program that nobody sits at."""
    done = subprocess.run(
        command, cwd=world.work, env=world.environment(), stdin=subprocess.DEVNULL, timeout=LIMIT,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    world.transcript.append(done.stdout)
    if done.returncode != 0:
        raise Wrong(f"{Path(command[-1]).name} ended with {done.returncode}:\n{world.told(done.stdout)}")


def interpreter(world: World, language: str) -> list[str | Path]:
    """What runs a program of this language here."""
    if language == "python":
        if world.tools.python is None:
            raise NotRun("no Python with the package (--python)")
        return [world.tools.python]
    node = shutil.which("node")
    if world.tools.node_package is None or node is None:
        raise NotRun("no node with the package (--node-package)")
    modules = world.work / "node_modules"
    if not modules.exists():
        modules.mkdir()
        modules.joinpath("agentsecrets").symlink_to(world.tools.node_package.resolve())
    return [node, "--preserve-symlinks", "--no-warnings"]


def run_block(world: World, block: Block) -> None:
    """Runs one block of a document."""
    if block.kind == "from":
        check_quote(block)
    elif block.kind == "examples":
        run_examples(world)
    elif block.kind == "hidden" or block.language in SHELLS:
        run_shell(world, block)
    elif block.language in PROGRAMS:
        command = interpreter(world, block.language)
        program = world.work / f"program.{PROGRAMS[block.language]}"
        program.write_text(world.real(block.text))
        run_program(world, [*command, program])
    else:
        raise Wrong(f"a block of {block.language} cannot be run")


def check_quote(block: Block) -> None:
    """A quoted block stands in its file line for line, in order; indentation aside."""
    quoted = [line.strip() for line in block.text.split("\n") if line.strip()]
    file = [line.strip() for line in ROOT.joinpath(block.option).read_text().split("\n")]
    for line in quoted:
        if line not in file:
            raise Wrong(f"{block.option} does not say: {line}")
        del file[: file.index(line) + 1]


def run_examples(world: World) -> None:
    """Runs every example of every language; one that cannot run does not keep the others from running."""
    missing, wrong = [], []
    for file in sorted(ROOT.glob("examples/*/**/*")):
        if file.suffix not in (".py", ".mjs", ".rs") or "node_modules" in file.parts:
            continue
        try:
            if file.suffix == ".rs":
                program = world.tools.bin / file.stem
                if not program.exists():
                    raise NotRun(f"{file.stem} is not built (cargo build -p agentsecrets-examples)")
                run_program(world, [program])
            else:
                command = interpreter(world, "python" if file.suffix == ".py" else "js")
                copy = world.work / file.name
                copy.write_bytes(file.read_bytes())
                run_program(world, [*command, copy])
            print(f"    {file.relative_to(ROOT)}")
        except NotRun as why:
            missing.append(f"{file.relative_to(ROOT)}: {why}")
        except (Wrong, subprocess.TimeoutExpired) as why:
            wrong.append(f"{file.relative_to(ROOT)}: {why}")
    if wrong:
        raise Wrong("\n".join(wrong))
    if missing:
        raise NotRun("; ".join(missing))


def check_silence(world: World) -> None:
    """No value that was typed at a prompt was ever printed."""
    whole = "\n".join(world.transcript)
    if any(value in whole for value in world.values):
        raise Wrong("a value that was typed at a prompt was printed")


def run_document(file: Path, tools: Tools) -> tuple[int, list[str]]:
    """Runs one document in a world of its own; gives how many blocks ran and what could not."""
    found = blocks(file.read_text())
    missing: list[str] = []
    if not found:
        return 0, missing
    with tempfile.TemporaryDirectory(prefix="asdoc-") as folder:
        world = World(Path(folder).resolve(), tools)
        try:
            world.start()
            for block in found:
                try:
                    run_block(world, block)
                except NotRun as why:
                    missing.append(f"line {block.line}: {why}")
                except (Wrong, subprocess.TimeoutExpired, OSError, ValueError) as why:
                    raise Wrong(f"line {block.line}: {why}") from why
            check_silence(world)
        finally:
            world.end()
    return len(found) - len(missing), missing


def check_links(file: Path) -> None:
    """Every relative link leads to a file, every fragment to a heading, and every path of the repository exists."""
    text = re.sub(r"```.*?```", "", file.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        place = file.parent / path if path else file
        if not place.exists():
            raise Wrong(f"a link leads nowhere: {target}")
        if fragment and place.suffix == ".md" and fragment not in headings(place):
            raise Wrong(f"a link leads to no heading: {target}")
    for named in re.findall(r"`((?:bindings|cli|core|docs|examples|node|python|tests|xtask)/[\w./-]*)`", text):
        if not ROOT.joinpath(named).exists():
            raise Wrong(f"there is no {named}")


def headings(file: Path) -> set[str]:
    """The fragments of a document's headings."""
    titles = re.findall(r"^#+ (.+)$", file.read_text(), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def check_dependencies() -> None:
    """Every dependency of every Cargo manifest has its line of reason."""
    page = ROOT.joinpath("docs/adr/dependencies.md").read_text()
    for manifest in [*ROOT.glob("*/Cargo.toml"), *ROOT.glob("*/*/Cargo.toml")]:
        parts = re.split(r"^\[(.*)\]$", manifest.read_text(), flags=re.M)
        for section, text in zip(parts[1::2], parts[2::2], strict=True):
            if not section.endswith("dependencies"):
                continue
            for name in re.findall(r"^([\w-]+)(?:\.workspace)? *=", text, flags=re.M):
                if f"`{name}`" not in page:
                    raise Wrong(f"{name} of {manifest.relative_to(ROOT)} has no line of reason")


def documents() -> list[Path]:
    """Every document of the repository that people read."""
    tops = sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")) + sorted(ROOT.glob("examples/**/*.md"))
    return [file for file in tops if "node_modules" not in file.parts]


# Documents that do not hold, and what must be found in each.
CONTROLS = {
    "a shown line that is not printed": "<!-- runs -->\n```console\n$ echo one\ntwo\n```\n",
    "a command that fails": "<!-- runs -->\n```sh\nfalse\n```\n",
    "a question that was not announced": "<!-- runs prompts=0 -->\n```sh\nread -r -p 'Value of X: ' -s x\n```\n",
    "a value that is printed": "<!-- runs -->\n```sh\nread -r -p 'Value of X: ' -s x; echo \"$x\"\n```\n",
    "a quotation that is none": "<!-- from README.md -->\n```sh\nthis stands nowhere\n```\n",
    "a link that leads nowhere": "[a page](nowhere.md)\n",
    "a path that is not there": "See `core/src/nowhere.rs`.\n",
    "a marker without a block": "<!-- runs -->\nno block\n",
}


def check_controls(tools: Tools) -> None:
    """Whatever is wrong on purpose is found."""
    with tempfile.TemporaryDirectory(prefix="asdoc-") as folder:
        for what, text in CONTROLS.items():
            file = Path(folder) / "control.md"
            file.write_text(text)
            try:
                check_links(file)
                run_document(file, tools)
            except Wrong:
                continue
            raise Wrong(f"{what} is not found")


def main() -> int:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, default=ROOT / "target" / "debug")
    parser.add_argument("--python", help="an interpreter that has the package installed")
    parser.add_argument("--node-package", type=Path, help="the folder of the built npm package")
    parser.add_argument("files", nargs="*", type=Path)
    said = parser.parse_args()
    tools = Tools(said.bin.resolve(), said.python, said.node_package)
    wrong, missing = 0, 0
    check_controls(tools)
    print(f"ok       {len(CONTROLS)} documents that are wrong on purpose were found to be", flush=True)
    for file in [path.resolve() for path in said.files] or documents():
        name = file.relative_to(ROOT)
        try:
            check_links(file)
            if file.name == "dependencies.md":
                check_dependencies()
            ran, not_run = run_document(file, tools)
        except Wrong as why:
            wrong += 1
            print(f"WRONG    {name}: {why}", flush=True)
            continue
        if ran:
            print(f"ok       {name}: {ran} blocks", flush=True)
        for why in not_run:
            missing += 1
            print(f"NOT RUN  {name}: {why}", flush=True)
    print(f"{wrong} documents wrong, {missing} blocks not run")
    return 1 if wrong else 3 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
