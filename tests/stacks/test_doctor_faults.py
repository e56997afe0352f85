"""What is wrong with a server is what the doctor says is wrong: one fault, one finding."""

from __future__ import annotations

from pathlib import Path

import pytest

from rsd_graph import Limits
from rsd_graph.providers.prm import PoolingPRM
from rsd_graph.providers.wires.llamacpp import LlamaCppWire
from rsd_graph.providers.wires.openai_compatible import OpenAICompatibleWire
from rsd_graph.providers.wires.templates import ChatTemplate
from rsd_graph.providers.wires.tgi import TGIWire
from rsd_graph.providers.wires.vllm import VLLMWire
from tests.conftest import Serve
from tests.helpers.bigram import TEMPLATE, write_bigram_model
from tests.helpers.doctor_support import BIGRAM, at, diagnose, diagnose_prm, unfit
from tests.helpers.fake_servers.serving import BOS, EOS
from tests.helpers.fake_servers.tgi import FakeTGI
from tests.helpers.fake_servers.vllm import FakeVLLM, Fault

OURS = ChatTemplate(
    "{{ bos_token }}[INST] {{ messages[-1]['content'] }} [/INST]", {"bos_token": BOS}
)


async def test_nothing_is_wrong_with_a_good_server() -> None:
    """Without a fault, every check passes: the failures below are the faults' own."""
    async with FakeVLLM() as server:
        writer = await diagnose(VLLMWire(at(server)))
        judge = await diagnose_prm(PoolingPRM(at(server)))

    assert (unfit(writer), unfit(judge)) == ({}, {})
    assert (len(writer), len(judge)) == (14, 11)


WRITERS: list[tuple[Fault, str, str, str]] = [
    ("drops the question", "template", "fail", "ending in"),
    ("bos twice in the template", "one BOS", "fail", "opens with the token 0 twice"),
    ("bos in front", "one BOS", "fail", "tokens read"),
    ("does not tell the ends", "separator and end told apart", "fail", "CapabilityError"),
    ("ignores top_k", "sampling obeyed", "warn", "ignored: top_k"),
]


@pytest.mark.parametrize(("fault", "name", "verdict", "words"), WRITERS, ids=lambda v: str(v)[:20])
async def test_each_fault_of_a_writer_is_its_own_finding(
    fault: Fault, name: str, verdict: str, words: str
) -> None:
    """What it is, what was seen, and what to do; everything else passes."""
    async with FakeVLLM(fault) as server:
        found = await diagnose(VLLMWire(at(server)))

    assert unfit(found) == {name: verdict}
    assert words in found[name].detail
    assert found[name].fix


async def test_a_trimmed_prompt_is_found() -> None:
    """The model does not see the separator at the end of its prefix, and writes it once more."""
    async with FakeVLLM("trims the prompt") as server:
        found = await diagnose(VLLMWire(at(server)))

    assert unfit(found) == {
        "prefix continued exactly": "fail",
        "separator and end told apart": "warn",
    }
    assert found["prefix continued exactly"].detail == "a trailing separator is lost"


async def test_a_server_that_draws_at_random_is_warned_about() -> None:
    """Where no two greedy texts are alike, what leaks in cannot be told, and that is said."""
    async with FakeVLLM("draws at random") as server:
        found = await diagnose(VLLMWire(at(server)))

    assert unfit(found) == {
        "separator and end told apart": "warn",
        "temperature 0 is greedy": "warn",
        "no sampling default leaks in": "warn",
        "sampling obeyed": "warn",
    }


async def test_a_penalty_of_the_servers_own_is_found() -> None:
    """Gotcha 15: what a request leaves out, generation_config.json decides; vLLM's own provider
    leaves nothing out.
    """
    async with FakeVLLM("penalises what names no penalty") as server:
        leaking = await diagnose(OpenAICompatibleWire(at(server), template=OURS))
        spelled = await diagnose(VLLMWire(at(server)))

    assert leaking["no sampling default leaks in"].verdict == "fail"
    assert "--generation-config vllm" in leaking["no sampling default leaks in"].fix
    assert unfit(spelled) == {}


async def test_a_refused_parameter_is_told_and_passes() -> None:
    """An error is no silence: whoever asks for it will hear of it."""
    async with FakeVLLM("refuses min_p") as server:
        found = await diagnose(VLLMWire(at(server)))

    assert unfit(found) == {}
    assert found["sampling obeyed"].detail == "obeyed: top_k, top_p; refused: min_p"


async def test_a_bos_of_our_own_template_is_counted() -> None:
    """The provider leaves it to a server that adds it; the count shows one, from either side."""
    async with FakeVLLM() as bare, FakeVLLM("bos in front") as adding:
        ours = await diagnose(OpenAICompatibleWire(at(bare), template=OURS))
        theirs = await diagnose(OpenAICompatibleWire(at(adding), template=OURS))

    assert ours["one BOS"].detail == "0 from the server, 1 from the template"
    assert theirs["one BOS"].detail == "1 from the server, 0 from the template"
    assert theirs["one BOS"].verdict == "pass"


async def test_too_many_bos_are_found_on_the_real_llamacpp(
    serve_gguf: Serve, tmp_path: Path
) -> None:
    """The server and the provider each take one off such a template; of three, one is left."""
    thrice = "{{ bos_token }}" * 3 + TEMPLATE
    server = serve_gguf(write_bigram_model(tmp_path / "bos.gguf", bos=True, template=thrice))

    found = await diagnose(LlamaCppWire(server), BIGRAM, Limits(max_tokens=128))

    assert unfit(found) == {"one BOS": "fail"}


async def test_tgi_without_a_parameter_of_ours_is_no_failure() -> None:
    """TGI has no min_p and says so; what its answers are made of is its own."""
    step, rest = ["Seven", ".", "\n\n"], ["So", " 7.", EOS]
    whole = [*step, *rest]
    script = [whole, *[whole[:1]] * 3, step, rest, *[whole] * 9, *[whole] * 11]
    async with FakeTGI(*script, max_total_tokens=100_000) as server:
        found = await diagnose(TGIWire(server.endpoint))

    assert unfit(found) == {}
    assert found["sampling obeyed"].detail == "obeyed: top_k, top_p; refused: min_p"


PRMS: list[tuple[Fault, str, str]] = [
    ("rewards swapped", "tells right from wrong", "right step 0.100, wrong step 0.900"),
    ("rewards beyond the range", "rewards in [0, 1]", "1.100 to 1.900"),
    ("adds tokens after the tag", "judged at the tag", "56 tokens read, 55 sent"),
    ("knows no tag", "judged at the tag", "its tokenizer makes 3 tokens of <extra_0>"),
]


@pytest.mark.parametrize(("fault", "name", "words"), PRMS, ids=lambda v: str(v)[:20])
async def test_each_fault_of_a_prm_is_its_own_finding(fault: Fault, name: str, words: str) -> None:
    """Told apart, and each with its advice."""
    async with FakeVLLM(fault) as server:
        found = await diagnose_prm(PoolingPRM(at(server)))

    assert unfit(found) == {name: "fail"}
    assert found[name].detail == words
    assert found[name].fix
