"""What the page is told: right answers by networks made by hand, and a sentence for what is no photo of a face."""

import base64
import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtl.app import job
from mtl.app.answers import Network, answer_photo, answer_saliency, describe, load_network
from mtl.app.job import split_folders
from mtl.errors import UserError
from mtl.photos.alignment import HEIGHT, WIDTH
from tests.app.colours import COLOURS, find_all, make_photo, write_both
from tests.data.celeba_files import make_jpeg


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> list[Network]:
    return [load_network(folder) for folder in write_both(tmp_path_factory.mktemp("networks"))]


def decode(picture: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))))


def test_what_is_said_of_the_networks(networks: list[Network]) -> None:
    joint, dst = describe(networks)
    assert joint["name"] == "joint" and Path(joint["place"]).name == "joint"
    assert joint["tasks"] == ["red", "green", "blue"] and joint["thresholds"] == pytest.approx([0.3, 0.4, 0.5])
    assert dst["name"] == "dst" and dst["tasks"] == ["blue", "red"]


def test_an_aligned_photo_is_one_face(networks: list[Network]) -> None:
    answer = answer_photo(networks, find_all, make_photo("red"), aligned=True)
    (face,) = answer["faces"]
    assert (answer["width"], answer["height"]) == (WIDTH, HEIGHT) and face["box"] == [0, 0, WIDTH, HEIGHT]
    joint, dst = face["views"]
    assert joint["probabilities"] == pytest.approx([1, 0, 0], abs=1e-3)
    assert dst["probabilities"] == pytest.approx([0, 1], abs=1e-3)
    assert joint["present"] == [True, False, False] and dst["present"] == [False, True]
    for view, side in ((joint, 8), (dst, 12)):
        np.testing.assert_array_equal(decode(view["crop"]), np.full((side, side, 3), COLOURS["red"]))


def test_each_face_has_its_own_answers(networks: list[Network]) -> None:
    faces = answer_photo(networks, find_all, make_photo("green", "grey", "blue"), aligned=False)["faces"]
    assert [face["box"] for face in faces] == [[0, 0, WIDTH, HEIGHT], [2 * WIDTH, 0, 3 * WIDTH, HEIGHT]]
    said = [[[round(p) for p in view["probabilities"]] for view in face["views"]] for face in faces]
    assert said == [[[0, 1, 0], [0, 0]], [[0, 0, 1], [1, 0]]]


def test_a_photo_is_upright(networks: list[Network]) -> None:
    answer = answer_photo(networks, find_all, make_jpeg(0, 20, 30, orientation=6), aligned=True)
    assert (answer["width"], answer["height"]) == (20, 30)


def test_saliency_is_red_where_the_answer_hangs_on_the_pixels(networks: list[Network]) -> None:
    """A stride of 2 looks at every second pixel; the attribute of a colour that is not there hangs on nothing."""
    (face,) = answer_photo(networks, find_all, make_photo("red"), aligned=True)["faces"]
    red, green, blue = map(decode, answer_saliency(networks[0], base64.b64decode(face["views"][0]["crop"])))
    grey = [153, 153, 153]  # 0.6 x the mean of red + 0.4 x 255
    assert red[::2, ::2].reshape(-1, 3).tolist() == [[213, 40, 0]] * 16
    assert red[1::2].reshape(-1, 3).tolist() == [grey] * 32
    for nothing in (green, blue):
        assert nothing.reshape(-1, 3).tolist() == [grey] * 64


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no photo", "this cannot be read as a photo: it is none of JPEG, PNG"),
        (make_photo("red")[:-30], "this cannot be read as a photo: "),
        (b"", "this is no photo: it is empty"),
        (make_photo("grey"), "no face was found in this photo: "),
    ],
)
def test_what_is_no_photo_of_a_face_is_one_sentence(networks: list[Network], data: bytes, words: str) -> None:
    with pytest.raises(UserError, match=f"^{words}") as caught:
        answer_photo(networks, find_all, data, aligned=False)
    assert "\n" not in str(caught.value)


def test_a_crop_of_another_size_is_refused(networks: list[Network]) -> None:
    with pytest.raises(UserError, match=r"looks at 8 x 8 pixels, and was sent \(178, 218\)"):
        answer_saliency(networks[0], make_photo("red"))


def test_a_network_of_drawn_faces_says_that_it_is_for_them_alone(networks: list[Network]) -> None:
    drawn = networks[0]._replace(settings=networks[0].settings._replace(trained={"data": "faces"}))
    limits = [said["limits"] for said in describe([networks[0], drawn])]
    assert limits[0] == "" and limits[1].endswith("do not use this network on photographs.")


def test_without_the_detector_aligned_photos_are_answered_and_others_get_a_sentence(
    networks: list[Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtl.photos.networks.find_spec", lambda name: None)
    job._detector.cache_clear()
    assert answer_photo(networks, job.find, make_photo("red"), aligned=True)["faces"]
    with pytest.raises(UserError, match=r"faces are found with mtcnn, which is not installed: .* -e '\.\[photos\]'"):
        answer_photo(networks, job.find, make_photo("red"), aligned=False)


@pytest.mark.skipif(find_spec("mtcnn") is None, reason="mtcnn, of [photos], is not installed")
def test_the_detector_looks_at_photos_that_are_not_aligned(networks: list[Network]) -> None:
    with pytest.raises(UserError, match=r"^no face was found in this photo: "):
        answer_photo(networks, job.find, make_photo("red"), aligned=False)


@pytest.mark.parametrize(("folders", "number"), [("", 0), (",", 0), ("a,b,c", 3)])
def test_none_and_three_networks_are_refused(folders: str, number: int) -> None:
    with pytest.raises(UserError, match=f"one network, or two side by side, and --model={folders} names {number}: "):
        split_folders(folders)
