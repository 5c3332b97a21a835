"""The page over HTTP: who is answered, with what, and how little an upload can do."""

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mtl.app import job, server
from mtl.app.answers import load_network
from mtl.app.server import FILES, MAX_UPLOAD, Server, open_server
from mtl.errors import UserError
from mtl.predict.answers import Answer
from tests.app.colours import find_all, make_photo, write_both


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_both(tmp_path_factory.mktemp("networks"))


@pytest.fixture(scope="module")
def running(folders: list[Path]) -> Iterator[Server]:
    with open_server([load_network(folder) for folder in folders], find_all, port=0) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def ask(running: Server, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    """Status, and what the JSON says."""
    connection = HTTPConnection(*running.server_address[:2], timeout=300)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    said = json.loads(response.read())
    connection.close()
    return response.status, said


def problem(running: Server, *request: Any, **headers: str) -> tuple[int, str]:
    status, said = ask(running, *request, **headers)
    assert said.keys() == {"problem"} and "\n" not in said["problem"] and said["problem"].endswith(".")
    return status, said["problem"]


@pytest.mark.parametrize("path", [*FILES])
def test_the_page_and_what_it_forbids(running: Server, path: str) -> None:
    connection = HTTPConnection(*running.server_address[:2], timeout=300)
    connection.request("GET", path)
    response = connection.getresponse()
    name, kind = FILES[path]
    assert response.status == 200 and response.read() == files("mtl.app").joinpath(name).read_bytes()
    assert response.headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; ")
    assert response.headers["Cache-Control"] == "no-store" and response.headers["X-Content-Type-Options"] == "nosniff"
    assert not [header for header in response.headers if header.lower().startswith("access-control-")]
    connection.close()


def test_the_page_asks_nobody_else_and_sets_text_alone() -> None:
    for name, _ in FILES.values():
        text = files("mtl.app").joinpath(name).read_text()
        for word in ("http:", "https:", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in text, f"{word} in {name}"


def test_the_networks_are_named(running: Server) -> None:
    status, said = ask(running, "GET", "/networks")
    assert status == 200 and said["max_upload"] == MAX_UPLOAD
    assert [network["name"] for network in said["networks"]] == ["joint", "dst"]


def test_a_photo_in_and_the_answers_of_both_networks_out(running: Server) -> None:
    status, said = ask(running, "POST", "/faces", make_photo("red", "blue"))
    assert status == 200 and len(said["faces"]) == 2
    status, said = ask(running, "POST", "/faces?aligned=1", make_photo("green"))
    (face,) = said["faces"]
    assert status == 200 and [[round(p) for p in view["probabilities"]] for view in face["views"]] == [
        [0, 1, 0],
        [0, 0],
    ]


def test_saliency_of_the_network_that_is_asked(running: Server) -> None:
    _, said = ask(running, "POST", "/faces?aligned=1", make_photo("red"))
    for number, view in enumerate(said["faces"][0]["views"]):
        status, shown = ask(running, "POST", f"/saliency?network={number}", base64.b64decode(view["crop"]))
        assert status == 200 and len(shown["pictures"]) == len(view["probabilities"])


def test_what_goes_wrong_is_a_sentence(running: Server) -> None:
    assert problem(running, "POST", "/faces", b"text") == (
        422,
        "this cannot be read as a photo: it is none of JPEG, PNG, WEBP, BMP, TIFF.",
    )
    assert problem(running, "POST", "/faces", make_photo("grey"))[0] == 422
    assert problem(running, "POST", "/saliency", make_photo("red"))[0] == 422
    assert problem(running, "GET", "/../cli.py") == (404, "there is nothing at /../cli.py.")
    assert problem(running, "POST", "/", b"") == (404, "there is nothing at /.")
    assert problem(running, "POST", "/saliency?network=2", b"") == (400, "network is a number from 0 to 1.")
    assert problem(running, "POST", "/saliency?network=-1", b"") == (400, "network is a number from 0 to 1.")
    assert problem(running, "POST", "/faces?aligned=yes", b"") == (400, "aligned is a number from 0 to 1.")


def test_a_file_that_is_too_large_gets_its_answer_after_it_was_sent(running: Server) -> None:
    said = problem(running, "POST", "/faces", bytes(MAX_UPLOAD + 2**20))
    assert said == (413, "this file has 21.0 MiB, and at most 20 are taken.")


@pytest.mark.parametrize("length", ["", "Content-Length: -1\r\n", "Content-Length: ten\r\n"])
def test_an_upload_says_how_long_it_is(running: Server, length: str) -> None:
    with socket.create_connection(running.server_address[:2], timeout=300) as connection:
        connection.sendall(f"POST /faces HTTP/1.1\r\nHost: localhost\r\n{length}\r\n".encode())
        assert b" 411 " in connection.makefile("rb").readline()


def test_a_browser_that_leaves_is_no_news(running: Server, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(running.server_address[:2], timeout=300) as connection:
        connection.sendall(b"POST /faces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
        connection.shutdown(socket.SHUT_WR)
        assert connection.makefile("rb").read() == b""
    assert ask(running, "GET", "/networks")[0] == 200
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "localhost@evil", ""])
def test_another_name_of_this_machine_is_refused(running: Server, host: str) -> None:
    status, said = problem(running, "POST", "/faces?aligned=1", make_photo("red"), Host=host)
    assert status == 403 and "127.0.0.1 and localhost" in said
    assert problem(running, "GET", "/networks", Host=host)[0] == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1:80"])
def test_its_own_names_are_taken_with_any_port_as_a_tunnel_has_one(running: Server, host: str) -> None:
    assert ask(running, "GET", "/networks", Host=host)[0] == 200
    assert ask(running, "POST", "/faces?aligned=1", make_photo("red"), Host=host, Origin=f"http://{host}")[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:8888", "https://localhost:7860"])
def test_pages_of_other_sites_are_refused(running: Server, origin: str) -> None:
    said = problem(running, "POST", "/faces?aligned=1", make_photo("red"), Host="localhost:7860", Origin=origin)
    assert said == (403, "this page is not for other sites.")


def test_our_own_mistake_is_told_in_the_terminal_and_the_page_goes_on(
    running: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server, "answer_photo", lambda *_: 1 / 0)
    status, said = problem(running, "POST", "/faces", b"secret")
    assert status == 500 and "ZeroDivision" not in said
    assert "ZeroDivisionError" in capsys.readouterr().err
    monkeypatch.undo()
    assert ask(running, "POST", "/faces?aligned=1", make_photo("red"))[0] == 200


def test_one_photo_at_a_time(running: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work: list[int] = []
    most: list[int] = []

    def slow(images_NCHW: np.ndarray) -> list[Answer]:
        at_work.append(1)
        most.append(len(at_work))
        time.sleep(0.02)
        at_work.pop()
        return network.ask(images_NCHW)

    network = running.networks[0]
    monkeypatch.setattr(running, "networks", [network._replace(ask=slow)])
    body = make_photo("red")
    threads = [threading.Thread(target=ask, args=(running, "POST", "/faces?aligned=1", body)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4


def test_only_this_machine_reaches_it(running: Server) -> None:
    assert running.server_address[0] == "127.0.0.1"


def test_a_port_in_use_is_one_sentence(running: Server) -> None:
    port = running.server_address[1]
    with pytest.raises(UserError, match=f"^port {port} of this machine is in use: give another one$"):
        open_server([], find_all, port)


def test_closing_waits_for_the_answer_that_is_made_and_for_no_browser(folders: list[Path]) -> None:
    network, begun, on = load_network(folders[0]), threading.Event(), threading.Event()

    def slow(images_NCHW: np.ndarray) -> list[Answer]:
        begun.set()
        assert on.wait(300)
        return network.ask(images_NCHW)

    said: list[Any] = []
    closed = open_server([network._replace(ask=slow)], find_all, port=0)
    serving = threading.Thread(target=closed.serve_forever, args=(0.01,), daemon=True)
    serving.start()
    idle = socket.create_connection(closed.server_address[:2], timeout=300)
    request = closed, "POST", "/faces?aligned=1", make_photo("red")
    asking = threading.Thread(target=lambda: said.append(ask(*request)), daemon=True)
    asking.start()
    assert begun.wait(300)
    closed.shutdown()
    closing = threading.Thread(target=closed.server_close, daemon=True)
    closing.start()
    closing.join(0.05)
    assert closing.is_alive()
    on.set()
    closing.join(300)
    asking.join(300)
    assert not closing.is_alive() and said[0][0] == 200 and idle.recv(1) == b""
    idle.close()


def test_ctrl_c_ends_it_with_a_plain_line(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(running: Server) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "serve_forever", interrupted)
    job.open_page(",".join(map(str, folders)), port=0, device=torch.device("cpu"))
    begin, end = capsys.readouterr().out.split("\n\n")
    assert begin.startswith("http://127.0.0.1:") and end == "mtl: the page is closed\n"
