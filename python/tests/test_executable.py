"""Which executable a client may start: that of its own distribution, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentsecrets import _executable


@pytest.fixture
def site(tmp_path: Path) -> Path:
    made = tmp_path / "lib" / "site-packages"
    (made / "agentsecrets-1.2.3.dist-info").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    return made


def install(site: Path, record: str, mode: int = 0o755) -> Path:
    program = site.parent.parent / "bin" / "agentsecrets"
    program.write_text("")
    program.chmod(mode)
    (site / "agentsecrets-1.2.3.dist-info" / "RECORD").write_text(record)
    return program


def test_the_one_that_was_installed_with_the_package(site: Path) -> None:
    record = "agentsecrets/__init__.py,sha256=x,1\n../../bin/agentsecrets,sha256=y,2\n"
    assert _executable.look(str(site)) is None
    program = install(site, record)
    assert _executable.look(str(site)) == str(program)


def test_no_other(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = install(site, "agentsecrets/agentsecrets,sha256=x,1\n../../bin/other,,\n")
    monkeypatch.setenv("PATH", str(program.parent))
    assert _executable.look(str(site)) is None
    install(site, "../../bin/agentsecrets,sha256=y,2\n", mode=0o644)
    if program.stat().st_mode & 0o111 == 0:
        assert _executable.look(str(site)) is None
    assert _executable.look(str(site / "none")) is None


def test_a_stranger_of_a_similar_name(site: Path) -> None:
    install(site, "")
    stranger = site / "agentsecrets_other-1.dist-info"
    stranger.mkdir()
    (stranger / "RECORD").write_text("../../bin/agentsecrets,sha256=y,2\n")
    assert _executable.look(str(site)) is None
