"""CITATION.cff says what this is and which paper it implements."""

from __future__ import annotations

from pathlib import Path

import yaml

import rsd_graph

FILE = Path(__file__).parents[2] / "CITATION.cff"


def test_it_cites_this_version_and_the_paper() -> None:
    """The version is the package's, and the paper is the one of the method."""
    cited = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    paper = cited["preferred-citation"]

    assert cited["version"] == rsd_graph.__version__
    assert paper["authors"][0]["family-names"] == "Liao"
    assert paper["identifiers"][0]["value"] == "arXiv:2501.19324"
