"""Large files: served in pieces to this machine's browser, and to nobody else."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

from rsd_graph import InputError
from rsd_graph.viewer.large import ROWS, LargeFile
from rsd_graph.viewer.serving import PageServer
from tests.viewer.answers import answer, journal, step
from tests.viewer.conftest import Open

Serve = Callable[..., PageServer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serves journals until the test ends."""
    running: list[tuple[PageServer, Thread]] = []

    def start(*journals: list[Any]) -> PageServer:
        files = [
            LargeFile(written(tmp_path / f"{number}.jsonl", lines))
            for number, lines in enumerate(journals)
        ]
        server = PageServer(files, "RSD")
        thread = Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


def written(path: Path, lines: list[Any]) -> Path:
    """A file with these, a JSON object a line."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def asked(server: PageServer, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """Status and body of one request; by default one that may be answered."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    connection.request(method, path, headers={"Authorization": f"Bearer {server.token}", **headers})
    response = connection.getresponse()
    said = response.status, response.read()
    connection.close()
    return said


def test_a_hundred_thousand_answers_scroll(serve: Serve, open_page: Open) -> None:
    """Only what is in sight is in the document; the last row is one scroll away, and opens."""
    server = serve([answer(number) for number in range(100_000)])
    page = open_page(server.url)
    page.wait_for(".line")

    page.tab.locator(".table").evaluate("box => { box.scrollTop = box.scrollHeight; }")
    page.tab.get_by_text("q99999", exact=True).click()
    page.wait_for(".step")

    assert page.tab.locator(".step").count() == 1
    assert page.texts("pre.text") == ["question 99999"]


def test_the_token_leaves_the_address(serve: Serve, open_page: Open) -> None:
    """What is in the address bar can be shown around; a reload still works."""
    server = serve([answer(0), answer(1)])
    page = open_page(server.url)
    page.wait_for(".line", 2)

    page.tab.reload()
    page.wait_for(".line", 2)

    assert server.token not in page.tab.url


def test_its_sums_are_those_of_a_page_from_a_file(
    serve: Serve, show: Open, open_page: Open
) -> None:
    """Rows without texts say the same of what-if, rejections and comparison as whole answers."""
    files = [
        [{"config_hash": "h", "config": {"delta": 0.7}}, *journal(300, seed)] for seed in (1, 2)
    ]
    sums = """() => [whatIf(ONE.answers, 0.5), ONE.answers.map(rejections), ONE.answers.map(tokens),
        ONE.answers.filter(filters().vain[1]).length, ONE.answers.map(deltaOf),
        ONE.answers.map((each, at) => firstDifference(each, OTHER.answers[at])),
        estimate(ONE.answers, OTHER.answers, 0.8),
        {...compare(ONE.answers, OTHER.answers), pairs: null}]"""
    served = open_page(serve(*files).url)
    served.wait_for("table.two")

    assert served.tab.evaluate(sums) == show(*files).tab.evaluate(sums)


def test_questions_they_differ_in_show_both_answers(serve: Serve, open_page: Open) -> None:
    """Their texts come when they are opened."""
    ours, theirs = [answer(0, [step("a")])], [answer(0, [step("b")], right=False)]
    page = open_page(serve(ours, theirs).url)

    page.tab.locator("details summary").first.click()
    page.wait_for(".step", 2)

    assert page.texts(".step .said") == ["a", "b"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 200),
        ("/files", {}, 200),
        ("/files", {"Authorization": "Bearer wrong"}, 401),
        ("/files", {"Host": "evil.example"}, 403),
        ("/", {"Host": "evil.example"}, 403),
        ("/files/1/rows/0", {}, 404),
        ("/files/0/rows/1", {}, 404),
        ("/files/0/answers/-1", {}, 404),
        ("/files/../../etc/passwd", {}, 404),
    ],
)
def test_who_may_ask_for_what(
    serve: Serve, path: str, headers: dict[str, str], status: int
) -> None:
    """Whoever holds the token and calls it by a loopback name, for what there is."""
    assert asked(serve([answer(0)]), path, **headers)[0] == status


def test_nothing_but_get(serve: Serve) -> None:
    """A page elsewhere could send a POST unseen."""
    assert asked(serve([answer(0)]), "/files", "POST")[0] == 501


def test_it_listens_to_this_machine_alone(serve: Serve) -> None:
    """By address, and by the name it gives itself."""
    server = serve([answer(0)])

    assert (server.server_address[0], urlsplit(server.url).hostname) == ("127.0.0.1", "127.0.0.1")


def test_a_foreign_line_is_said_when_it_is_reached(serve: Serve, open_page: Open) -> None:
    """Its number, on the page; not a blank page."""
    page = open_page(serve([answer(0), {"a": 1}, answer(2)]).url)
    page.wait_for("[role=alert]")
    complaints, page.complaints = page.complaints, []

    assert "no steps" in page.texts("[role=alert]")[0]
    assert all("422" in said for said in complaints)


def test_rows_come_by_pages(tmp_path: Path) -> None:
    """So that no one message is larger than a browser takes."""
    file = LargeFile(written(tmp_path / "a.jsonl", [answer(n) for n in range(ROWS + 5)]))

    assert [len(file.rows(0)), len(file.rows(ROWS))] == [ROWS, 5]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no answer"),
        (b"hello\nworld\n", "line 1"),
        (b'{"a": 1}\n{"b": 2}\n', "no steps"),
    ],
)
def test_what_is_not_ours_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """Before anything is served."""
    file = tmp_path / "file.jsonl"
    file.write_bytes(content)

    with pytest.raises(InputError, match=said):
        LargeFile(file)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    """A folder, say."""
    with pytest.raises(InputError, match="cannot be read"):
        LargeFile(tmp_path)


def test_a_torn_last_line_is_left_out_and_said(tmp_path: Path) -> None:
    """What a killed run leaves."""
    path = written(tmp_path / "a.jsonl", [answer(0), answer(1)])
    with path.open("ab") as file:
        file.write(b'{"text": "')

    found = LargeFile(path)

    assert (found.size, found.remarks) == (2, ["the last line was cut off and is left out"])


def test_two_gigabytes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    """With the size, and what to do."""
    path = tmp_path / "huge.jsonl"
    with path.open("wb") as opened:
        opened.truncate(2 * 2**30)

    with pytest.raises(InputError, match="2,048 MiB; 1,024 can be shown"):
        LargeFile(path)
