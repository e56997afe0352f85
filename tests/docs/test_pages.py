"""README and docs do what they say: every block of every page, in order, as a reader pastes it."""

from __future__ import annotations

import gc
import re
import tomllib
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.pages import PAGES, ROOT, blocks, commands, follow, furnish
from tests.helpers.stories import every_answer, right_answer, wrong

pytest.importorskip("xllamacpp", reason="the samples run on the shipped models")
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.fixture(autouse=True)
def _at_a_readers_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of the reader's own, and a garbage collector that a page may set."""
    furnish(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(webbrowser, "open", lambda url: True)
    usual = gc.get_threshold()
    yield
    gc.set_threshold(*usual)


@pytest.mark.parametrize("name", NAMES)
def test_the_blocks_of_a_page_run_and_answer_right(name: str, tmp_path: Path) -> None:
    """A reader who pastes one block after the other gets no error and no wrong answer."""
    with every_answer() as answers:
        follow(ROOT / name, tmp_path)

    assert wrong(answers) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_of_a_page_are_toml(name: str) -> None:
    """What stands in a block of TOML can be read as TOML."""
    for block in blocks(ROOT / name, "toml"):
        assert tomllib.loads(block.text) != {}


@pytest.mark.parametrize("name", NAMES)
def test_the_other_commands_of_a_page_exist(name: str) -> None:
    """`make` has each target that a page names, and the repository each script."""
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for block in blocks(ROOT / name, "sh"):
        for words in commands(block.text):
            match words:
                case ["make", target]:
                    assert target in targets
                case ["python", script, *_] if script.endswith(".py"):
                    assert (ROOT / script).is_file()


@pytest.mark.parametrize("name", NAMES)
def test_every_question_of_a_page_is_one_that_the_shipped_models_can_answer(name: str) -> None:
    """Not a single sample asks what the models that come with the package cannot know."""
    for block in blocks(ROOT / name, "python", "sh", "text"):
        for question in re.findall(r'"([^"{]*\?)"', block.text):
            right_answer(question.replace("\\n", "\n"))
