"""`rsd-graph serve` behind Ray Serve: its app, in as many processes as Ray is told.

    pip install 'rsd-graph[embedded,serve]' 'ray[serve]'
    RSD_CONFIG=rsd.toml serve run ray_serve:rsd      (from this folder)
    python examples/ray_serve.py                     (the shipped models, one question)

An answer is one request, so any replica may have it: what stays together are its steps, and those
each replica sends to the models' servers itself. Keys are the environment's, in each replica.
"""

from __future__ import annotations

import os

import openai
from ray import serve
from starlette.applications import Starlette

from rsd_graph.embedded.task import held_out_problems
from rsd_graph.server import Catalog, create_app


def app() -> Starlette:
    """The server of one replica, made where it runs."""
    return create_app(Catalog.from_config(os.environ.get("RSD_CONFIG")))


rsd = serve.deployment(num_replicas=2, max_ongoing_requests=128)(serve.ingress(app)()).bind()


def main() -> None:
    """One story, by OpenAI's client."""
    serve.run(rsd)
    story = held_out_problems(1)[0].question
    with openai.OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none") as client:
        found = client.chat.completions.create(
            model="rsd-shipped", messages=[{"role": "user", "content": story}]
        )
    print(found.choices[0].message.content)
    serve.shutdown()


if __name__ == "__main__":
    main()
