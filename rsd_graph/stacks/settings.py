"""What is set, and by whom: an argument goes before the environment, the environment before a file,
a file before the default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, get_args

from rsd_graph.answer.options import checked, settable_in
from rsd_graph.errors import ConfigurationError, Role

ROLES: tuple[Role, ...] = get_args(Role)
SETTINGS = (*ROLES, *settable_in("flag"))
"""What flags and the environment can set: the three models, and most options."""


def from_environment() -> dict[str, object]:
    """What `RSD_DRAFT`, `RSD_DELTA` and their kin set; an empty variable sets nothing.

    Raises:
        ConfigurationError: An option cannot be what its variable says.
    """
    return over({}, {name: value for name in SETTINGS if (value := _variable(name)) is not None})


def _variable(name: str) -> Any:
    variable = f"RSD_{name.upper()}"
    text = os.environ.get(variable)
    if not text or name in ROLES:
        return text or None
    try:
        return checked(name, text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{variable} in the environment: {error}") from None


def over(lower: Mapping[str, object], upper: Mapping[str, Any]) -> dict[str, Any]:
    """*upper*, and what *lower* says beside it; `delta` and `accept` replace each other.

    Raises:
        ConfigurationError: *upper* has both of them.
    """
    rules = [name for name in ("delta", "accept") if upper.get(name) is not None]
    if len(rules) > 1:
        raise ConfigurationError(
            "delta and accept contradict each other.",
            expected="one of them",
            hint='Such a criterion has its own delta: accept="logistic(alpha=10, delta=0.7)".',
        )
    replaced = {"delta", "accept"} if rules else set()
    return {**{name: lower[name] for name in lower if name not in replaced}, **upper}


def check_whole(said: Mapping[str, object]) -> None:
    """Refuse one or two models of your own beside shipped ones that nobody asked for.

    Raises:
        ConfigurationError: Names the models that are missing.
    """
    missing = [role for role in ROLES if role not in said]
    if not missing or len(missing) == len(ROLES):
        return
    named = [role for role in ROLES if role in said]
    shipped = ", ".join(f"{role}='embedded:{role}'" for role in missing)
    raise ConfigurationError(
        f"half a stack: {' and '.join(named)} named, {' and '.join(missing)} not.",
        expected="all three of draft, target and prm, or none",
        hint=f"If you mean the shipped models, name them: {shipped}.",
    )
