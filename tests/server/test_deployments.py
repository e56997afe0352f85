"""Compose files and Kubernetes manifests: every flag exists, every name leads somewhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer.main
import yaml

from rsd_graph.cli import app
from rsd_graph.lab.planning.advice import advise
from rsd_graph.lab.planning.models import gpu_of, model_of
from rsd_graph.lab.planning.question import Question, answers_of, traffic_of
from rsd_graph.lab.planning.report import as_data
from rsd_graph.server.metrics import Metrics
from rsd_graph.stacks.config import load_config
from tests.helpers.deployments import (
    DEPLOY,
    KUBERNETES,
    ROLES,
    Container,
    containers,
    named,
    pod,
    resources,
)
from tests.helpers.vllm_arguments import recorded

ALL = list(containers())
MODELS = [one for one in ALL if one.name in ROLES]


def test_the_files_have_all_four_servers() -> None:
    """Draft, target, PRM and ours, in both compose files and on Kubernetes."""
    assert sorted((one.file, one.name) for one in ALL) == sorted(
        (file, name)
        for file in ("compose.yaml", "compose.one-gpu.yaml", "kubernetes")
        for name in (*ROLES, "rsd")
    )


@pytest.mark.parametrize("one", [one for one in ALL if one.name == "rsd"], ids=lambda o: o.file)
def test_our_command_line_takes_what_they_say(one: Container) -> None:
    """The parser of `rsd-graph serve` itself reads it, values included."""
    group: Any = typer.main.get_command(app)

    context = group.commands["serve"].make_context("serve", list(one.words))

    assert Path(context.params["config"]).suffix == ".toml"


@pytest.mark.parametrize("one", MODELS, ids=lambda o: f"{o.file}-{o.name}")
def test_vllm_has_every_flag(one: Container) -> None:
    """As its pinned version wrote them down, which is the version of the image."""
    known = recorded()

    assert one.flags
    assert one.flags <= set(known["flags"])
    assert one.image in (f"vllm/vllm-openai:v{known['version']}", "rsd-prm")


def test_the_image_of_the_prm_is_the_same_vllm() -> None:
    """With our plug-in, whose architecture every PRM is served as."""
    lines = (DEPLOY / "prm.Dockerfile").read_text("utf-8").splitlines()
    overrides = [
        json.loads(one.words[one.words.index("--hf-overrides") + 1])
        for one in MODELS
        if one.name == "prm"
    ]

    assert f"FROM vllm/vllm-openai:v{recorded()['version']}" in lines
    assert overrides == [{"architectures": ["Qwen2LastStepReward"]}] * 3


@pytest.mark.parametrize("one", MODELS, ids=lambda o: f"{o.file}-{o.name}")
def test_the_stack_asks_each_server_for_its_model(one: Container) -> None:
    """Host and model of the endpoint string are those of the server."""
    folder = KUBERNETES if one.file == KUBERNETES.name else DEPLOY
    config = load_config(folder / "rsd.toml")
    url = urlsplit(config.endpoints[one.name].url)
    host = f"{one.name}-0.{one.name}" if folder is KUBERNETES else one.name

    assert (url.hostname, url.port) == (host, 8000)
    assert url.fragment == one.words[one.words.index("--model") + 1]


def test_the_shares_of_one_gpu_are_the_plans_and_fit() -> None:
    """As `rsd-graph plan` prints them for the command that the file names."""
    said = {
        one.name: float(one.words[one.words.index("--gpu-memory-utilization") + 1])
        for one in MODELS
        if one.file == "compose.one-gpu.yaml"
    }
    models = {one.name: one.words[one.words.index("--model") + 1] for one in MODELS}
    workload, rejected = answers_of(
        None, rejected=0.15, steps=None, step_tokens=None, question_tokens=None
    )
    question = Question(
        draft=model_of(models["draft"]),
        target=model_of(models["target"]),
        prms=[model_of(models["prm"])],
        gpu=gpu_of("h100"),
        count=1,
        traffic=traffic_of(32, None),
        workload=workload,
        rejected=rejected,
        gpu_hour=None,
    )
    planned: Any = as_data(advise(question))["servers"]
    memory = r"--gpu-memory-utilization (\S+)"
    found = {one["role"]: re.search(memory, one["command"]) for one in planned}

    assert said == {role: float(match[1]) for role, match in found.items() if match}
    assert sum(said.values()) < 1


def test_on_one_gpu_they_start_one_after_the_other() -> None:
    """vLLM measures what is free when it starts."""
    services = yaml.safe_load((DEPLOY / "compose.one-gpu.yaml").read_text("utf-8"))["services"]
    healthy = {"condition": "service_healthy"}

    assert services["prm"]["depends_on"] == {"target": healthy}
    assert services["draft"]["depends_on"] == {"prm": healthy}
    assert services["rsd"]["depends_on"] == {"draft": healthy}


def test_kubernetes_waits_until_answers_are_finished() -> None:
    """preStop and --drain together are shorter than the grace period."""
    found = pod("Deployment", "rsd")
    (container,) = found["containers"]
    drain = float(container["args"][container["args"].index("--drain") + 1])
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert before + drain < found["terminationGracePeriodSeconds"]


def test_our_server_can_change_nothing() -> None:
    """Not root, nothing to write to, no capability, no token of the cluster."""
    found = pod("Deployment", "rsd")
    (container,) = found["containers"]

    assert found["securityContext"]["runAsNonRoot"] is True
    assert found["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_autoscaler_reads_a_metric_that_there_is() -> None:
    """Of the name that the server exposes and the adapter hands on, below what it lets in."""
    told = Metrics().exposition().decode()
    spec = named("HorizontalPodAutoscaler", "rsd")["spec"]
    (metric,) = spec["metrics"]
    name = metric["pods"]["metric"]["name"]
    adapter = yaml.safe_load((KUBERNETES / "prometheus-adapter.yaml").read_text("utf-8"))
    (rule,) = adapter["rules"]["custom"]
    (container,) = pod("Deployment", "rsd")["containers"]
    most = int(container["args"][container["args"].index("--max-answers") + 1])

    assert f"# TYPE {name} gauge" in told
    assert (rule["name"]["as"], rule["seriesQuery"].partition("{")[0]) == (name, name)
    assert float(metric["pods"]["target"]["averageValue"]) < most
    assert spec["scaleTargetRef"]["name"] == "rsd"


def test_every_selector_selects_something() -> None:
    """Services, budgets, policies and monitors name labels that pods or services have."""
    labels = [one["metadata"].get("labels", {}) for one in resources()]
    labels += [
        one["spec"]["template"]["metadata"]["labels"]
        for one in resources()
        if "template" in one["spec"]
    ]
    wanted = [selector for one in resources() for selector in _selectors(one)]

    assert len(wanted) >= 12
    assert [one for one in wanted if not any(one.items() <= has.items() for has in labels)] == []


def _selectors(one: dict[str, Any]) -> Iterator[dict[str, str]]:
    spec = one["spec"]
    found = spec.get("podSelector" if one["kind"] == "NetworkPolicy" else "selector", {})
    chosen = found.get("matchLabels", found)
    yield from [chosen] if chosen else []
    for rule in (*spec.get("ingress", ()), *spec.get("egress", ())):
        for peer in (*rule.get("from", ()), *rule.get("to", ())):
            labels = peer.get("podSelector", {}).get("matchLabels", {})
            yield from [labels] if "batch.kubernetes.io/job-name" not in labels and labels else []


def test_a_batch_in_the_same_namespace_reaches_the_models() -> None:
    """The policy names the job of `batch-job.yaml`."""
    job = yaml.safe_load((KUBERNETES / "batch-job.yaml").read_text("utf-8"))
    (rule,) = named("NetworkPolicy", "models")["spec"]["ingress"]

    selected = {"matchLabels": {"batch.kubernetes.io/job-name": job["metadata"]["name"]}}

    assert {"podSelector": selected} in rule["from"]


def test_the_readiness_probe_is_python_that_holds_the_key() -> None:
    """`/ready` wants a key; what the probe runs compiles, and asks the port that is served."""
    (container,) = pod("Deployment", "rsd")["containers"]
    *_, script = container["readinessProbe"]["exec"]["command"]

    compile(script, "probe", "exec")
    assert f"http://127.0.0.1:{container['ports'][0]['containerPort']}/ready" in script
    assert container["env"][0]["name"] in script


@pytest.mark.skipif(not shutil.which("kubectl"), reason="no kubectl")
def test_kustomize_builds_it() -> None:
    """Each image gets its tag, and the stack file becomes a map that the server mounts."""
    command = ["kubectl", "kustomize", str(KUBERNETES)]
    built = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = list(yaml.safe_load_all(built))
    (stack,) = (one for one in found if one["kind"] == "ConfigMap")
    (server,) = (one for one in found if one["kind"] == "Deployment")

    assert len(found) == len(list(resources())) + 1
    assert stack["data"]["rsd.toml"] == (KUBERNETES / "rsd.toml").read_text("utf-8")
    assert stack["metadata"]["name"] in str(server["spec"]["template"]["spec"]["volumes"])
    assert {one["metadata"]["namespace"] for one in found} == {"rsd"}
