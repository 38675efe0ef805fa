"""The help texts: every example is an existing command with options that it takes."""

import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from voicecall.cli import app, exits

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROOT: Any = typer.main.get_command(app)


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, child in getattr(command, "commands", {}).items():
        yield (*path, name), child
        yield from commands(child, (*path, name))


ALL = dict(commands(ROOT))


def parse(command: Any, name: str, words: list[str], parent: Any = None) -> None:
    """Parse the words as the command would; raises its usage errors."""
    with command.make_context(name, list(words), parent=parent) as context:
        if hasattr(command, "commands"):
            rest = [*context._protected_args, *context.args]
            sub, child, left = command.resolve_command(context, rest)
            parse(child, sub, left, context)


def test_every_promised_command_is_there() -> None:
    promised = (
        "call start continue speak steer end dtmf status tail latency expose setup smoke config doctor demo dev replay"
        " dead"
    )
    assert set(promised.split()) <= {path[0] for path in ALL}


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_help_ends_with_an_example_that_parses(path: tuple[str, ...]) -> None:
    """A renamed option must not stay in an example."""
    epilog = ALL[path].epilog
    assert epilog
    examples = [line.removeprefix("$ ") for line in epilog.splitlines() if line.startswith("$ ")]
    assert examples
    for line in examples:
        program, *words = shlex.split(line.partition(" > ")[0])
        assert program == "voicecall"
        assert tuple(words[: len(path)]) == path
        parse(ROOT, program, words)


def test_the_first_page_shows_a_first_call_that_parses() -> None:
    """Four commands."""
    lines = [line.strip().partition("   ")[0] for line in ROOT.help.splitlines() if line.startswith("  voicecall ")]
    assert [line.split()[1] for line in lines] == ["dev", "call", "tail", "end"]
    for line in lines:
        program, *words = shlex.split(line)
        parse(ROOT, program, words)


def test_the_version_is_printed() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout.split()[0]) == (0, "voicecall")


def test_the_help_of_mode_names_its_default() -> None:
    done = CliRunner().invoke(app, ["call", "--help"], env={"COLUMNS": "200"})
    assert "outbound.defaultMode" in done.stdout


def test_the_manual_matches_the_commands() -> None:
    """`make draw` regenerates it."""
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    drawn = page.partition("<!-- drawn: commands -->\n")[2].partition("\n<!-- end: commands -->")[0]
    assert drawn == runpy.run_path(str(DOCS / "draw.py"))["commands"]()


def test_the_manual_has_every_exit_status() -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    for status in (0, exits.EX_REFUSED, 2, exits.EX_UNAVAILABLE, exits.EX_NOPERM, exits.EX_CONFIG):
        assert f"| {status} |" in page
