"""The page as text: small, sealed, and without a way out of its data."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib import resources

from rsd_graph.viewer.page import page
from rsd_graph.viewer.reading import Traces
from rsd_graph.viewer.trace import trace_of
from tests.viewer.answers import answer, step

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(1)> \u202e\x00 @script@ @data@"
)


def made_of(*texts: str) -> str:
    """A page of answers with these texts."""
    records = [answer(number, [step(text)]) for number, text in enumerate(texts)]
    return page([Traces("file.jsonl", [trace_of(record) for record in records])], HOSTILE)


def test_it_fits_into_a_hundred_and_fifty_kilobytes() -> None:
    """All of the page but its data."""
    parts = resources.files("rsd_graph.viewer.page").iterdir()

    assert sum(len(part.read_bytes()) for part in parts if part.is_file()) < 150_000


def test_nothing_but_its_own_script_may_run() -> None:
    """The policy names style and script by the hash of what stands there, and nothing foreign."""
    text = made_of("a")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    blocks = re.findall(r"<(style|script)>(.*?)</\1>", text, re.DOTALL)

    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()}'"
        for _, block in blocks
    ]

    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert len(blocks) == 2
    assert all(each in policy[1] for each in hashes)
    assert "unsafe" not in policy[1]


def test_no_text_can_end_the_data() -> None:
    """Hostile words stand in the data whole, as words."""
    text = made_of(HOSTILE)

    (data,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL
    )

    assert json.loads(data)["files"][0]["answers"][0]["steps"][0]["text"] == HOSTILE
    assert "<img" not in text
