"""The command line: one file for each command; what they share is in `terminal`.

Starting up is cheap: a command imports the library only once it runs.
"""

import gc
import logging

from rsd_graph.cli.batch import batch
from rsd_graph.cli.bench import bench
from rsd_graph.cli.calibrate import calibrate
from rsd_graph.cli.demo import demo
from rsd_graph.cli.doctor import doctor
from rsd_graph.cli.eval import evaluate
from rsd_graph.cli.graph import graph
from rsd_graph.cli.merge import merge
from rsd_graph.cli.plan import plan
from rsd_graph.cli.serve import serve
from rsd_graph.cli.solve import solve
from rsd_graph.cli.split_prm import split_prm
from rsd_graph.cli.terminal.program import app
from rsd_graph.cli.terminal.streams import usable_streams
from rsd_graph.cli.terminal.waiting import Waiting
from rsd_graph.cli.up import up
from rsd_graph.cli.view import view
from rsd_graph.runtime.garbage import OBJECTS_BETWEEN_COLLECTIONS

__all__ = ["app", "main"]

for command in (
    solve,
    batch,
    merge,
    serve,
    up,
    graph,
    demo,
    doctor,
    calibrate,
    plan,
    bench,
    split_prm,
    view,
):
    app.command()(command)
app.command("eval")(evaluate)


def main() -> None:
    """The `rsd-graph` program."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    logging.getLogger("rsd_graph").addHandler(Waiting())
    with usable_streams():
        app()
