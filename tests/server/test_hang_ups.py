"""Nobody listens any more: what then is still at work, here and at the endpoints behind us."""

from __future__ import annotations

from benchmarks.serve_hang_ups import hang_ups

CLIENTS = 20


async def test_nothing_is_left_of_clients_that_hang_up() -> None:
    """Streaming or not, whichever model is at work: its request ends, no task or socket stays.

    `python -m benchmarks.serve_load` does it 500 times.
    """
    found = await hang_ups(CLIENTS, seed=1)

    assert (len(found.seconds), found.left) == (CLIENTS, 0)
    assert found.tasks[1] - found.tasks[0] < CLIENTS // 4
    assert found.files[1] - found.files[0] < CLIENTS // 4
