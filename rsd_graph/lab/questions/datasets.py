"""Load the questions of an evaluation from a file, a folder, the hub, or this package itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from rsd_graph.embedded.task import held_out_problems
from rsd_graph.errors import CapabilityError, InputError
from rsd_graph.lab.question import Exclusion, Question, QuestionList
from rsd_graph.lab.questions import candies
from rsd_graph.lab.questions.files import SUFFIXES, Located, numbered, parquet_rows, rows_of
from rsd_graph.lab.questions.rows import PROMPT, Read, Row, read_row
from rsd_graph.plugins import nearest
from rsd_graph.stacks.text_file import lines_of


@dataclass(frozen=True)
class HubSource:
    """Where a dataset lives on the hub: repository, configuration, and its split by our name."""

    path: str
    config: str | None = None
    splits: Mapping[str, str] = field(default_factory=dict)
    data_files: str | None = None


_ONLY_TRAIN = {"test": "train"}  # these publish their test questions as the split "train"

HUB = {
    "gsm8k": HubSource("openai/gsm8k", "main"),
    "math500": HubSource("HuggingFaceH4/MATH-500"),
    "olympiadbench": HubSource("Hothan/OlympiadBench", "OE_TO_maths_en_COMP", _ONLY_TRAIN),
    "gpqa": HubSource("Idavidrein/gpqa", "gpqa_diamond", _ONLY_TRAIN),
    "mmlu_stem": HubSource("TIGER-Lab/MMLU-STEM"),
    "gaokao2023en": HubSource("MARIO-Math-Reasoning/Gaokao2023-Math-En", None, _ONLY_TRAIN),
    "aime24": HubSource("HuggingFaceH4/aime_2024", None, _ONLY_TRAIN),
    "amc23": HubSource("math-ai/amc23"),
    # Its repository holds a loading script, which `datasets` no longer runs: read the file itself.
    "alpaca_eval": HubSource(
        "json", None, _ONLY_TRAIN, "hf://datasets/tatsu-lab/alpaca_eval/alpaca_eval.json"
    ),
}


def load_dataset(
    name_or_path: str | Path,
    *,
    split: str = "test",
    limit: int | None = None,
    read: Read = read_row,
) -> QuestionList:
    """Load questions, in the order of their source.

    Args:
        name_or_path: `"candies"` (our synthetic set), a file (see `rsd_graph.lab.questions.files`),
            a folder with `<split>.jsonl` or in the hub's layout, a name of `HUB`, or any
            hub repository as `"owner/name"` or `"owner/name:config"`.
        split: Which part of it.
        limit: Keep the first so many gradable questions (candies: draw so many, default 300).
        read: How a row is read: with its gold (`read_row`), or as an open-ended question for an
            outcome reward model (`read_prompt`).

    Returns:
        The questions; `.excluded` lists rows without a usable gold and why they were left out.

    Raises:
        InputError: No such dataset, no question in it, an unreadable row, or an id that occurs
            twice.
        ConfigurationError: The file cannot be read, or is not UTF-8.
        CapabilityError: A library is needed and the extra `datasets` is not installed.
    """
    if str(name_or_path) == candies.NAME:
        count = candies.COUNT if limit is None else limit
        return QuestionList(candies.as_questions(held_out_problems(count)))
    source, rows = rows_at(name_or_path, split)
    return _collect(rows, source, limit, read)


def rows_at(name_or_path: str | Path, split: str = "test") -> tuple[str, Iterable[Located]]:
    """The name of a source, and its rows, read as they are asked for; see `load_dataset`.

    Raises:
        InputError: No such dataset; while reading, a row that cannot be read.
        ConfigurationError: While reading, a file that cannot be read, or is not UTF-8.
        CapabilityError: A library is needed that is not installed.
    """
    path, name = Path(name_or_path), str(name_or_path)
    if name == candies.NAME:
        problems = held_out_problems(candies.COUNT)
        return name, numbered(({PROMPT: problem.question} for problem in problems), name)
    if path.exists():
        return _source_name(path, split), _local_rows(path, split)
    return _hub_name(name), numbered(_hub_rows(name, split), name)


def load_datasets(
    names: Sequence[str], *, limit: int | None = None, read: Read = read_row
) -> QuestionList:
    """Several datasets as one list of questions; see `load_dataset`. *limit* is for each."""
    loaded = [load_dataset(name, limit=limit, read=read) for name in names]
    return QuestionList(chain(*loaded), chain(*(part.excluded for part in loaded)))


def questions_in(
    text: str, name: str, *, limit: int | None = None, read: Read = read_row
) -> QuestionList:
    """Questions from a *text* that is in no file, such as standard input; see `load_dataset`."""
    return _collect(rows_of(text.removesuffix("\n").split("\n"), name), name, limit, read)


def _collect(rows: Iterable[Located], source: str, limit: int | None, read: Read) -> QuestionList:
    items = [
        read(row, source=source, index=index, where=where)
        for index, (where, row) in enumerate(rows)
    ]
    identity, times = Counter(item.id for item in items).most_common(1)[0] if items else ("", 0)
    if times > 1:
        raise InputError(
            f"The id {identity!r} occurs {times} times.",
            expected="one row per id, because results are joined by it",
            hint="Remove the repeated rows or their id field.",
        )
    questions = (item for item in items if isinstance(item, Question))
    excluded = [item for item in items if isinstance(item, Exclusion)]
    found = QuestionList(islice(questions, limit), excluded)
    if not found:
        why = f"; of the first row, {excluded[0].reason}" if excluded else ""
        raise InputError(f"There is no question in {source}{why}.", expected="at least one")
    return found


def _local_rows(path: Path, split: str) -> Iterable[Located]:
    if path.is_dir():
        found = [
            file for file in (path / f"{split}.jsonl", path / f"{split}.json") if file.exists()
        ]
        if found:
            return _local_rows(found[0], split)
        return numbered(_through_library(str(path), split=split), str(path))
    if path.suffix.lower() == ".parquet":
        return numbered(parquet_rows(path), str(path))
    return rows_of(lines_of(path), str(path))


def _source_name(path: Path, split: str) -> str:
    """`gsm8k` for `gsm8k.jsonl`, `gsm8k/test.jsonl` and the folder `gsm8k` alike."""
    named_by_folder = path.is_file() and path.stem == split and path.parent.name
    return (path.resolve().parent.name if named_by_folder else path.stem).lower()


def _hub_name(name: str) -> str:
    return name if name in HUB else name.partition(":")[0].rpartition("/")[2].lower()


def _hub_rows(name: str, split: str) -> Iterable[Row]:
    if name not in HUB and (name.count("/") != 1 or Path(name).suffix.lower() in SUFFIXES):
        near = nearest(name, _there_is(Path(name).parent))
        raise InputError(
            f"There is no dataset, file or folder named {name!r}.",
            expected=f"{candies.NAME}, {', '.join(HUB)}, a path, or owner/name on the hub",
            hint=f"Did you mean {near!r}?" if near else None,
        )
    path, _, config = name.partition(":")
    source = HUB.get(name) or HubSource(path, config or None)
    files = {"data_files": source.data_files} if source.data_files else {}
    split = source.splits.get(split, split)
    return _through_library(source.path, name=source.config, split=split, **files)


def _there_is(folder: Path) -> list[str]:
    """What can be named: the datasets, and the files beside one that is not there."""
    beside = folder.iterdir() if folder.is_dir() else ()
    return [candies.NAME, *HUB, *map(str, beside)]


def _through_library(path: str, **options: object) -> Iterable[Row]:
    """Let `datasets` read it, local folder or hub alike; credentials are the library's affair."""
    try:
        import datasets
    except ImportError as exc:
        raise CapabilityError(
            f"Reading {path} needs the datasets library.",
            hint="Install it with: pip install 'rsd-graph[datasets]'",
        ) from exc
    try:
        rows: Iterable[Row] = datasets.load_dataset(path, **options)
    except (OSError, ValueError, RuntimeError) as exc:
        raise InputError(
            f"The dataset {path} could not be loaded: {exc}",
            hint="Check its name, configuration, split, the network, and access if it is gated.",
        ) from exc
    return rows
