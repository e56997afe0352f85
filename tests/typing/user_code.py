"""What a user writes, for type checkers: never run. `tests/wheel/check.py` checks it as installed,
by mypy (strict, without pydantic's plug-in) and by pyright.
"""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from pydantic import SecretStr

from rsd_graph import (
    Candidate,
    ChatRSD,
    Limits,
    Prefix,
    Price,
    Prices,
    Sampling,
    Scores,
    StepRequest,
    candidate,
    create_rsd_graph,
    logistic,
)
from rsd_graph.answer.ledger import usage


class MyModel:
    async def write_step(self, request: StepRequest) -> Candidate:
        return candidate("So 7.", "eos")


class MyPRM:
    reward_range = (0.0, 1.0)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        return Scores([0.5] * len(candidates), usage(calls=1))


usual = ChatRSD()
served = ChatRSD(
    target="vllm+http://gpu2:8000/v1#large",
    draft="vllm+http://gpu1:8000/v1#small",
    prm="qwen-prm+vllm+http://gpu3:8000/v1#prm",
    delta=0.7,
)
own = ChatRSD(draft=MyModel(), target=MyModel(), prm=MyPRM(), accept=logistic(10))
sampled = ChatRSD(
    temperature=0.7,
    top_p=0.9,
    max_tokens=100,
    seed=1,
    stop=["Answer:"],
    lookahead="auto",
    hedge=0.5,
    on_prm_error="target",
    api_key=SecretStr("key"),
    prices=Prices(draft=Price(1, 2), target=Price(3, 4), prm=Price(5, 6)),
)
by_name = ChatRSD(accept="logistic(alpha=10, delta=0.7)")
by_function = ChatRSD(accept=lambda reward: reward > 0.5)
calibrated = ChatRSD(delta="calibrated.json")
in_a_file = ChatRSD.from_config("rsd.toml", stack="math", max_tokens=9)

misspelt = ChatRSD(dleta=0.7)  # type: ignore[call-arg]

any_chat_model: BaseChatModel = served
message: AIMessage = served.invoke("What is 3 + 4?")
told: float | str = served.delta

graph = create_rsd_graph(
    draft=MyModel(),
    target=MyModel(),
    prm=MyPRM(),
    sampling=Sampling(temperature=0.5),
    limits=Limits(max_steps=9),
).compile()
