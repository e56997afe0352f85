"""Other people's routers in front of three llama.cpp servers: does an answer stay where it is?

    python -m benchmarks.routers FOLDER

writes `results/routers.md`. FOLDER is the `bin` of an environment with `vllm-router` and
`sglang-router` from the package index; nginx is looked for on the PATH. What is not there is left
out and said. Draft and target are asked through a router each, the PRM without.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import distributions, version
from pathlib import Path

import httpx2
from tenacity import Retrying, stop_after_delay, wait_fixed

from benchmarks.replicas import answers, engines
from rsd_graph import ChatRSD
from rsd_graph.embedded.engine import MODELS, Engine
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.errors import Role
from rsd_graph.lab.latency.tables import table

OUT = Path(__file__).parent / "results" / "routers.md"
QUESTIONS = 60
ROLES: tuple[Role, ...] = ("draft", "target")

NGINX = """
daemon off; pid {folder}/pid; error_log stderr; user root;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream servers {{ {how} {servers} }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://servers; }} }}
}}
"""


@dataclass(frozen=True, slots=True)
class Router:
    """One router and one way to set it.

    Attributes:
        program: What is started.
        setting: Its policy, or nginx's directive.
    """

    program: str
    setting: str

    def command(self, urls: Sequence[str], port: int, folder: str) -> list[str]:
        """What starts it, without the program itself."""
        if self.program == "nginx":
            servers = " ".join(f"server {url.removeprefix('http://')};" for url in urls)
            text = NGINX.format(folder=folder, how=self.setting, servers=servers, port=port)
            file = Path(folder) / "nginx.conf"
            file.write_text(text, encoding="utf-8")
            return ["-c", str(file), "-p", folder]
        listening = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
        metrics = ["--prometheus-port", str(free_port())]
        return [*listening, *metrics, "--policy", self.setting, "--worker-urls", *urls]


ROUTERS = (
    Router("nginx", "random;"),
    Router("nginx", "hash $http_x_session_id consistent;"),
    Router("vllm-router", "round_robin"),
    Router("vllm-router", "consistent_hash"),
    Router("vllm-router", "cache_aware"),
    Router("sglang-router", "round_robin"),
    Router("sglang-router", "cache_aware"),
)


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(router: Router, program: str, urls: Sequence[str]) -> Iterator[str]:
    """*router* in front of *urls*, once it answers; where it is."""
    launch = ["launch"] if router.program == "sglang-router" else []
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        process = subprocess.Popen([program, *launch, *router.command(urls, port, folder)])
        try:
            for attempt in Retrying(stop=stop_after_delay(60), wait=wait_fixed(0.5), reraise=True):
                with attempt:
                    httpx2.get(f"http://127.0.0.1:{port}/health").raise_for_status()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def version_of(program: str, folder: Path) -> str:
    """What nginx says of itself, or the package index of a Python package."""
    if Path(program).name == "nginx":
        said = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
        return said.strip().rpartition("/")[2]
    packages = [str(site) for site in folder.parent.glob("lib/python*/site-packages")]
    (found,) = distributions(name=Path(program).name, path=packages)
    return found.version


def through(routers: dict[Role, str], first: Engine) -> ChatRSD:
    """RSD whose draft and target are behind routers, asked as any server with OpenAI's API."""

    def at(role: Role) -> str:
        return f"openai+{routers[role]}/v1?template={MODELS / role}&ends=ask-again#{role}"

    prm = f"recompute+llamacpp+{first.endpoint('prm').url}#prm"
    return ChatRSD(draft=at("draft"), target=at("target"), prm=prm)


def measured(
    router: Router | None, program: str, questions: list[str]
) -> tuple[list[str], list[float]]:
    """The answers, and the cached share of draft and target; without a router, of one server."""
    with engines() as started, ExitStack() as stack:
        at = {}
        for role in ROLES:
            urls = [engine.endpoint(role).url.removesuffix("/v1") for engine in started]
            at[role] = stack.enter_context(running(router, program, urls)) if router else urls[0]
        texts, shares = asyncio.run(answers(through(at, started[0]), questions))
    return texts, [shares[role] for role in ROLES]


def report(folder: Path) -> str:
    """The page."""
    questions = [problem.question for problem in held_out_problems(QUESTIONS)]
    expected, alone = asyncio.run(answers(ChatRSD(), questions))
    rows: list[list[str]] = [
        ["none: one server", "", *(f"{alone[role]:.0%}" for role in ROLES), ""]
    ]
    for router in ROUTERS:
        own = folder / router.program
        program = str(own) if own.exists() else shutil.which(router.program)
        if program is None:
            rows.append([router.program, router.setting, "not installed", "", ""])
            continue
        texts, shares = measured(router, program, questions)
        same = f"{sum(map(str.__eq__, texts, expected))} of {QUESTIONS}"
        name = f"{router.program} {version_of(program, folder)}"
        rows.append([name, f"`{router.setting}`", *(f"{share:.0%}" for share in shares), same])
        print(rows[-1], file=sys.stderr)
    return "\n".join(
        [
            "# Routers in front of three servers",
            "",
            f"`python -m benchmarks.routers`: {QUESTIONS} held-out stories, 8 at once, the shipped "
            f"models on llama.cpp (xllamacpp {version('xllamacpp')}); draft and target through a "
            "router each, over `/v1/completions`.",
            "",
            table("router|setting|draft cached|target cached|answers as with one server", rows),
            "",
        ]
    )


if __name__ == "__main__":
    OUT.write_text(report(Path(sys.argv[1])), encoding="utf-8")
    print(OUT.read_text(encoding="utf-8"))
