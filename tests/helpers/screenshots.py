"""The pictures of docs/how-to/view.md, of what the shipped models really answer.

python -m tests.helpers.screenshots           write them: `make screenshots`
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from rsd_graph.cli import app
from rsd_graph.viewer import read_traces, write_page
from tests.helpers.browsing import Shown, chromium

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
_SIZE = {"width": 1000, "height": 720}
_RICHEST = (
    "const rich = each => each.steps.length < 6 ? rejections(each) : 0;"
    "go({tab: 'answer', at: ONE.answers.reduce((a, b) => rich(b) > rich(a) ? b : a).at});"
    "for (const draft of document.querySelectorAll('details.lost')) draft.open = true;"
)
_OPEN = "document.querySelector('main details').open = true;"
_SCREENS = {
    "answer": f"() => {{ {_RICHEST} }}",
    "what-if": "() => go({tab: 'what-if', delta: 0.98})",
    "journal": "() => go({tab: 'journal'})",
    "compare": f"() => {{ go({{tab: 'compare'}}); {_OPEN} }}",
}


def main() -> None:
    """Answer a few questions, and take the four pictures."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        journal, page = Path(folder) / "journal.jsonl", Path(folder) / "page.html"
        arms = ["--arms", "rsd,target,draft", "--limit", "100"]
        app(["eval", *arms, "--journal", str(journal)], standalone_mode=False)
        write_page(page, [read_traces(journal)], "RSD on 100 held-out stories")
        with chromium() as browser:
            shown = Shown(browser, page.as_uri(), viewport=_SIZE)
            shown.tab.locator("#other").select_option(label="draft only")
            for name, script in _SCREENS.items():
                shown.tab.evaluate(script)
                shown.wait_for("main > *")
                shown.tab.screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
