"""What the measurements of the server share: a stack, a request, and what a process uses."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from rsd_graph import ChatRSD, Endpoint
from rsd_graph.providers.prm import PoolingPRM
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.templates import ChatTemplate
from rsd_graph.providers.wires.vllm import VLLMWire

STEPS = 8
"""Of every answer; the instant endpoints reject the third."""

_PATIENT: Any = {"timeout": 6000.0}
"""A busy machine is no reason to ask twice."""

_TEMPLATE = ChatTemplate("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<a>", {})


def over_http(draft: str, target: str, prm: str, **options: Any) -> ChatRSD:
    """RSD over three endpoints with vLLM's routes; an answer has at most `STEPS` steps."""

    def model(url: str) -> HostedModel:
        return HostedModel(VLLMWire(Endpoint(f"{url}/v1", **_PATIENT), _TEMPLATE))

    options = {"max_steps": STEPS, "max_tokens": 100_000, **options}
    return ChatRSD(
        draft=model(draft),
        target=model(target),
        prm=PoolingPRM(Endpoint(prm, **_PATIENT)),
        **options,
    )


def asking(question: str, *, stream: bool = True) -> bytes:
    """The request for an answer, as it goes over the wire."""
    turns = [{"role": "user", "content": question}]
    body = json.dumps({"model": "math", "messages": turns, "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def cpu_seconds(process: int) -> float:
    """Seconds of CPU a process has used (Linux)."""
    spent = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(spent[11]) + int(spent[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(process: int | str = "self") -> float:
    """Resident memory of a process (Linux)."""
    status = Path(f"/proc/{process}/status").read_text("ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024
