"""A model named by one string."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from rsd_graph import (
    CapabilityError,
    ConfigurationError,
    Endpoint,
    Prefix,
    ScriptedRewardModel,
    ScriptedStepModel,
    StepRequest,
    reward_model,
    step_model,
)
from rsd_graph.plugins import Plugins
from rsd_graph.providers.address import PROVIDERS
from rsd_graph.providers.prm import RECOMPUTE, PoolingPRM, TokenProbabilityPRM
from rsd_graph.providers.registry import FAMILIES
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.llamacpp import LlamaCppWire
from rsd_graph.providers.wires.vllm import VLLMWire


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RSD_API_KEY", "RSD_DRAFT_API_KEY", "RSD_TARGET_API_KEY", "RSD_PRM_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def hosted(spec: str, **settings: Any) -> HostedModel:
    model = step_model(spec, "target", **settings)
    assert isinstance(model, HostedModel)
    return model


def test_a_string_names_provider_address_and_model() -> None:
    """What stands in the string is what is called, in the seat it was named for."""
    model = hosted("vllm+https://gpu1:8000/v1#Qwen/Qwen2.5-Math-7B-Instruct")

    assert isinstance(model.wire, VLLMWire)
    assert model.endpoint == Endpoint(
        "https://gpu1:8000/v1", "Qwen/Qwen2.5-Math-7B-Instruct", "target"
    )


def test_swapping_a_backend_is_changing_a_string() -> None:
    """Another provider, another wire; nothing else changes."""
    assert isinstance(hosted("llamacpp+http://127.0.0.1:8080").wire, LlamaCppWire)


def test_options_follow_a_question_mark() -> None:
    """timeout and max_concurrency are the endpoint's."""
    endpoint = hosted("vllm+http://h/v1?timeout=30&max_concurrency=64#m").endpoint

    assert endpoint == Endpoint("http://h/v1", "m", "target", timeout=30, max_concurrency=64)


@pytest.mark.parametrize(
    ("spec", "asked"),
    [
        ("vllm+http://h/v1?logprobs=on#m", 5),
        ("sglang+http://h/v1?timeout=30&logprobs=true#m", 5),
        ("tgi+http://h?logprobs=1&max_concurrency=4", 5),
        ("llamacpp+http://h?logprobs=off", None),
        ("vllm+http://h/v1#m?logprobs=on", None),  # behind the "#" it is the model's name
    ],
)
async def test_log_probabilities_are_an_option_of_every_writer(
    spec: str, asked: int | None
) -> None:
    """`logprobs=on` asks for them, whatever the server's protocol and its other options are."""
    model = hosted(spec)

    async def render(conversation: object) -> str:
        return ""

    model.wire.render = render  # type: ignore[method-assign]

    request = await model.request_for(StepRequest(Prefix([]), 8))

    assert request.logprobs == asked


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        ("chat+http://h/v1?logprobs=on#m", CapabilityError, "chat reports no log-probabilities"),
        ("vllm+http://h/v1?logprobs=loud#m", ConfigurationError, "cannot be used with 'loud'"),
        ("vllm+http://h/v1?logprobs=on&logprobs=off#m", ConfigurationError, "stands twice"),
        ("vllm+http://h/v1?logprob=on#m", ConfigurationError, "Did you mean 'logprobs'"),
    ],
)
def test_a_writer_without_log_probabilities_says_so(
    spec: str, error: type[Exception], words: str
) -> None:
    """Nothing is silently ignored: neither by a chat API nor in a misspelt option."""
    with pytest.raises(error, match=words):
        step_model(spec, "draft")


def test_a_prm_is_asked_for_no_log_probabilities_of_its_steps() -> None:
    """It writes none."""
    with pytest.raises(ConfigurationError, match="unknown option 'logprobs'"):
        reward_model("qwen-prm+vllm+http://h/v1?logprobs=on#m")


def test_the_callers_settings_win() -> None:
    """Arguments beat the string; retries are counted beyond the first try."""
    settings: dict[str, Any] = {"timeout": 5, "max_retries": 0, "api_key": SecretStr("k")}

    endpoint = hosted("vllm+http://h/v1?timeout=30", **settings).endpoint

    assert (endpoint.timeout, endpoint.retry.attempts) == (5, 1)
    assert endpoint.api_key == SecretStr("k")


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The role's own key first, then the one for all roles; the caller's beats both."""
    monkeypatch.setenv("RSD_API_KEY", "all")
    monkeypatch.setenv("RSD_PRM_API_KEY", "own")
    prm = reward_model("qwen-prm+vllm+http://h/v1")
    assert isinstance(prm, PoolingPRM)

    assert hosted("vllm+http://h/v1").endpoint.api_key == SecretStr("all")
    assert prm.endpoint.api_key == SecretStr("own")
    assert hosted("vllm+http://h", api_key=SecretStr("k")).endpoint.api_key == SecretStr("k")


@pytest.mark.parametrize(
    ("plugins", "name"),
    [(plugins, name) for plugins in (PROVIDERS, FAMILIES) for name in plugins.built_in],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_everything_in_the_tables_exists(plugins: Plugins, name: str) -> None:
    """No entry is a name without something behind it."""
    assert plugins.load(name) is not None


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("", "not an endpoint string"),
        ("http://h:1/v1", "not an endpoint string"),
        ("vllm", "not an endpoint string"),
        ("vllm+http://", "not an endpoint string"),
        ("vllm+http://h/v1#a model", "not an endpoint string"),
        ("vlm+http://h/v1", "unknown provider 'vlm'"),
        ("qwen-prm+vllm+http://h/v1", "'qwen-prm' stands before the provider"),
        ("vllm+http://h:port/v1", "not the URL of an endpoint"),
        ("vllm+http://h?retries=3", "unknown option 'retries' of vllm"),
        ("vllm+http://h?timeout=soon", "option 'timeout' cannot be used"),
        ("vllm+http://h?timeout=nan", "it must be finite"),
        ("vllm+http://h?timeout=-1", "timeout > 0"),
        ("vllm+http://h?timeout=1&timeout=2", "an option stands twice"),
        ("vllm+http://h?tiemout=1", "Did you mean 'timeout'?"),
        ("ollama+http://h?numctx=1", "Did you mean 'num_ctx'?"),
        ("ollama+http://h?num_ctx=big", "option 'num_ctx' cannot be used with 'big'"),
        ("ollama+http://h?ends=never", "option 'ends' cannot be used with 'never'"),
        ("vllm+http://h?template=/no/such/file", "no usable tokenizer configuration"),
        ("openai+http://h?extra=x", "option 'extra' cannot be used with 'x'"),
        ("vllm:8000", "vllm is not named like this. Expected vllm+http://host:port"),
        ("embedded+http://h", "embedded is not named like this. Expected embedded:text"),
        ("localhost:8000", "unknown provider 'localhost'"),
    ],
)
def test_what_is_no_endpoint_string(spec: str, words: str) -> None:
    """Every mistake is a ConfigurationError that says what would be right."""
    with pytest.raises(ConfigurationError) as caught:
        step_model(spec, "draft")

    assert words in str(caught.value)
    assert caught.value.role == "draft"


def test_an_unknown_provider_lists_the_known_ones() -> None:
    """The error is the documentation."""
    with pytest.raises(ConfigurationError, match=r"one of .*llamacpp.*vllm"):
        step_model("nope+http://h", "draft")


@pytest.mark.parametrize("spec", ["vllm+http://:sk-secret@h/v1", "vllm+http://sk-secret@h/v1"])
def test_a_key_in_the_string_is_refused_unshown(spec: str) -> None:
    """Endpoint strings appear in logs and results: a key in one is refused, and not repeated."""
    with pytest.raises(ConfigurationError, match="RSD_DRAFT_API_KEY") as caught:
        step_model(spec, "draft")

    assert "sk-secret" not in str(caught.value)


def test_objects_pass_through() -> None:
    """Whoever brings a provider of their own keeps it."""
    model, prm = ScriptedStepModel([]), ScriptedRewardModel([])

    assert step_model(model, "draft") is model
    assert reward_model(prm) is prm


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        ("qwen-prm+vllm+http://h:1/v1#m", "PoolingPRM(http://h:1/v1#m)"),
        ("vllm+http://h:1/v1#m", "PoolingPRM(http://h:1/v1#m)"),
        ("math-shepherd+vllm+http://h:1", "TokenProbabilityPRM(math-shepherd, http://h:1)"),
        ("rlhflow+llamacpp+http://h:1", "TokenProbabilityPRM(rlhflow, http://h:1)"),
        ("recompute+llamacpp+http://h:1", "TokenProbabilityPRM(recompute, http://h:1)"),
        ("llamacpp+http://h:1", "TokenProbabilityPRM(recompute, http://h:1)"),
        ("versaprm+vllm+http://h:1", "TokenProbabilityPRM(versaprm, http://h:1)"),
        ("thinkprm+sglang+http://h:1", "TokenProbabilityPRM(thinkprm, http://h:1)"),
        ("genprm+vllm+http://h:1", "TokenProbabilityPRM(genprm, http://h:1)"),
        ("skywork+vllm+http://h:1", "TokenRowsPRM(skywork, http://h:1)"),
        ("skywork-paper+vllm+http://h:1", "TokenRowsPRM(skywork-paper, http://h:1)"),
    ],
)
def test_prms_are_named_by_family_and_provider(spec: str, shown: str) -> None:
    """The family says how to ask; where none is named, the provider's usual one is meant."""
    prm = reward_model(spec)

    assert repr(prm) == shown
    assert prm.reward_range == (0.0, 1.0)


@pytest.mark.parametrize(
    ("spec", "shown", "reward_range"),
    [
        ("pure+vllm+http://h:1", "TokenRowsPRM(pure, http://h:1)", (-1, 1)),
        ("judge+vllm+http://h:1", "TokenProbabilityPRM(judge, http://h:1)", (0, 9)),
        ("judge-greedy+vllm+http://h:1", "TokenProbabilityPRM(judge-greedy, http://h:1)", (0, 9)),
        ("orm+vllm+http://h:1", "OutcomeRM(http://h:1)", (-math.inf, math.inf)),
        ("orm+tei+http://h:1", "OutcomeRM(http://h:1)", (-math.inf, math.inf)),
        ("tei+http://h:1", "OutcomeRM(http://h:1)", (-math.inf, math.inf)),
    ],
)
def test_families_with_a_range_of_their_own(
    spec: str, shown: str, reward_range: tuple[float, float]
) -> None:
    """Rewards are not portable: what a family can give stands in its range."""
    prm = reward_model(spec)

    assert repr(prm) == shown
    assert prm.reward_range == reward_range


def test_options_reach_the_prms_provider(tmp_path: Path) -> None:
    """A PRM's server may need a template like any other; what it cannot use is refused."""
    config = tmp_path / "tokenizer_config.json"
    config.write_text('{"chat_template": "{{ messages[0].content }}"}', encoding="utf-8")

    prm = reward_model(f"judge+vllm+http://h:1?template={config}")

    assert isinstance(prm, TokenProbabilityPRM)
    with pytest.raises(ConfigurationError, match="unknown option 'template' of qwen-prm"):
        reward_model(f"qwen-prm+vllm+http://h:1?template={config}")


def test_the_seat_and_the_string_are_named() -> None:
    """Whoever wrote it in a file or a flag knows which one is meant."""
    with pytest.raises(ConfigurationError) as caught:
        step_model("vlm+http://h/v1#m", "target")

    assert str(caught.value).startswith("target at vlm+http://h/v1#m: unknown provider 'vlm'. ")
    assert str(caught.value).endswith("Did you mean 'vllm'?")


def test_a_provider_that_writes_no_steps_is_refused() -> None:
    """The seat asks for text, and this server rates it."""
    with pytest.raises(CapabilityError, match="writes no text"):
        step_model("tei+http://h", "draft")


def test_a_provider_that_gives_no_rewards_needs_a_family() -> None:
    """Which one cannot be guessed."""
    with pytest.raises(ConfigurationError, match=r"which family of PRMs is this\? .*versaprm"):
        reward_model("sglang+http://h")


def test_a_family_of_token_verdicts_needs_a_server_that_continues_text() -> None:
    """A chat API writes about the text instead."""
    with pytest.raises(CapabilityError, match="ChatStepModel does not continue text"):
        reward_model("judge+chat+http://h")


APART = """
import sys
import rsd_graph.providers.registry as registry
from rsd_graph.providers.registry import reward_model, step_model

step_model("vllm+http://h", "draft")
reward_model("qwen-prm+vllm+http://h")
print([name for name in sys.modules if name.startswith("rsd_graph.embedded")])
for name in [name for name in sys.modules if name.startswith("rsd_graph")]:
    del sys.modules[name]
import rsd_graph.embedded.engine
print([name for name in sys.modules if name.startswith("rsd_graph.providers")])
"""


def test_providers_and_the_engine_do_without_each_other() -> None:
    """Only the string `embedded:` brings them together."""
    done = subprocess.run([sys.executable, "-c", APART], check=True, capture_output=True, text=True)

    assert done.stdout.splitlines() == ["[]", "[]"]


def test_an_unknown_family_lists_the_known_ones() -> None:
    """The error is the documentation."""
    with pytest.raises(ConfigurationError, match=", ".join(sorted(FAMILIES.built_in))):
        reward_model("nonesuch+vllm+http://h")


def test_a_family_its_server_cannot_serve_is_refused() -> None:
    """llama.cpp has no /pooling: said when the parts are put together."""
    with pytest.raises(CapabilityError, match=r"llamacpp has no route that .*'qwen-prm' asks"):
        reward_model("qwen-prm+llamacpp+http://h")


def test_shipped_models_are_served_on_first_use() -> None:
    """`embedded:` names start the engine and land in the right seat."""
    pytest.importorskip("xllamacpp")
    draft = step_model("embedded:draft", "draft")
    prm = reward_model("embedded:prm")

    assert isinstance(draft, HostedModel)
    assert draft.endpoint.role == "draft"
    assert draft.endpoint.url.startswith("http://127.0.0.1:")
    assert isinstance(prm, TokenProbabilityPRM)


def test_an_embedded_name_that_is_not_there_is_refused() -> None:
    """Neither a shipped model nor a file."""
    with pytest.raises(ConfigurationError, match="no-such"):
        step_model("embedded:no-such", "draft")


def test_the_shipped_prm_is_asked_as_it_was_trained() -> None:
    """Tag, verdicts and length of the shipped PRM are those on its card."""
    check = _card()["prm"]["check"]

    assert (RECOMPUTE.good, RECOMPUTE.bad) == (check["good"], check["bad"])
    assert check["tag"] in RECOMPUTE.reserved
    assert check["max_tokens"] == RECOMPUTE.max_tokens


def _card() -> Any:
    path = resources.files("rsd_graph.embedded").joinpath("models/card.json")
    return json.loads(path.read_text(encoding="utf-8"))
