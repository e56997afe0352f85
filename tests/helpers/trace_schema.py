"""Writes the published schema of `rsd-trace/1` from the code.

python -m tests.helpers.trace_schema           write it
"""

from __future__ import annotations

import json
from pathlib import Path

from rsd_graph import viewer

if __name__ == "__main__":
    place = Path(viewer.__file__).with_name("rsd-trace-1.schema.json")
    place.write_text(json.dumps(viewer.written_schema(), indent=1) + "\n", encoding="utf-8")
