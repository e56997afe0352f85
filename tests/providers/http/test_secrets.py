"""A key is sent to its server and told to nobody else, wherever that server puts it."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs

from rsd_graph import (
    AuthenticationError,
    ChatRSD,
    ConfigurationError,
    Endpoint,
    Prefix,
    ProviderError,
    RetryPolicy,
    RSDError,
    StepRequest,
)
from rsd_graph.answer.state import Message
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.endpoint import without_credentials
from rsd_graph.providers.wires.chat import ChatStepModel
from rsd_graph.providers.wires.completion import CompletionRequest
from rsd_graph.providers.wires.llamacpp import LlamaCppWire
from rsd_graph.providers.wires.sglang import SGLangWire
from rsd_graph.providers.wires.tgi import TGIWire
from rsd_graph.providers.wires.vllm import VLLMWire
from tests.helpers.fake_endpoint import NO_WAIT, FakeEndpoint
from tests.helpers.raw_server import raw_server
from tests.helpers.vllm_answers import answer

KEYS = ["sk-very-secret", "sk'\"very\\se/cret%+="]
ASK = CompletionRequest("P", 64, ("\n\n",), logprobs=1)


def told(error: BaseException) -> Iterator[str]:
    """Everything an error and the errors behind it say, by whatever way it is looked at."""
    yield "".join(traceback.format_exception(error))
    yield from held(error)


def held(error: BaseException) -> Iterator[str]:
    """The same but for the traceback, which adds lines of code, and takes most of the time."""
    if isinstance(error, RSDError):
        yield pickle.dumps(error).decode("latin-1")
    behind: BaseException | None = error
    while behind is not None:
        yield from (str(behind), repr(behind), repr(behind.args), repr(vars(behind)))
        if "request" in dir(behind):
            yield repr(dict(behind.request.headers))  # type: ignore[attr-defined]
        if isinstance(behind, ValidationError):
            yield repr(behind.errors())
        behind = behind.__cause__ or behind.__context__


def leaks(key: str, *texts: str) -> list[str]:
    """Those that hold the key, or the key as `repr` writes it."""
    return [text for text in texts if key in text or repr(key)[1:-1] in text]


def quoted(key: str) -> dict[str, tuple[Any, ...]]:
    """A place where a server may quote its key -> the answer that does."""
    logprobs = {"tokens": ["a"], "token_logprobs": [0], "top_logprobs": [{key: "x"}]}
    return {
        "message": (400, {"error": {"message": f"Incorrect API key provided: {key}"}}),
        "text": (401, f"Incorrect API key provided: {key}"),
        "retried": (503, {"error": key}),
        "content type": (200, "<html>", {"Content-Type": f"text/{key}"}),
        "content encoding": (200, "{}", {"Content-Encoding": key}),
        "location": (307, "", {"Location": f"http://{key}@host/{key}?key={key}"}),
        "retry after": (429, "later", {"Retry-After": key}),
        "finish_reason": (200, answer(finish_reason=key)),
        "stop_reason": (200, answer(stop_reason=key)),
        "count": (200, answer({"prompt_tokens": key})),
        "cached": (200, answer({"prompt_tokens_details": {"cached_tokens": key}})),
        "token": (200, answer(logprobs=logprobs)),
        "text of a wrong answer": (200, key),
        "key of an answer": (200, {key: key}),
    }


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("place", quoted(""))
async def test_no_error_tells_the_key(
    place: str, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the error nor those behind it, nor a pickle of it, nor a log."""
    caplog.set_level(logging.DEBUG)
    async with FakeEndpoint() as server:
        server.script("/v1/completions", *[quoted(key)[place]] * 3)
        endpoint = Endpoint(server.url, role="target", api_key=SecretStr(key), retry=NO_WAIT)
        with capture_logs() as logs, pytest.raises(RSDError) as caught:
            await VLLMWire(endpoint).complete(ASK)

    assert leaks(key, caplog.text, repr(logs), *told(caught.value)) == []
    assert caught.value.role == "target"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("wire", "route", "body", "headers"),
    [
        (SGLangWire, "/v1/completions", "matched_stop", {}),
        (LlamaCppWire, "/completion", {"content": "a", "stop_type": "KEY"}, {}),
        (TGIWire, "/generate", "tgi", {"x-prompt-tokens": "KEY"}),
    ],
)
async def test_no_wires_own_words_tell_the_key(
    wire: Any, route: str, body: Any, headers: dict[str, str], key: str
) -> None:
    """What only one server has: a matched stop, a stop type, a count in a header."""
    details = {"finish_reason": "length", "generated_tokens": 1, "tokens": []}
    bodies = {
        "matched_stop": answer(matched_stop=key, stop_reason=None),
        "tgi": {"generated_text": "a", "details": details},
    }
    told_headers = {name: value.replace("KEY", key) for name, value in headers.items()}
    sent = bodies[body] if isinstance(body, str) else {**body, "stop_type": key}
    async with FakeEndpoint({"/tokenize": {"tokens": []}}) as server:
        server.script(route, *[(200, sent, told_headers)] * 3)
        endpoint = Endpoint(server.url, api_key=SecretStr(key), retry=NO_WAIT)
        with pytest.raises(ProviderError) as caught:
            await wire(endpoint).complete(ASK)

    assert leaks(key, *told(caught.value)) == []


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "said",
    ["SSH-2.0-{}\r\n", "HTTP/1.1 {} OK\r\n\r\n", "HTTP/1.1 200 OK\r\nbad header {}\r\n\r\n", ""],
)
async def test_no_broken_protocol_tells_the_key(said: str, key: str) -> None:
    """The transport's errors hold the request, with the key in its headers: they are left out."""
    async with raw_server(said.format(key).encode()) as url:
        endpoint = Endpoint(url, api_key=SecretStr(key), retry=RetryPolicy(attempts=1))
        with pytest.raises(ProviderError) as caught:
            await Client(endpoint).get("/", dict)

    assert leaks(key, *told(caught.value)) == []


async def test_no_dead_endpoint_tells_the_key(unused_tcp_port: int) -> None:
    """Nobody has heard it yet, and nobody does."""
    url, once = f"http://127.0.0.1:{unused_tcp_port}", RetryPolicy(attempts=1)
    with pytest.raises(ProviderError) as caught:
        await Client(Endpoint(url, api_key=SecretStr(KEYS[0]), retry=once)).get("/", dict)

    assert leaks(KEYS[0], *told(caught.value)) == []
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


class Hosted(GenericFakeChatModel):
    """A LangChain model with a key, whose server quotes it."""

    api_key: SecretStr
    error: Any = None

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("has_request", [True, False])
async def test_a_langchain_models_key_is_left_out_too(has_request: bool) -> None:
    """Its integration's errors carry the request; only those that do not stay behind ours."""

    class APIError(Exception):
        status_code = 401

    class Request:
        headers = {"Authorization": KEYS[0]}  # noqa: RUF012

    error = APIError("refused" if not has_request else f"refused {KEYS[0]}")
    if has_request:
        error.request = Request()  # type: ignore[attr-defined]
    model = Hosted(messages=iter([AIMessage("x")]), api_key=SecretStr(KEYS[0]), error=error)
    request = StepRequest(Prefix([Message(role="user", content="q")]), 8)
    with pytest.raises(AuthenticationError, match="refused") as caught:
        await ChatStepModel(model).write_step(request)

    assert leaks(KEYS[0], *told(caught.value)) == []
    assert (caught.value.__cause__ is error) == (not has_request)


PASSWORDS = [
    *("p@XYZ", "p/XYZ", "p#XYZ", "p?XYZ", "p@/#?XYZ", "1/p@XYZ", ":p/XYZ", "p:XYZ"),
    *("12#XYZ", "12?XYZ"),
]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("user", ["", "user"])
def test_a_password_that_is_not_escaped_is_shown_nowhere(user: str, password: str) -> None:
    """It is understood, or refused; nothing of it is in a message or a `repr`."""
    url = f"http://{user}:{password}@host:1/v1"
    try:
        shown = repr(Endpoint(url, "m"))
    except ConfigurationError as error:
        shown = f"{error}{error!r}{vars(error)}"
    with pytest.raises(ConfigurationError) as caught:
        ChatRSD(draft=f"vllm+{url}#m", target="embedded:target", prm="embedded:prm")

    assert "XYZ" not in f"{shown}{caught.value}{caught.value!r}{vars(caught.value)}"
    assert "host:1/v1#m" in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        *("http://host", "http://host:8000/v1", "vllm+http://h-1.example:8000/v1?timeout=3#org/m"),
        *("http://[::1]:8000/v1", "http://host:8000#model@q4", "http://host/v1?template=a@b#m"),
        *("embedded:/models/a@b.gguf", "embedded:draft", ""),
        *("http://host:80#@cf/meta/m", "http://host:8000?template=a@b#m"),
    ],
)
def test_an_address_without_a_password_is_shown_as_it_is(address: str) -> None:
    """An "@" in a model's name or an option is no password: names in caches must stay apart."""
    assert without_credentials(address) == address


def test_pydantic_does_not_show_what_it_was_given() -> None:
    """A wrong field beside a key, or a key in the wrong field."""
    with pytest.raises(ConfigurationError) as caught:
        ChatRSD(api_key=KEYS[0], seed=KEYS[0], unheard_of=1)

    assert leaks(KEYS[0], str(caught.value), repr(caught.value)) == []


def test_a_pickle_holds_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is unpickled, the key is the environment's: the role's own, or the one for all."""
    endpoint = Endpoint("http://host/v1", "m", "prm", api_key=SecretStr(KEYS[0]))
    model = ChatRSD(api_key=SecretStr(KEYS[0]))
    pickles = [pickle.dumps(endpoint), pickle.dumps(model)]
    monkeypatch.setenv("RSD_API_KEY", "for all")
    monkeypatch.setenv("RSD_PRM_API_KEY", "elsewhere")

    assert leaks(KEYS[0], *(pickled.decode("latin-1") for pickled in pickles)) == []
    assert pickle.loads(pickles[0]).api_key.get_secret_value() == "elsewhere"
    assert model.api_key is not None
    assert model.api_key.get_secret_value() == KEYS[0]


def test_a_copy_keeps_the_key() -> None:
    """It does not leave the process."""
    endpoint = Endpoint("http://host", api_key=SecretStr(KEYS[0]))
    model = ChatRSD(api_key=SecretStr(KEYS[0]))

    for copied in (copy.copy(endpoint), copy.deepcopy(endpoint), model.model_copy(deep=True)):
        assert copied.api_key.get_secret_value() == KEYS[0]  # type: ignore[union-attr]


def test_an_endpoint_without_a_key_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the environment is not sent to a server that was given none."""
    monkeypatch.setenv("RSD_API_KEY", "for another")

    assert pickle.loads(pickle.dumps(Endpoint("http://host"))).api_key is None


async def test_a_key_that_stayed_behind_is_missed_by_name() -> None:
    """Nothing is sent without it."""
    async with FakeEndpoint({"/route": {}}) as server:
        endpoint = Endpoint(server.url, role="draft", api_key=SecretStr(KEYS[0]))
        with pytest.raises(AuthenticationError, match=r"empty.*never pickled.*RSD_DRAFT_API_KEY"):
            await Client(pickle.loads(pickle.dumps(endpoint))).get("/route", dict)

    assert server.requests == []


async def test_a_chat_model_without_its_key_says_so_too() -> None:
    """Through the endpoint strings its fields name."""
    async with FakeEndpoint() as server:
        spec = f"vllm+{server.url}"
        model = ChatRSD(draft=spec, target=spec, prm=spec, api_key=SecretStr(KEYS[0]))
        with pytest.raises(AuthenticationError, match="never pickled"):
            await pickle.loads(pickle.dumps(model)).ainvoke("q")

    assert server.requests == []


@pytest.mark.parametrize("key", ["schlüssel", "“quoted”", "two words", "line\nbreak", "\ud800"])
def test_a_key_no_header_can_carry_is_refused(key: str) -> None:
    """Before anything is sent, without showing it."""
    with pytest.raises(ConfigurationError, match="no HTTP header can carry") as caught:
        Endpoint("http://host", role="prm", api_key=SecretStr(key))

    assert leaks(key, *told(caught.value)) == []
