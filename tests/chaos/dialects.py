"""The world behind every server's routes. A path says who is asked: /<dialect>/<role>/<route>."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from tests.chaos.world import SEPARATOR, Written, read, worth, written

Body = dict[str, Any]
Reply = tuple[Any, dict[str, str]]
"""JSON, and headers."""


class Dialects:
    """Answers as each server would, without faults."""

    def __init__(self) -> None:
        self._vocabulary: dict[str, int] = {}
        self._pieces: list[str] = []
        self._routes: dict[str, Callable[[str, str, Body], Reply]] = {
            "/tokenize": self._tokenize,
            "/detokenize": self._detokenize,
            "/chat_tokenize": self._chat_tokenize,
            "/apply-template": lambda *asked: ({"prompt": _templated(asked[2])}, {}),
            "/v1/completions": self._completions,
            "/v1/chat/completions": self._chat,
            "/completion": self._llamacpp,
            "/generate": self._tgi,
            "/api/chat": self._ollama_template,
            "/api/generate": self._ollama,
            "/pooling": self._pooling,
            "/v1/embeddings": self._embeddings,
            "/classify": self._classify,
            "/predict": self._predict,
        }

    def answer(self, path: str, body: Body) -> Reply:
        """What stands at *path*.

        Raises:
            WrongPrefixError: The prompt is none of this world.
            KeyError: There is no such route.
        """
        _, dialect, role, route = path.split("/", 3)
        return self._routes[f"/{route}"](dialect, role, body)

    def ids(self, text: str) -> list[int]:
        """Tokens: runs of white space, and what stands between them."""
        pieces = re.findall(r"\s+|\S+", text)
        for piece in pieces:
            if piece not in self._vocabulary:
                self._vocabulary[piece] = len(self._pieces)
                self._pieces.append(piece)
        return [self._vocabulary[piece] for piece in pieces]

    def _tokenize(self, dialect: str, role: str, body: Body) -> Reply:
        text = next((body[k] for k in ("prompt", "content", "inputs") if k in body), None)
        ids = self.ids(_templated(body) if text is None else text)
        if dialect == "tgi":
            return [{"id": number, "text": ""} for number in ids], {}
        if dialect == "llamacpp":
            return {"tokens": [{"id": n, "piece": self._pieces[n]} for n in ids]}, {}
        return {"tokens": ids}, {}

    def _detokenize(self, dialect: str, role: str, body: Body) -> Reply:
        text = "".join(self._pieces[number] for number in body["tokens"])
        return {"prompt" if dialect == "vllm" else "text": text}, {}

    def _chat_tokenize(self, dialect: str, role: str, body: Body) -> Reply:
        text = _templated(body)
        tokens = [{"id": number, "text": ""} for number in self.ids(text)]
        return {"templated_text": text, "tokenize_response": tokens}, {}

    def _completions(self, dialect: str, role: str, body: Body) -> Reply:
        choice: Body
        if role == "prm":
            token, top = _verdict(body["prompt"])
            report = {"tokens": [token], "token_logprobs": [top[token]], "top_logprobs": [top]}
            choice = {"text": token, "finish_reason": "length", "logprobs": report}
            return _with_usage({"choices": [choice]}, body["prompt"], 1), {}
        step, is_probe = _next(role, body["prompt"], body.get("stop"))
        matched = SEPARATOR if step.ended == "separator" and not is_probe else None
        choice = {"text": step.text, "finish_reason": "stop"}
        if is_probe:
            choice = {"text": "" if step.ended == "eos" else SEPARATOR, "finish_reason": "length"}
            choice["finish_reason"] = "stop" if step.ended == "eos" else "length"
        elif dialect == "vllm":
            choice["stop_reason"] = matched
        elif dialect == "sglang":
            choice["matched_stop"] = matched or 2
        else:
            choice["text"] += matched or ""
        return _with_usage({"choices": [choice]}, body["prompt"], len(step.text.split())), {}

    def _chat(self, dialect: str, role: str, body: Body) -> Reply:
        prompt = body["messages"][-1]["content"]
        step, _ = _next(role, prompt, "stop")
        text = step.text + ("<END>" if step.ended == "eos" else "")
        choice = {"message": {"content": text}, "finish_reason": "stop"}
        return _with_usage({"choices": [choice]}, prompt, len(step.text.split())), {}

    def _llamacpp(self, dialect: str, role: str, body: Body) -> Reply:
        prompt = body["prompt"]
        counts = {"tokens_evaluated": len(prompt.split()), "timings": {"cache_n": 1}}
        if role == "prm":
            token, top = _verdict(prompt)
            rivals = [{"id": n, "token": t, "logprob": p} for n, (t, p) in enumerate(top.items())]
            row = {**rivals[0], "bytes": list(token.encode()), "top_logprobs": rivals}
            said = {"completion_probabilities": [row], "tokens": [0], "tokens_predicted": 1}
            return {
                "content": token,
                "stop_type": "limit",
                "truncated": False,
                **said,
                **counts,
            }, {}
        step, _ = _next(role, prompt, body["stop"])
        kind = "word" if step.ended == "separator" else "eos"
        counts["tokens_predicted"] = len(step.text.split())
        return {"content": step.text, "stop_type": kind, "truncated": False, **counts}, {}

    def _tgi(self, dialect: str, role: str, body: Body) -> Reply:
        prompt = body["inputs"]
        if role == "prm":
            token, top = _verdict(prompt)
            rivals = [{"text": text, "logprob": p, "special": False} for text, p in top.items()]
            details = {"finish_reason": "length", "generated_tokens": 1, "tokens": rivals[:1]}
            details["top_tokens"] = [rivals]
            text = token
        else:
            step, _ = _next(role, prompt, body["parameters"]["stop"])
            is_over = step.ended == "eos"
            reason = "eos_token" if is_over else "stop_sequence"
            text = step.text + ("" if is_over else SEPARATOR)
            count = len(step.text.split())
            details = {"finish_reason": reason, "generated_tokens": count, "tokens": []}
        headers = {"x-prompt-tokens": str(len(prompt.split()))}
        return {"generated_text": text, "details": details}, headers

    def _ollama_template(self, dialect: str, role: str, body: Body) -> Reply:
        return {"_debug_info": {"rendered_template": _templated(body)}}, {}

    def _ollama(self, dialect: str, role: str, body: Body) -> Reply:
        step, is_probe = _next(role, body["prompt"], body["options"]["stop"])
        text, reason = step.text, "stop"
        if is_probe:
            text, reason = ("", "stop") if step.ended == "eos" else (SEPARATOR, "length")
        counts = {"prompt_eval_count": len(body["prompt"].split()), "eval_count": len(text.split())}
        return {"response": text, "done": True, "done_reason": reason, **counts}, {}

    def _pooling(self, dialect: str, role: str, body: Body) -> Reply:
        """Of a prompt's steps all, or the last; of token ids a row for each."""
        sent = body["input"]
        prompts = sent if isinstance(sent, list) and not isinstance(sent[0], int) else [sent]
        is_logit = not body["use_activation"]
        data = [
            {"index": index, "data": self._rows(prompt, dialect, is_logit)}
            for index, prompt in enumerate(prompts)
        ]
        return _with_usage({"data": data}, "x" * len(prompts), 0), {}

    def _rows(self, prompt: str | list[int], dialect: str, is_logit: bool) -> list[Any]:
        single = dialect.startswith("skywork")
        if isinstance(prompt, str):
            rows = [_row(name, single, is_logit) for name in read(prompt)[1]]
        else:
            text = [self._pieces[number] for number in prompt]
            read("".join(text))
            rows = [_row("", single, is_logit)]
            for piece in text:
                is_name = re.fullmatch("[dt][0-9a-f]{10}", piece)
                rows.append(_row(piece, single, is_logit) if is_name else rows[-1])
            rows = rows[1:]
        return rows[-1] if dialect.endswith("-last") else rows

    def _embeddings(self, dialect: str, role: str, body: Body) -> Reply:
        rows = self._rows(body["input"], "skywork", True)
        return _with_usage({"data": [{"index": 0, "embedding": rows}]}, "x", 0), {}

    def _classify(self, dialect: str, role: str, body: Body) -> Reply:
        text = "\n".join(message["content"] for message in body["messages"])
        return _with_usage({"data": [{"probs": [worth(read(text)[1][-1])]}]}, text, 0), {}

    def _predict(self, dialect: str, role: str, body: Body) -> Reply:
        text = "\n".join(body["inputs"])
        return [{"score": worth(read(text)[1][-1])}], {"x-compute-tokens": str(len(text.split()))}


def _templated(body: Body) -> str:
    return "[INST] " + " ".join(message["content"] for message in body["messages"]) + " [/INST] "


def _next(role: str, prompt: str, stop: Any) -> tuple[Written, bool]:
    """The next step; or, without a stop string, the last one, asked how it ended."""
    asked, names = read(prompt)
    if stop:
        return written(role, asked, names), False
    return written(role, asked, names[:-1]), True


def _verdict(prompt: str) -> tuple[str, dict[str, float]]:
    good = worth(read(prompt)[1][-1])
    words = ("<+>", "<->") if "<check>" in prompt else ("+", "-")
    top = {words[0]: math.log(good), words[1]: math.log(1 - good)}
    return words[0], top


def _row(name: str, single: bool, is_logit: bool) -> list[float]:
    good = worth(name) if name else 0.5
    logit = math.log(good / (1 - good))
    if single:
        return [logit]
    return [0.0, logit] if is_logit else [1 - good, good]


def _with_usage(answer: Body, prompt: str, written_tokens: int) -> Body:
    count = len(prompt.split())
    return {**answer, "usage": {"prompt_tokens": count, "completion_tokens": written_tokens}}
