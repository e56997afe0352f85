"""`ChatRSD`: what a LangChain user sees of the algorithm."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    HumanMessage,
    SystemMessage,
)
from pydantic import SecretStr

from rsd_graph import (
    ChatRSD,
    ConfigurationError,
    EndpointConnectionError,
    InputError,
    ScriptedStepModel,
    StepRequest,
    candidate,
    constant,
)
from rsd_graph.answer.state import Candidate
from rsd_graph.chat_models.messages import StopFilter
from rsd_graph.providers.scripted import FunctionStepModel
from tests.helpers.chat_support import END, BlockingModel, functional, scripted

ANSWER = "first\n\nsecond\n\nso: q"


def rsd(message: AIMessage) -> dict[str, Any]:
    """The metadata of one answer."""
    return message.response_metadata["rsd"]  # type: ignore[no-any-return]


# -- the ways to ask ---------------------------------------------------------------------------


def test_invoke_gives_the_joined_steps() -> None:
    """The content is every settled step, joined by the separator, and nothing else."""
    assert functional().invoke("q").content == ANSWER


async def test_ainvoke_gives_the_same_answer() -> None:
    """Sync and async callers are told the same."""
    assert (await functional().ainvoke("q")).content == ANSWER


async def test_invoke_works_inside_a_running_loop() -> None:
    """A notebook cell or an ASGI handler may call the sync methods."""
    model = functional()

    assert model.invoke("q").content == ANSWER
    assert "".join(str(chunk.content) for chunk in model.stream("q")) == ANSWER
    assert [message.content for message in model.batch(["q", "q"])] == [ANSWER, ANSWER]


def test_stream_gives_one_chunk_per_settled_step() -> None:
    """Each step arrives when it is settled, and a last chunk brings the totals."""
    chunks = list(functional().stream("q"))

    assert [chunk.content for chunk in chunks] == ["first", "\n\nsecond", "\n\nso: q", ""]
    assert [chunk.chunk_position for chunk in chunks] == [None, None, None, "last"]


async def test_astream_shows_a_step_before_the_next_one_is_written() -> None:
    """The first step is on the screen while the draft still works on the second."""
    draft = BlockingModel()
    stream = functional(draft=draft).astream("q")

    first = await anext(stream)

    assert first.content == "first"
    assert not draft.hanging.is_set()
    await stream.aclose()  # type: ignore[attr-defined]


def test_the_chunks_add_up_to_the_message() -> None:
    """Streaming and not streaming end in the same text, trace and usage."""
    model = functional(seed=1)
    whole = sum(list(model.stream("q")), AIMessageChunk(content=""))

    message = model.invoke("q")
    assert whole.content == message.content
    assert whole.usage_metadata == message.usage_metadata
    assert rsd(whole)["ledger"]["target"]["calls"] == rsd(message)["ledger"]["target"]["calls"]
    assert [s["text"] for s in rsd(whole)["steps"]] == [s["text"] for s in rsd(message)["steps"]]


def test_batch_answers_each_question() -> None:
    """Answers come back in the order of the questions."""
    answers = functional().batch(["a", "b", "c"])

    assert [str(answer.content).split()[-1] for answer in answers] == ["a", "b", "c"]


async def test_abatch_answers_each_question() -> None:
    """A hundred answers at once do not mix."""
    questions = [str(number) for number in range(100)]

    answers = await functional().abatch(questions)

    assert [str(answer.content).split()[-1] for answer in answers] == questions


def test_one_model_serves_several_event_loops() -> None:
    """No part of a model is bound to the loop that used it first."""
    model = functional()

    answers = [asyncio.run(model.ainvoke("q")).content for _ in range(2)]

    assert [*answers, model.invoke("q").content] == [ANSWER] * 3


# -- conversations -----------------------------------------------------------------------------


def test_system_prompts_and_earlier_turns_reach_the_models() -> None:
    """The whole conversation is what the models are asked to continue."""
    model = scripted([END], [0.9])

    model.invoke(
        [
            SystemMessage("Be brief."),
            HumanMessage("What is 3 + 4?"),
            AIMessage("7"),
            HumanMessage([{"type": "text", "text": "Twice "}, "that?"]),
        ]
    )

    (request,) = model.draft.history  # type: ignore[union-attr]
    assert [*map(tuple, (turn.values() for turn in request.prefix.conversation))] == [
        ("system", "Be brief."),
        ("user", "What is 3 + 4?"),
        ("assistant", "7"),
        ("user", "Twice that?"),
    ]


def test_content_that_is_not_text_is_refused() -> None:
    """An image is an error that says so, not a silently shorter question."""
    picture = HumanMessage([{"type": "image_url", "image_url": {"url": "data:,"}}])

    with pytest.raises(InputError, match="'image_url' cannot be sent"):
        functional().invoke([picture])


@pytest.mark.parametrize("empty", ["", "  \n", []])
def test_an_empty_question_is_refused(empty: Any) -> None:
    """Nothing is asked of any model when there is nothing to answer."""
    model = scripted([], [])

    with pytest.raises((InputError, ValueError)):
        model.invoke(empty)


# -- stop strings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        (["second"], "first\n\n"),
        (["t\n\nsec"], "firs"),
        (["never"], ANSWER),
        (["so:", "second"], "first\n\n"),
        (["\n\n"], "first"),
        ([""], ANSWER),
    ],
)
def test_stop_strings_apply_to_the_joined_text(stop: list[str], expected: str) -> None:
    """A stop string is found wherever it stands, across steps and separators too."""
    model = functional()

    assert model.invoke("q", stop=stop).content == expected
    assert "".join(str(chunk.content) for chunk in model.stream("q", stop=stop)) == expected
    assert functional(stop=stop).invoke("q").content == expected


def test_a_stop_string_ends_the_work() -> None:
    """After a stop string nothing more is drafted, and the reason is `stop`."""
    model = scripted(["a STOP", "b", END], [0.9, 0.9, 0.9])

    message = model.invoke("q", stop=["STOP"])

    assert (message.content, rsd(message)["finish_reason"]) == ("a ", "stop")
    assert len(model.draft.history) == 1  # type: ignore[union-attr]


def test_a_stop_string_ends_a_run_of_steps_too() -> None:
    """Steps settled together with the one that holds the stop string are not shown."""
    texts: list[Any] = ["a", "b STOP", "c", END]

    def write(request: StepRequest) -> Candidate:
        step = texts[len(request.prefix.steps)]
        return step if step is END else candidate(step)

    message = functional(draft=FunctionStepModel(write), lookahead=3).invoke("q", stop=["STOP"])

    assert message.content == "a\n\nb "


def test_stop_per_call_replaces_the_models_own() -> None:
    """`stop=` of one call wins over the field."""
    assert functional(stop=["first"]).invoke("q", stop=["second"]).content == "first\n\n"


def test_stop_strings_across_any_chunks() -> None:
    """However the text is cut into chunks, the same prefix is shown."""
    text, stop = "one two three", ["wo t", "never"]
    for size in range(1, len(text)):
        pieces = [text[i : i + size] for i in range(0, len(text), size)]
        held = StopFilter(stop)
        shown = ""
        for piece in pieces:
            shown += held.feed(piece)
            if held.stopped:
                break
        assert shown + held.flush() == "one t"


# -- options per call --------------------------------------------------------------------------


def test_delta_per_call_decides_that_call_only() -> None:
    """The same draft is accepted at one delta and rejected at another."""
    model = scripted([END] * 3, [0.8] * 3, [candidate("target", "eos")], delta=0.7)

    contents = [model.invoke("q", **options).content for options in ({}, {"delta": 0.9}, {})]

    assert contents == ["end", "target", "end"]


def test_another_criterion_replaces_delta() -> None:
    """`accept=` takes any weighting function or callable."""
    model = scripted([END] * 2, [0.1, 0.1])

    assert model.invoke("q", accept=constant(1)).content == "end"
    assert model.invoke("q", accept=lambda reward: reward < 0.5).content == "end"


def test_the_seed_per_call_reaches_the_requests() -> None:
    """Same seed, same request seeds; another seed, others."""
    model = scripted([END] * 3, [0.9] * 3)

    for seed in (1, 1, 2):
        model.invoke("q", seed=seed)

    first, second, third = (r.seed for r in model.draft.history)  # type: ignore[union-attr]
    assert first == second != third


def test_sampling_and_budgets_per_call_reach_the_requests() -> None:
    """Sampling parameters and token budgets of one call are what the servers are sent."""
    model = scripted([END], [0.9])

    model.invoke("q", temperature=0.5, top_p=0.9, max_tokens=40, max_step_tokens=30)

    (request,) = model.draft.history  # type: ignore[union-attr]
    assert (request.sampling.temperature, request.sampling.top_p) == (0.5, 0.9)
    assert request.max_tokens == 30


def test_max_steps_per_call_ends_the_answer() -> None:
    """A step budget ends the answer and is named as the reason."""
    message = functional().invoke("q", max_steps=1)

    assert (message.content, rsd(message)["finish_reason"]) == ("first", "max_steps")


def test_model_per_call_names_the_target() -> None:
    """`model=` is LangChain's word for the model that answers: the target."""
    other = ScriptedStepModel([candidate("other", "eos")])

    assert scripted(["x"], [0.1]).invoke("q", model=other).content == "other"


def test_an_unknown_option_is_refused() -> None:
    """A misspelt option is an error, per call and at construction."""
    message = r"there is no option 'dleta'\. Did you mean 'delta'\?"

    with pytest.raises(ConfigurationError, match=message):
        functional().invoke("q", dleta=0.9)
    with pytest.raises(ConfigurationError, match=message):
        functional(dleta=0.9)


def test_a_delta_the_prm_cannot_reach_is_refused() -> None:
    """delta outside the PRM's range is a mistake, not an always-reject."""
    with pytest.raises(ConfigurationError, match=r"delta=1.5 is outside"):
        functional().invoke("q", delta=1.5)


def test_calls_with_other_options_share_the_connections() -> None:
    """Per-call options and copies build another graph, not another client."""
    made: list[str] = []

    def make() -> Any:
        made.append("client")
        return object()

    model = functional()
    copies = [model, model.with_options({"delta": 0.9}), model.with_options({"seed": 3})]
    clients = {id(item.shared.once("key", make)) for item in copies}

    assert (len(clients), made) == (1, ["client"])
    assert copies[0].graph is copies[2].graph
    assert copies[0].graph is not copies[1].graph


# -- what an answer says about itself ----------------------------------------------------------


def test_the_trace_says_who_wrote_each_step_and_why() -> None:
    """Source, verdict, reward, tokens and milliseconds of every step are in the metadata."""
    steps = rsd(functional().invoke("q"))["steps"]

    assert [(s["source"], s["accepted"], s["reward"], s["tokens"]) for s in steps] == [
        ("draft", True, 0.9, 1),
        ("target", False, 0.1, 5),
        ("draft", True, 0.9, 2),
    ]
    assert all(step["ms"] >= 0 for step in steps)


def test_the_ledger_and_the_rate_are_in_the_metadata() -> None:
    """The ledger's counts, the acceptance rate and the reason to end are reported."""
    metadata = rsd(functional().invoke("q"))

    ledger = metadata["ledger"]
    assert (ledger["drafted_steps"], ledger["accepted_steps"], ledger["target_steps"]) == (3, 2, 1)
    assert (ledger["kept_draft_tokens"], ledger["discarded_draft_tokens"]) == (3, 2)
    assert metadata["acceptance_rate"] == 2 / 3
    assert metadata["finish_reason"] == "stop"


def test_flops_are_reported_in_both_accountings() -> None:
    """With parameter counts, decode-only and full FLOPs are in the metadata; else `None`."""
    counts = {"draft": 1, "target": 10, "prm": 2}

    flops = rsd(functional(parameters=counts).invoke("q"))["flops"]

    # Decode-only: 5 draft, 5 target and 3 PRM tokens. Full adds 20 and 30 prompt tokens; of these
    # nobody said what was cached: perhaps all but the 5 drafted tokens that the PRM had to read.
    assert flops == {
        "decode_only": 2 * (5 + 50 + 6),
        "full": 2 * (5 + 250 + 2 * 33),
        "full_if_cached": 2 * (5 + 50 + 2 * 8),
    }
    assert rsd(functional().invoke("q"))["flops"] is None


def test_usage_counts_all_three_models() -> None:
    """Usage is what the servers counted, split by who wrote it."""
    assert functional().invoke("q").usage_metadata == {
        "input_tokens": 20 + 30,
        "output_tokens": 5 + 5 + 3,
        "total_tokens": 63,
        "input_token_details": {"cache_read": 0},
        "output_token_details": {"draft": 3, "draft_discarded": 2, "target": 5, "prm": 3},
    }


def test_usage_is_on_one_chunk_only() -> None:
    """Adding chunks up never counts a token twice."""
    assert [chunk.usage_metadata is None for chunk in functional().stream("q")] == [
        True,
        True,
        True,
        False,
    ]


def test_lookahead_and_hedge_change_nothing_in_the_answer() -> None:
    """They change when things happen, never what is said."""
    options: list[dict[str, Any]] = [{"lookahead": 2}, {"lookahead": "auto"}, {"hedge": 0}]
    messages = [functional(**early).invoke("q") for early in options]

    assert [message.content for message in messages] == [ANSWER] * 3


# -- when things go wrong ----------------------------------------------------------------------


def failure() -> EndpointConnectionError:
    return EndpointConnectionError("no connection.", role="prm", endpoint="http://gone")


def test_a_failing_prm_raises_by_default() -> None:
    """No reward, no answer."""
    with pytest.raises(EndpointConnectionError, match="prm at http://gone"):
        scripted(["a"], [failure()]).invoke("q")


def test_a_failing_prm_can_hand_its_step_to_the_target() -> None:
    """`on_prm_error="target"` goes on without a reward and counts the failure."""
    model = scripted(["a", END], [failure(), 0.9], ["A"])

    message = model.invoke("q", on_prm_error="target")

    assert message.content == "A\n\nend"
    assert rsd(message)["ledger"]["prm_failures"] == 1


@pytest.mark.parametrize("call", ["invoke", "stream"])
def test_errors_carry_the_settled_steps(call: str) -> None:
    """What was settled and spent when an endpoint died is on the error."""
    model = scripted(["a", failure()], [0.9])

    with pytest.raises(EndpointConnectionError) as caught:
        list(getattr(model, call)("q"))

    assert [step["text"] for step in caught.value.steps] == ["a"]
    assert caught.value.ledger is not None
    assert caught.value.ledger["accepted_steps"] == 1


async def test_leaving_the_stream_early_cancels_the_remote_work() -> None:
    """`break` stops the look-ahead request in flight."""
    draft = BlockingModel()
    stream = functional(draft=draft, lookahead=1).astream("q")

    async for _ in stream:
        await draft.hanging.wait()
        break
    await stream.aclose()  # type: ignore[attr-defined]

    async with asyncio.timeout(5):
        await draft.cancelled.wait()


async def test_cancelling_an_answer_cancels_the_remote_work() -> None:
    """A timeout or a closed browser tab ends the request in flight."""
    draft = BlockingModel()
    task = asyncio.create_task(functional(draft=draft).ainvoke("q"))
    await draft.hanging.wait()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert draft.cancelled.is_set()


def test_leaving_a_sync_stream_early_ends_the_run() -> None:
    """A sync `break` closes the run before the generator is gone."""
    model = scripted(["a", "b", END], [0.9] * 3)
    stream = model.stream("q")

    next(stream)
    stream.close()  # type: ignore[attr-defined]

    assert len(model.draft.history) == 1  # type: ignore[union-attr]


# -- identity ----------------------------------------------------------------------------------

SECRET = "sk-do-not-show"


def with_secrets() -> ChatRSD:
    return ChatRSD(
        draft="vllm+http://gpu1:8000/v1#small",
        target="vllm+http://gpu2:8000/v1#large",
        prm="vllm+http://gpu3:8000/v1#prm",
        api_key=SecretStr(SECRET),
    )


def test_no_secret_is_shown() -> None:
    """Keys are in no repr, trace parameter, cache key or serialised form of the model."""
    model = with_secrets()
    shown = [
        repr(model),
        str(model),
        str(model._identifying_params),
        model._get_llm_string(),
        str(model._get_ls_params()),
        str(model._get_ls_params(model=model.target)),
        str(model.to_json()),
        model.model_dump_json(include={"api_key"}),
    ]

    assert [text for text in shown if SECRET in text] == []
    assert "gpu1:8000/v1#small" in repr(model)


def test_a_key_in_an_endpoint_string_is_refused_without_showing_it() -> None:
    """Such strings are no endpoint, and the error does not repeat the key."""
    with pytest.raises(ConfigurationError, match="cannot hold a key") as caught:
        with_secrets().invoke("q", target=f"vllm+http://user:{SECRET}@gpu1:8000/v1#small")

    assert SECRET not in str(caught.value)


def test_answers_are_cached_per_delta() -> None:
    """A cached answer serves only a model that would give the same one."""
    model = scripted([END] * 2, [0.8] * 2, [candidate("target", "eos")], cache=InMemoryCache())

    contents = [model.invoke("q", delta=delta).content for delta in (0.7, 0.7, 0.9, 0.9)]

    assert contents == ["end", "end", "target", "target"]


def test_what_does_not_change_the_answer_does_not_change_the_cache_key() -> None:
    """Timeouts, retries, look-ahead and hedges may be tuned without losing the cache."""
    base = ChatRSD()

    waiting = {"lookahead": 3, "max_waste": 0.2, "hedge": 0.5}
    tuned = ChatRSD(timeout=9, max_retries=1, streaming=True, **waiting)

    assert tuned._get_llm_string() == base._get_llm_string()
    assert ChatRSD(delta=0.8)._get_llm_string() != base._get_llm_string()
    assert ChatRSD(seed=3)._get_llm_string() != base._get_llm_string()


def test_the_model_names_itself_to_langsmith() -> None:
    """Provider, target by its public name, and sampling are in LangSmith's parameters."""
    model = functional(target="vllm+http://gpu:8000/v1#large", max_tokens=9, stop=["x"])

    params = model._get_ls_params(temperature=0.5)

    assert params == {
        "ls_provider": "rsd",
        "ls_model_type": "chat",
        "ls_model_name": "large",
        "ls_temperature": 0.5,
        "ls_max_tokens": 9,
        "ls_stop": ["x"],
    }


def test_the_answer_names_the_target() -> None:
    """`response_metadata["model_name"]` is what usage trackers group by."""

    class Served(ScriptedStepModel):
        endpoint = "http://gpu:8000/v1#large"

    model = scripted([END], [0.9])

    message = model.invoke("q", target=Served([]))

    assert message.response_metadata["model_name"] == "http://gpu:8000/v1#large"


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"]
)
def test_a_model_can_be_copied_and_pickled(duplicate: Any) -> None:
    """Worker processes get a model of their own, with connections of their own; keys stay here."""
    model = ChatRSD(delta=0.8, api_key=SecretStr(SECRET))

    other = duplicate(model)

    assert other.delta == 0.8
    assert other.shared is not model.shared
    assert SECRET.encode() not in pickle.dumps(model)


def test_counting_tokens_asks_nobody() -> None:
    """Token counts for trimming are an estimate that needs no server and no download."""
    model = ChatRSD()

    assert model.get_num_tokens("abcd" * 100) == pytest.approx(100, abs=5)
    assert model.get_num_tokens_from_messages([HumanMessage("abcd" * 100)]) == pytest.approx(
        100, abs=10
    )
