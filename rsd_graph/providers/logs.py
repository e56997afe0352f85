"""The one way to get a logger, here and above. It never configures logging: that is the host's."""

from __future__ import annotations

import logging
from typing import Any

import structlog
from structlog.typing import EventDict


def get_logger(name: str) -> Any:
    """The host's structlog if it configured one, else the standard library, silent by default.

    Call it inside functions: a module-level logger would freeze the host's later configuration.
    """
    if structlog.is_configured():
        return structlog.get_logger(name)
    return structlog.wrap_logger(
        logging.getLogger(name),
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[
            structlog.stdlib.filter_by_level,
            _with_facts,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.render_to_log_kwargs,
        ],
    )


def _with_facts(_: object, __: str, event: EventDict) -> EventDict:
    """The facts in the text too: a host that never set up logging sees nothing but the text."""
    text = " ".join(f"{name}={fact}" for name, fact in event.items() if name != "event")
    return {**event, "event": f"{event['event']} {text}"}
