"""The page in a real browser: photos are dropped, chosen and taken, and the right attributes are seen."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mtl.app.answers import load_network
from mtl.app.server import open_server
from tests.app.browser import CHROMIUM, Browser
from tests.app.colours import find_all, make_photo, write_network

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
HOSTILE = "<img src=x onerror=alert(1)>"  # what somebody may have called an attribute, or a method
PRESENT = "[...document.querySelectorAll('.present')].map((e) => e.closest('tr').querySelector('button').textContent)"
NAMES = "[...document.querySelectorAll('tbody button')].map((e) => e.textContent)"
CAPTIONS = "[...document.querySelectorAll('figcaption')].map((e) => e.textContent)"
PICTURES = "[...document.querySelectorAll('.crops img')].map((e) => e.src)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("app")
    joint = write_network(folder / "joint", "joint", ("red", "green", "blue"), 8)
    other = load_network(write_network(folder / "other", HOSTILE, ("blue", "red"), 12))
    renamed = other.settings._replace(
        tasks=("blue", HOSTILE), thresholds={"blue": 0.5, HOSTILE: 0.5}, temperatures={"blue": 1.0, HOSTILE: 1.0}
    )
    networks = [load_network(joint), other._replace(settings=renamed)]
    with (
        open_server(networks, find_all, port=0) as server,
        Browser(tmp_path_factory.mktemp("profile")) as browser,
    ):
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        browser.open(server.url)
        browser.until(lambda: browser.evaluate("document.querySelectorAll('#networks li').length") == 2)
        yield browser
        server.shutdown()
        thread.join()
        refused = [each for each in browser.complaints if "422" in each]  # the browser reports these too
        assert browser.complaints == refused


def write(folder: Path, data: bytes) -> Path:
    (folder / "photo.png").write_bytes(data)
    return folder / "photo.png"


def said(browser: Browser) -> str:
    browser.until(lambda: browser.evaluate("!document.getElementById('status').textContent.startsWith('Looking')"))
    return browser.evaluate("document.getElementById('status').textContent")


def test_a_dropped_photo_shows_the_attributes_of_each_face(browser: Browser, tmp_path: Path) -> None:
    browser.drop_file(write(tmp_path, make_photo("green", "blue")), 300, 150)
    browser.until(lambda: said(browser) == "2 faces were found; the largest comes first.")
    assert browser.evaluate(PRESENT) == ["green", "blue", "blue"]
    assert browser.evaluate("[...document.querySelectorAll('.box')].map((e) => e.style.left)") == ["0%", "50%"]
    assert browser.evaluate("document.getElementById('shown').naturalWidth") == 2 * 178
    browser.evaluate("document.getElementById('ranked').click()")  # in the network's order
    assert browser.evaluate(NAMES)[:4] == ["red", "green", "blue", HOSTILE]
    browser.evaluate("document.getElementById('ranked').click()")
    assert browser.evaluate(NAMES)[0] == "green"
    assert HOSTILE in browser.evaluate("[...document.querySelectorAll('thead th')].map((e) => e.textContent)")
    assert browser.evaluate("document.querySelectorAll('img[src=x]').length") == 0


def test_a_click_on_an_attribute_shows_its_saliency_and_another_the_face(browser: Browser, tmp_path: Path) -> None:
    browser.evaluate("document.getElementById('aligned').checked = true")
    browser.choose_file("#file", write(tmp_path, make_photo("blue")))
    browser.until(lambda: browser.evaluate(PRESENT) == ["blue", "blue"])
    before = browser.evaluate(PICTURES)
    click = "[...document.querySelectorAll('tbody button')].find((e) => e.textContent === 'blue').click()"
    browser.evaluate(click)
    browser.until(lambda: browser.evaluate(CAPTIONS) == ["joint: what blue hangs on", f"{HOSTILE}: what blue hangs on"])
    shown = browser.evaluate(PICTURES)
    assert len({*before, *shown}) == 4
    browser.evaluate(click)
    browser.until(lambda: browser.evaluate(CAPTIONS) == ["joint", HOSTILE])
    assert browser.evaluate(PICTURES) == before
    browser.evaluate("document.getElementById('aligned').click()")  # the same photo is looked at again
    browser.until(lambda: browser.evaluate("document.querySelectorAll('.box').length") == 1)


def test_what_is_no_photo_is_said_on_the_page(browser: Browser, tmp_path: Path) -> None:
    browser.choose_file("#file", write(tmp_path, b"text"))
    browser.until(lambda: said(browser) == "This cannot be read as a photo: it is none of JPEG, PNG, WEBP, BMP, TIFF.")
    browser.choose_file("#file", write(tmp_path, make_photo("grey")))
    browser.until(lambda: said(browser).startswith("No face was found in this photo: "))
    assert browser.evaluate("document.getElementById('result').hidden")
    browser.choose_file("#file", write(tmp_path, bytes(21 * 2**20)))
    browser.until(lambda: said(browser) == "This file has 21.0 MiB, and at most 20 are taken.")


def test_the_camera_takes_a_photo(browser: Browser) -> None:
    browser.evaluate("document.getElementById('aligned').checked = true")
    browser.evaluate("document.getElementById('camera').click()")
    browser.until(lambda: browser.evaluate("document.getElementById('video').videoWidth"))
    browser.evaluate("document.getElementById('shoot').click()")
    browser.until(lambda: browser.evaluate("document.querySelectorAll('.face').length") == 1)
    assert browser.evaluate("document.getElementById('live').hidden")
