"""Check the exported models in the engines that will serve them.

Runs llama.cpp (the ``xllamacpp`` wheel) on the GGUF files and transformers on the folders, and
compares rendered template, greedy text, the reason generation stopped, and the verifier's rewards.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import xllamacpp
from transformers import AutoModelForCausalLM, AutoTokenizer

from rsd_graph.embedded.task import Problem, held_out_problems
from training.chat import BAD, GOOD, SEPARATOR, render_check, render_question
from training.checks import synthetic_check
from training.export import CONTEXT, MODELS
from training.reward import MAX_CHECK_TOKENS

TOP_TOKENS = 5
LONGEST_SOLUTION = 130
FLOOR = -100.0  # log-probability of a verdict too unlikely to be listed


class LlamaCpp:
    """A llama.cpp server in this process, and the few calls we make to it."""

    def __init__(self, gguf: Path) -> None:
        params = xllamacpp.CommonParams()
        params.model.path = str(gguf)
        params.hostnames, params.port = ["127.0.0.1"], 0
        params.n_ctx, params.n_parallel, params.n_gpu_layers = CONTEXT, 1, 0
        params.offline, params.ui, params.warmup = True, False, False
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
        self.server = xllamacpp.Server(params)

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """Send one JSON request."""
        request = urllib.request.Request(
            f"{self.server.listening_address}{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

    def complete(self, prompt: str, limit: int, **more: Any) -> dict[str, Any]:
        """Continue *prompt* greedily."""
        return self.post("/completion", prompt=prompt, n_predict=limit, temperature=0, **more)


class Transformers:
    """The same model in transformers, in fp32."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    def render(self, question: str) -> str:
        """Apply the chat template."""
        messages = [{"role": "user", "content": question}]
        return str(
            self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        )

    def complete(self, prompt: str, limit: int) -> tuple[str, list[dict[str, float]]]:
        """Continue *prompt* greedily; return the text and the verdicts' log-probabilities."""
        inputs = self.tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
        output = self.model.generate(
            **inputs, max_new_tokens=limit, output_logits=True, return_dict_in_generate=True
        )
        new = output.sequences[0, inputs["input_ids"].size(1) :]
        ids = {text: self.tokenizer.convert_tokens_to_ids(text) for text in (GOOD, BAD)}
        steps = [
            {text: float(logits[0].log_softmax(-1)[number]) for text, number in ids.items()}
            for token, logits in zip(new, output.logits, strict=True)
            if int(token) in ids.values()
        ]
        return self.tokenizer.decode(new, skip_special_tokens=True), steps


def reward_from(logprobs: Mapping[str, float]) -> float:
    """Turn the two verdicts' log-probabilities into a reward."""
    good, bad = logprobs.get(GOOD, FLOOR), logprobs.get(BAD, FLOOR)
    return 1 / (1 + math.exp(bad - good))


def llama_reward(answer: Mapping[str, Any]) -> float:
    """Read the reward off a ``/completion`` answer with ``n_probs``."""
    for token in answer["completion_probabilities"]:
        if token["token"] in (GOOD, BAD):
            return reward_from({top["token"]: top["logprob"] for top in token["top_logprobs"]})
    return 0.0


def check_writer(models: Path, role: str, problems: Sequence[Problem]) -> None:
    """Count equal greedy texts, and stop reasons at a separator and at the end."""
    llama, reference = LlamaCpp(models / f"{role}.gguf"), Transformers(models / role)
    same = word = eos = 0
    for problem in problems:
        messages = [{"role": "user", "content": problem.question}]
        prompt = llama.post("/apply-template", messages=messages)["prompt"]
        assert prompt == reference.render(problem.question) == render_question(problem.question)
        whole = llama.complete(prompt, LONGEST_SOLUTION)
        same += whole["content"] == reference.complete(prompt, LONGEST_SOLUTION)[0]
        eos += whole["stop_type"] == "eos"
        word += llama.complete(prompt, LONGEST_SOLUTION, stop=[SEPARATOR])["stop_type"] == "word"
    print(f"{role}: {len(problems)} problems, {same} equal texts, {word} word, {eos} eos stops")


def check_verifier(models: Path, problems: Sequence[Problem]) -> None:
    """Compare texts and rewards of random checks, and show one request with its answer."""
    llama, reference = LlamaCpp(models / "prm.gguf"), Transformers(models / "prm")
    rng, same, gap = random.Random(0), 0, 0.0
    for problem in problems:
        check = synthetic_check(problem, rng.randrange(len(problem.steps)), rng)
        prompt = render_check(check.question, check.settled, check.candidate)
        answer = llama.complete(prompt, MAX_CHECK_TOKENS, n_probs=TOP_TOKENS)
        text, verdicts = reference.complete(prompt, MAX_CHECK_TOKENS)
        same += answer["content"] == text
        gap = max(gap, abs(llama_reward(answer) - (reward_from(verdicts[0]) if verdicts else 0.0)))
    print(f"prm: {len(problems)} checks, {same} equal texts, largest reward gap {gap:.1e}")
    print(json.dumps({"prompt": prompt, "answer": answer}, indent=1))


def main() -> None:
    """Check all three roles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--problems", type=int, default=60)
    args = parser.parse_args()
    torch.set_num_threads(1)
    problems = held_out_problems(args.problems)
    for role in ("draft", "target"):
        check_writer(args.models, role, problems)
    check_verifier(args.models, problems)


if __name__ == "__main__":
    main()
