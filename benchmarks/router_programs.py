"""Other people's routers, and how each is started in front of several servers of one model.

Each stands in a folder of its own, named as in `ROUTERS`, an environment with its package:

    FOLDER/vllm-router        pip install vllm-router
    FOLDER/sglang-router      pip install sglang-router
    FOLDER/litellm            pip install 'litellm[proxy]'
    FOLDER/production-stack   pip install a copy of the repository vllm-project/production-stack

`make test-live` makes the first three in `.venv-live`. nginx is looked for on the PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from rsd_graph.embedded.engine import MODELS
from tests.live.servers import free_port, wait_until_healthy

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
class Start:
    """What a router is told when it is started.

    Attributes:
        setting: How it chooses a server, in its own words.
        urls: The servers, without a path.
        model: What they call their model.
        port: Where it is to listen.
        folder: For its files.
    """

    setting: str
    urls: Sequence[str]
    model: str
    port: int
    folder: Path

    def written(self, name: str, text: str) -> str:
        """A file in its folder."""
        file = self.folder / name
        file.write_text(text, encoding="utf-8")
        return str(file)


def nginx(start: Start) -> list[str]:
    """A file of its own directives; *setting* is one of an upstream."""
    servers = " ".join(f"server {url.removeprefix('http://')};" for url in start.urls)
    text = NGINX.format(folder=start.folder, how=start.setting, servers=servers, port=start.port)
    return ["-c", start.written("nginx.conf", text), "-p", str(start.folder)]


def gateway(start: Start) -> list[str]:
    """vLLM's router, and SGLang's, which it was made from; *setting* is the policy."""
    listening = ["--host", "127.0.0.1", "--port", str(start.port), "--log-level", "error"]
    metrics = ["--prometheus-port", str(free_port())]
    return [*listening, *metrics, "--policy", start.setting, "--worker-urls", *start.urls]


def production_stack(start: Start) -> list[str]:
    """The router of vLLM's production-stack; *setting* are its flags."""
    backends = ["--static-backends", ",".join(start.urls)]
    models = ["--static-models", ",".join([start.model] * len(start.urls))]
    listening = ["--host", "127.0.0.1", "--port", str(start.port), "--log-level", "error"]
    discovery = ["--service-discovery", "static", *backends, *models]
    return [*listening, *discovery, *start.setting.split()]


def litellm(start: Start) -> list[str]:
    """LiteLLM's proxy; *setting* is a check before each call, or nothing."""
    models = [
        {
            "model_name": start.model,
            "litellm_params": {
                "model": f"text-completion-openai/{start.model}",
                "api_base": f"{url}/v1",
                "api_key": "none",
            },
        }
        for url in start.urls
    ]
    checks = {"optional_pre_call_checks": [start.setting]} if start.setting else {}
    open_to_all = {"dangerously_permit_weak_or_unset_master_key": True}  # on loopback
    told = {"model_list": models, "router_settings": checks, "general_settings": open_to_all}
    config = json.dumps(told)  # JSON is YAML
    listening = ["--host", "127.0.0.1", "--port", str(start.port)]
    return ["--config", start.written("config.yaml", config), *listening]


@dataclass(frozen=True, slots=True)
class Program:
    """How a router is found and started.

    Attributes:
        executable: Its name.
        package: What the package index calls it.
        told: Its arguments.
        first: What comes before them.
        health: What answers once it is ready.
    """

    executable: str
    package: str
    told: Callable[[Start], list[str]]
    first: tuple[str, ...] = ()
    health: str = "/health"


PROGRAMS = {
    "nginx": Program("nginx", "", nginx),
    "vllm-router": Program("vllm-router", "vllm-router", gateway),
    "sglang-router": Program("sglang-router", "sglang-router", gateway, ("launch",)),
    "production-stack": Program("vllm-router", "vllm-router", production_stack),
    "litellm": Program("litellm", "litellm", litellm, health="/health/liveliness"),
}


@dataclass(frozen=True, slots=True)
class Router:
    """One router and one way to set it.

    Attributes:
        name: One of `PROGRAMS`.
        setting: Its policy, directive, flags or check.
    """

    name: str
    setting: str

    @property
    def program(self) -> Program:
        """How it is started."""
        return PROGRAMS[self.name]

    def installed(self, folder: Path) -> Path | None:
        """Its executable in *folder* or, for nginx, on the PATH."""
        own = folder / self.name / "bin" / self.program.executable
        found = own if self.program.package else shutil.which(self.program.executable)
        return Path(found) if found and Path(found).exists() else None

    def told(self, folder: Path) -> tuple[str, str]:
        """Its name with its version, and its setting, for a table."""
        return f"{self.name} {self.version(folder)}", f"`{self.setting or 'nothing'}`"

    def version(self, folder: Path) -> str:
        """What nginx says of itself, or the package of a Python environment."""
        program = self.installed(folder)
        if not self.program.package:
            asked = [str(program), "-v"]
            said = subprocess.run(asked, capture_output=True, text=True, check=True).stderr
            return said.strip().rpartition("/")[2]
        packages = [str(site) for site in (folder / self.name).glob("lib/python*/site-packages")]
        (found,) = distributions(name=self.program.package, path=packages)
        return found.version


ROUTERS = (
    Router("nginx", "random;"),
    Router("nginx", "hash $http_x_session_id consistent;"),
    Router("vllm-router", "round_robin"),
    Router("vllm-router", "consistent_hash"),
    Router("vllm-router", "cache_aware"),
    Router("sglang-router", "round_robin"),
    Router("sglang-router", "cache_aware"),
    Router("production-stack", "--routing-logic roundrobin"),
    Router("production-stack", "--routing-logic session --session-key x-session-id"),
    Router("litellm", ""),
    Router("litellm", "session_affinity"),
)


def behind(url: str, role: str) -> str:
    """The endpoint string of a role's model behind a router: any server with OpenAI's API."""
    return f"openai+{url}/v1?template={MODELS / role}&ends=ask-again#{role}"


@contextmanager
def running(router: Router, installed: Path, urls: Sequence[str], model: str) -> Iterator[str]:
    """*router* in front of *urls*, once it answers; where it is."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        told = router.program.told(Start(router.setting, urls, model, port, Path(folder)))
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [installed, *router.program.first, *told],
                env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},  # no internet
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_healthy(process, url + router.program.health, log, 300)
            yield url
        finally:
            process.terminate()
            process.wait()
