"""Answer a table of questions with Spark, by `mapInPandas`.

    pip install 'rsd-graph[embedded]' pyspark pandas pyarrow
    python examples/spark_answers.py

Each partition is answered by a process of its own, which has one event loop and one `ChatRSD`. A
batch of Arrow's is answered at once, so its size is how many answers a partition has in flight.
Spark runs a lost partition again from its start, and keeps its rows once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pandas
from pyspark.sql import SparkSession

from rsd_graph.embedded.task import held_out_problems
from rsd_graph.lab.batch.ray_data import AnswerRows
from rsd_graph.lab.batch.row import NESTED, NUMBER, TEXTS

OPTIONS: dict[str, str] = {}  # yours: {"draft": "vllm+http://...", "target": ..., "prm": ...}
SCHEMA = ", ".join([f"{name} string" for name in (*TEXTS, *NESTED)] + [f"{NUMBER} double"])


def answered(frames: Iterator[pandas.DataFrame]) -> Iterator[pandas.DataFrame]:
    """The answers to one partition's questions."""
    answer = AnswerRows(OPTIONS)
    with asyncio.Runner() as runner:
        for frame in frames:
            yield pandas.DataFrame(runner.run(answer(dict(frame.items()))))


def main() -> None:
    """Eight stories in two partitions."""
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", 64)
        .getOrCreate()
    )
    rows = [(f"story {n}", problem.question) for n, problem in enumerate(held_out_problems(8))]
    questions = spark.createDataFrame(rows, "id string, question string").repartition(2)
    answers = questions.mapInPandas(answered, SCHEMA)
    for row in sorted(answers.select("question", "answer").collect()):
        print(f"{row['question']}: {row['answer']}")
    spark.stop()


if __name__ == "__main__":
    main()
