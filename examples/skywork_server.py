"""Skywork-o1-Open-PRM over HTTP, for whoever has no vLLM 0.6.4: current vLLM cannot serve it.

    pip install torch transformers aiohttp safetensors
    python examples/skywork_server.py Skywork/Skywork-o1-Open-PRM-Qwen-2.5-7B --port 8081

Then name it `prm="skywork+vllm+http://127.0.0.1:8081"`. It answers the two of vLLM's routes that
family asks: `/tokenize`, and `/pooling` with one raw number per token (no sigmoid). The backbone is
a stock Qwen2; the value head is one linear layer, `v_head.summary`, so no code of the checkpoint is
executed. Requests that arrive together are run together.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

Rows = list[list[float]]
Score = Callable[[Sequence[Sequence[int]]], list[Rows]]
"""Prompts as token ids -> for each, one row of one number per token."""

MAX_BATCH = 8


class Batcher:
    """Runs *score* in one worker thread, on up to `MAX_BATCH` waiting prompts at a time."""

    def __init__(self, score: Score) -> None:
        self._score = score
        self._waiting: list[tuple[Sequence[int], asyncio.Future[Rows]]] = []
        self._running = False

    async def rows(self, ids: Sequence[int]) -> Rows:
        """The rows of one prompt."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((ids, future))
        if not self._running:
            self._running = True
            self._task = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            wanted = [(ids, future) for ids, future in batch if not future.done()]
            try:
                results = await asyncio.to_thread(self._score, [ids for ids, _ in wanted])
                for (_, future), rows in zip(wanted, results, strict=True):
                    if not future.done():
                        future.set_result(rows)
            except Exception as error:
                for _, future in wanted:
                    if not future.done():
                        future.set_exception(error)
        self._running = False


def build_app(
    tokenize: Callable[[str], list[int]], score: Score, max_tokens: int, model: str = ""
) -> web.Application:
    """The HTTP side: everything but the model."""
    batcher = Batcher(score)

    async def on_tokenize(request: web.Request) -> web.Response:
        ids = tokenize((await request.json())["prompt"])
        return web.json_response({"tokens": ids, "count": len(ids), "max_model_len": max_tokens})

    async def on_pooling(request: web.Request) -> web.Response:
        ids = (await request.json())["input"]
        if not ids or not all(isinstance(token, int) for token in ids):
            return _refuse("input must be a list of token ids")
        if len(ids) > max_tokens:
            said = f"This model's maximum context length is {max_tokens} tokens, got {len(ids)}."
            return _refuse(said)
        rows = await batcher.rows(ids)
        usage = {"prompt_tokens": len(ids), "total_tokens": len(ids)}
        item = {"index": 0, "object": "pooling", "data": rows}
        return web.json_response({"object": "list", "data": [item], "usage": usage, "model": model})

    async def on_health(request: web.Request) -> web.Response:
        return web.json_response({})

    async def on_models(request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": model, "max_model_len": max_tokens}]})

    app = web.Application(client_max_size=2**24)
    app.add_routes(
        [
            web.post("/tokenize", on_tokenize),
            web.post("/pooling", on_pooling),
            web.get("/health", on_health),
            web.get("/v1/models", on_models),
        ]
    )
    return app


def _refuse(message: str) -> web.Response:
    error = {"message": message, "type": "BadRequestError", "code": 400}
    return web.json_response({"error": error}, status=400)


def load(path: str, device: str) -> tuple[Callable[[str], list[int]], Score, int]:
    """The tokenizer, the scoring function and the context of the checkpoint at *path*."""
    import torch
    from huggingface_hub import snapshot_download
    from safetensors.torch import load_file
    from transformers import AutoTokenizer, Qwen2Model

    folder = path if Path(path).is_dir() else snapshot_download(path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    backbone = Qwen2Model.from_pretrained(folder, dtype="auto").to(device).eval()
    tensors = {
        name: tensor
        for file in sorted(Path(folder).glob("*.safetensors"))
        for name, tensor in load_file(file).items()
        if name.startswith("v_head.")
    }
    weight = tensors["v_head.summary.weight"].to(device, torch.float32)
    bias = tensors["v_head.summary.bias"].to(device, torch.float32)

    @torch.inference_mode()
    def score(prompts: Sequence[Sequence[int]]) -> list[Rows]:
        longest = max(map(len, prompts))
        # Padding stands on the right and attention is causal: it cannot change what is before it.
        padded = [[*ids, *([0] * (longest - len(ids)))] for ids in prompts]
        hidden = backbone(torch.tensor(padded, device=device)).last_hidden_state
        values = (hidden.float() @ weight.T + bias).tolist()
        return [rows[: len(ids)] for rows, ids in zip(values, prompts, strict=True)]

    def tokenize(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False))

    return tokenize, score, int(backbone.config.max_position_embeddings)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", help="folder or Hugging Face name of the checkpoint")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--device", default="cuda")
    chosen = parser.parse_args(arguments)
    tokenize, score, max_tokens = load(chosen.model, chosen.device)
    app: Any = build_app(tokenize, score, max_tokens, chosen.model)
    web.run_app(app, host=chosen.host, port=chosen.port)


if __name__ == "__main__":
    main()
