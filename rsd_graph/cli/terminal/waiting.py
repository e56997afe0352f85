"""Retries, told while they are waited for: without that, a program that waits looks dead."""

from __future__ import annotations

import logging
import sys


class Waiting(logging.Handler):
    """Tells of scheduled retries on standard error, one line for each wait of an endpoint.

    While one request to an endpoint waits, other requests to it wait for the same thing. Whatever
    else is logged is passed over: a command tells its errors once, at its end.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._until: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Tell of *record* if it is a retry and nobody waits for this endpoint already."""
        said = vars(record)
        if not record.getMessage().startswith("rsd.retry_scheduled"):
            return
        where = " at ".join(str(said[name]) for name in ("role", "endpoint") if said.get(name))
        if record.created >= self._until.get(where, 0.0):
            self._until[where] = record.created + said["wait"]
            sys.stderr.write(
                f"{where}: {said['error']} at attempt {said['attempt']}; "
                f"next in {said['wait']:.1f} s\n"
            )
