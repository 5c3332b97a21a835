"""--job=predict: the numbers are the run's, the files are whole, and nothing in a name becomes markup."""

import csv
import json
import shutil
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from PIL import Image

from mtl.cli import main
from mtl.config import read_run
from mtl.data.load import load_pack
from mtl.errors import UserError
from mtl.photos import crops
from mtl.photos import networks as photo_networks
from mtl.photos.alignment import LANDMARKS_52
from mtl.photos.crops import FaceCrop, Photo
from mtl.photos.faces import Face
from mtl.predict.answers import Answer, make_ask
from mtl.predict.job import predict, split_places
from mtl.predict.page import show_photo
from mtl.predict.seeing import SeenFace, SeenPhoto, see
from mtl.predict.tables import VALUES
from mtl.record.paths import run_folder
from mtl.trained.folder import Loaded, load_model, save_model
from mtl.training.evaluation import BATCH_SIZE
from tests.data.celeba_files import make_jpeg
from tests.tiny import SIZE, TASKS, fit, make_tiny, tiny_config
from tests.trained.tiny_folder import tiny_settings

pytestmark = pytest.mark.filterwarnings("ignore:the load_module")  # config_flags opens its file with it
CPU = torch.device("cpu")
REAL = Path(__file__).parents[2] / "../shared/data/celeba/img_align_celeba.zip"
HOSTILE = ("<script>alert(1)</script>", "=cmd|'/c calc'!A0", '"><img src=http://x.example/a onerror=alert(1)>')


def tiny_model(folder: Path, tasks: tuple[str, ...] = TASKS) -> Path:
    """The folder of a network that nobody trained."""
    save_model(folder, *make_tiny(tasks, ()), tiny_settings(tasks), "")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("network") / "model")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photos and a text."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(("a.jpg", "c.jpg")):
        (folder / name).write_bytes(make_jpeg(number, 40, 60))
    (folder / "b.jpg").write_text("no photo")
    return folder


def run_predict(model: Path, photos: Path, out: Path, align: str = "off", saliency: bool = False) -> str:
    return predict(model, [str(photos)], align, saliency, out, CPU)


def read_lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]


class Page(HTMLParser):
    """A page as a browser reads it: its elements, and all text outside of its style."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data

    def having(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.elements if name == tag and attributes.items() <= found.items()]


def check_harmless(page: Page) -> None:
    """Every element is closed, none runs or loads anything."""
    assert page.open == []
    known = "html head meta title style body h1 h2 p bdi input label main article div img span b section ul li".split()
    assert {tag for tag, _ in page.elements} <= {*known}
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") or name in ("href", "srcset", "action") for name in attributes)
        assert (attributes.get("src") or "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,"), tag
        assert "url(" not in (attributes.get("style") or "")
    (policy,) = page.having("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_the_numbers_are_those_of_the_run(celeba_files: Path, tmp_path: Path) -> None:
    """To the last bit in batches of the run's shape; in this job's, to rounding."""
    config = tiny_config(celeba_files, celeba_files.parent / "cache")
    config.train.epochs = 1
    fit(config, tmp_path)
    run = run_folder(tmp_path, config.method, 0)
    predictions = np.load(run / "predictions.npz")
    pack = load_pack(read_run(config).data)
    rows = np.flatnonzero(pack.table.split == 2)
    images_NCHW = np.asarray(pack.images_NCHW)[np.pad(rows, (0, BATCH_SIZE - len(rows)), mode="edge")]
    answers = make_ask(load_model(run / "model"), batch_size=BATCH_SIZE)(images_NCHW)[: len(rows)]
    np.testing.assert_array_equal([answer.logit_K for answer in answers], predictions["logits"])

    places = [str(celeba_files / "img_align_celeba" / name) for name in predictions["ids"]]
    predict(run / "model", places, "off", False, tmp_path / "out", CPU)
    lines = read_lines(tmp_path / "out")
    assert [line["file"] for line in lines] == places
    logits = [[said["logit"] for said in line["attributes"].values()] for line in lines]
    np.testing.assert_allclose(logits, predictions["logits"], atol=1e-5)


def test_probabilities_and_decisions_follow_from_the_logits(model: Path) -> None:
    images_NCHW = np.random.default_rng(0).integers(0, 256, (70, 3, SIZE, SIZE), dtype=np.uint8)
    loaded = load_model(model)
    temperatures, thresholds = (np.array([*of.values()]) for of in loaded.settings[-3:-1])
    answers = make_ask(loaded)(images_NCHW)
    for answer in answers:
        expected_K = 1 / (1 + np.exp(-answer.logit_K.astype(np.float64) / temperatures))
        np.testing.assert_allclose(answer.probability_K, expected_K, rtol=1e-12)
        np.testing.assert_array_equal(answer.at_half_K, expected_K > 0.5)
        np.testing.assert_array_equal(answer.at_threshold_K, expected_K > thresholds)
        assert answer.saliency_KHW is None
    assert {True, False} == {bool(x) for answer in answers for x in answer.at_threshold_K}
    assert any((answer.at_half_K != answer.at_threshold_K).any() for answer in answers)
    for size in (7, 70):  # each face has its own answer, however many there are
        others = make_ask(loaded, batch_size=size)(images_NCHW)
        for one, other in zip(answers, others, strict=True):
            np.testing.assert_allclose(one.logit_K, other.logit_K, atol=1e-5)
    assert make_ask(loaded)(images_NCHW[:0]) == []


def test_normalisation_and_mirror_images_are_the_folders(model: Path) -> None:
    images_NCHW = np.random.default_rng(0).integers(0, 256, (3, 3, SIZE, SIZE), dtype=np.uint8)
    loaded = load_model(model)
    mirrored = loaded._replace(settings=loaded.settings._replace(mirrored=True))
    here, there, both = (
        np.stack([answer.logit_K for answer in make_ask(of)(images)])
        for of, images in ((loaded, images_NCHW), (loaded, images_NCHW[..., ::-1].copy()), (mirrored, images_NCHW))
    )
    np.testing.assert_allclose(both, (here + there) / 2, atol=1e-6)
    other = loaded._replace(settings=loaded.settings._replace(mean=(0.0, 0.0, 0.0)))
    assert not np.allclose([answer.logit_K for answer in make_ask(other)(images_NCHW)], here)


def test_saliency_on_request(model: Path, photos: Path, tmp_path: Path) -> None:
    image_1CHW = np.random.default_rng(0).integers(0, 256, (1, 3, SIZE, SIZE), dtype=np.uint8)
    (answer,) = make_ask(load_model(model), with_saliency=True)(image_1CHW)
    assert answer.saliency_KHW is not None and answer.saliency_KHW.dtype == np.uint8
    assert answer.saliency_KHW.shape == (len(TASKS), SIZE, SIZE) and (answer.saliency_KHW.max(axis=(1, 2)) == 255).all()
    run_predict(model, photos, tmp_path / "plain")
    run_predict(model, photos, tmp_path / "maps", saliency=True)
    plain, maps = (Page(tmp_path / name / "predictions.html") for name in ("plain", "maps"))
    check_harmless(maps)
    assert len(plain.having("img")) == 2 * 2  # photo and face
    assert len(maps.having("img")) == 2 * (2 + len(TASKS))
    assert "The redder a pixel" in maps.text and "The redder a pixel" not in plain.text
    assert (tmp_path / "plain/predictions.csv").read_bytes() == (tmp_path / "maps/predictions.csv").read_bytes()


def test_three_files_say_the_same_and_the_bad_one_is_named(model: Path, photos: Path, tmp_path: Path) -> None:
    said = run_predict(model, photos, tmp_path / "out")
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"predictions.html", "predictions.csv", "predictions.jsonl"}
    lines = read_lines(tmp_path / "out")
    with (tmp_path / "out/predictions.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    for line, row, name in zip(lines, rows, ("a.jpg", "c.jpg"), strict=True):
        assert row["file"] == line["file"] == str(photos / name) and row["face"] == "1" and line["face"] == 1
        assert [float(row[side]) for side in ("left", "top", "right", "bottom")] == line["box"] == [0, 0, 60, 40]
        assert line["landmarks"] is None and row["nose_x"] == ""
        for task, values in line["attributes"].items():
            assert [float(row[f"{value}:{task}"]) for value in VALUES] == [float(values[value]) for value in VALUES]
            assert str(np.float32(values["logit"])) == row[f"logit:{task}"]
    page = Page(tmp_path / "out/predictions.html")
    check_harmless(page)
    assert len(page.having("article")) == 2
    for words in ("2 faces in 3 photos", "b.jpg cannot be read as a photo: it is none of JPEG"):
        assert words in said and words in page.text
    assert said.endswith("TIFF.") and "1 photo without an answer:" in said


def test_a_page_has_a_bar_with_its_threshold_for_each_attribute() -> None:
    answer = Answer(
        logit_K=np.array([-1.0, 2.0], np.float32),
        probability_K=np.array([0.25, 0.875]),
        at_half_K=np.array([False, True]),
        at_threshold_K=np.array([True, False]),
        saliency_KHW=None,
    )
    crop = FaceCrop(Path("me.jpg"), np.array([-20.0, 30, 100, 150]), None, np.zeros((3, SIZE, SIZE), np.uint8))
    photo = SeenPhoto(Path("me.jpg"), [SeenFace(crop, answer)], None, (400, 300), np.zeros((9, 12, 3), np.uint8))
    settings = tiny_settings(("Wearing_Hat", "Bald"), thresholds={"Wearing_Hat": 0.125, "Bald": 0.95})
    markup = show_photo(photo, settings)
    assert '<span class="box" style="left:0.00%;top:10.00%;width:25.00%;height:40.00%"><b>1</b></span>' in markup
    hat, bald = [line for line in markup.splitlines() if line.startswith("<li")]
    assert 'class=yes style="--rank:1"' in hat and ">Wearing Hat<" in hat and "--p:25.0%;--t:12.5%" in hat
    assert "25% ✓" in hat and 'style="--rank:0"' in bald and "--p:87.5%;--t:95.0%" in bald and "✓" not in bald


def test_a_name_is_never_markup_or_a_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model(tmp_path / "<b>model & co</b>", HOSTILE)
    monkeypatch.chdir(tmp_path)
    # The fourth is no UTF-8 on the disk.
    names = ['"><img src=x onerror=alert(1)>.jpg', "=1+1.jpg", "a\nb.jpg", "caf\udce9.jpg", "été 好.jpg"]
    for name in names:
        (tmp_path / name).write_bytes(make_jpeg(0))
    (tmp_path / "<script>.jpg").write_text("no photo")
    said = predict(model, ["*.jpg"], "off", True, Path("out"), CPU)
    assert "<script>.jpg cannot be read" in said and said.count("\n") == 1
    page = Page(tmp_path / "out/predictions.html")
    check_harmless(page)
    for words in (*HOSTILE, *names[:2], "a\\nb.jpg", "caf\\udce9.jpg", names[4], "<script>.jpg cannot be read"):
        assert words.replace("_", " ") in page.text
    assert "<b>model & co</b>" in page.text
    assert sorted(line["file"] for line in read_lines(tmp_path / "out")) == sorted(names)
    with (tmp_path / "out/predictions.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert {row[0] for row in rows} == {names[0], "./=1+1.jpg", names[2], "caf\\udce9.jpg", names[4]}
    assert not any(cell[:1] in ("=", "+", "@") for row in (header, *rows) for cell in row)


def test_all_faces_of_a_photo_are_asked_about_in_full_batches() -> None:
    """And each photo keeps its own faces, in the order of the photos."""
    counts = [1, 0, 40, 30, 0, 5]
    images = iter(np.arange(sum(counts), dtype=np.uint8))

    def photo(number: int, count: int) -> Photo:
        file = Path(f"{number}.jpg")
        faces = [FaceCrop(file, np.zeros(4), None, np.full((3, 2, 2), next(images))) for _ in range(count)]
        return Photo(file, faces, None if faces else "no face", np.zeros((900, 1200, 3), np.uint8))

    asked = []

    def ask(images_NCHW: np.ndarray) -> list[Answer]:
        asked.append(len(images_NCHW))
        return [Answer(image[0, 0, :1], *[np.zeros(1)] * 3, None) for image in images_NCHW]

    seen = [*see((photo(number, count) for number, count in enumerate(counts)), ask)]
    assert asked == [41, 35]
    assert [len(each.faces) for each in seen] == counts
    said = [face.answer.logit_K[0] for each in seen for face in each.faces]
    assert said == [*range(sum(counts))] == [face.crop.image_CHW[0, 0, 0] for each in seen for face in each.faces]
    assert all(each.thumbnail_HWC is not None and each.thumbnail_HWC.shape == (270, 360, 3) for each in seen)


def test_no_face_anywhere_is_an_answer(
    model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files without a row, and exit code 0."""
    monkeypatch.setattr(crops, "load_networks", lambda: object())
    monkeypatch.setattr(crops, "find_faces", lambda photo_HWC, networks: [])
    command = ["--job=predict", f"--model={model}", f"--photos={photos}", f"--workdir={tmp_path}/out"]
    assert main(["mtl", *command]) == 0
    said = capsys.readouterr().out
    assert "0 faces in 3 photos" in said and said.count("no face was found in") == 2
    assert (tmp_path / "out/predictions.jsonl").read_text() == ""
    assert (tmp_path / "out/predictions.csv").read_text().count("\n") == 1
    page = Page(tmp_path / "out/predictions.html")
    check_harmless(page)
    assert len(page.having("img")) == 2 and page.text.count("no face was found in") == 2


def test_faces_that_are_found_are_shown_with_their_places(
    model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [Face(np.array([1.0, 2.0, 31.125, 38.0]), LANDMARKS_52 / 4, 1.0), Face(np.zeros(4), LANDMARKS_52 / 8, 1.0)]
    monkeypatch.setattr(crops, "load_networks", lambda: object())
    monkeypatch.setattr(crops, "find_faces", lambda photo_HWC, networks: found)
    said = run_predict(model, photos / "a.jpg", tmp_path / "out", align="on")
    assert said.startswith("2 faces in 1 photo: wrote ")
    first, second = read_lines(tmp_path / "out")
    assert (first["face"], second["face"]) == (1, 2) and first["box"] == [1.0, 2.0, 31.12, 38.0]
    np.testing.assert_allclose(first["landmarks"], LANDMARKS_52 / 4, atol=0.006)
    with (tmp_path / "out/predictions.csv").open(newline="") as file:
        row, _ = csv.DictReader(file)
    assert [float(row["nose_x"]), float(row["right_mouth_y"])] == [first["landmarks"][2][0], first["landmarks"][4][1]]
    assert len(Page(tmp_path / "out/predictions.html").having("span", **{"class": "box"})) == 2


def spoil(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:-1])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"--photos": "{tmp}/empty"}, "empty holds no photos"),
        ({"--photos": "{tmp}/gone.jpg"}, "gone.jpg does not exist"),
        ({"--photos": ""}, "--job=predict wants --photos"),
        ({"--photos": " , "}, "no photo is named"),
        ({"--model": "{tmp}/empty"}, "empty is no model folder, for it has no config.json"),
        ({"--model": "{tmp}/cut"}, "model.safetensors is damaged"),
        ({"--align": "of"}, "align is 'of', closest to off; choose one of on, off"),
        ({"--align": "on"}, "faces are found with mtcnn, which is not installed: in the clone, run"),
        ({"--job": "train"}, "and not with --job=train"),
        ({"--workdir": "{tmp}/file/out"}, "Not a directory"),
    ],
    ids=str,
)
def test_a_mistake_gets_one_sentence_and_nothing_is_written(
    model: Path,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changed: dict[str, str],
    words: str,
) -> None:
    monkeypatch.setattr(photo_networks, "find_spec", lambda name: None)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    spoil(Path(shutil.copytree(model, tmp_path / "cut")), "model.safetensors")
    given = {"--job": "predict", "--model": str(model), "--photos": str(photos), "--align": "off"}
    given |= {"--workdir": f"{tmp_path}/out"} | {flag: value.format(tmp=tmp_path) for flag, value in changed.items()}
    assert main(["mtl", *(f"{flag}={value}" for flag, value in given.items())]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and said.err.startswith("mtl: ")
    assert words in said.err and said.out == ""
    assert not (tmp_path / "out").exists()


def test_a_network_that_says_no_numbers_writes_nothing(model: Path, photos: Path, tmp_path: Path) -> None:
    loaded = load_model(model)
    heads = {name: {key: value * torch.nan for key, value in of.items()} for name, of in loaded.params.heads.items()}
    broken = Loaded(loaded.model, loaded.params._replace(heads=heads), loaded.buffers, loaded.settings)
    save_model(tmp_path / "broken", *broken, "")
    with pytest.raises(UserError, match="the network's answers are no finite numbers"):
        run_predict(tmp_path / "broken", photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_places_have_commas_between_them_or_in_them(tmp_path: Path) -> None:
    (tmp_path / "a, b.jpg").touch()
    assert split_places(f"{tmp_path}/a, b.jpg") == [f"{tmp_path}/a, b.jpg"]
    assert split_places("a/*.jpg,b.png, c,") == ["a/*.jpg", "b.png", "c"]


@pytest.mark.skipif(
    any(find_spec(name) is None for name in ("mtcnn", "joblib", "lz4")), reason="mtcnn, of [photos], is not installed"
)
@pytest.mark.skipif(not REAL.is_file(), reason="no real images in ../shared/data/celeba")
def test_two_real_faces_in_one_photo(model: Path, tmp_path: Path) -> None:
    wall = Image.new("RGB", (700, 500), (120, 130, 140))
    with ZipFile(REAL) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[:2]
        for name, corner in zip(names, ((60, 100), (400, 150)), strict=True):
            with archive.open(name) as file:
                image = Image.open(file).convert("RGB")
            wall.paste(image.resize((178, 218), Image.Resampling.BICUBIC), corner)
    wall.save(tmp_path / "two.png")
    run_predict(model, tmp_path / "two.png", tmp_path / "out", align="on")
    lines = read_lines(tmp_path / "out")
    noses = sorted(line["landmarks"][2] for line in lines)
    np.testing.assert_allclose(noses, LANDMARKS_52[2] + [(60, 100), (400, 150)], atol=15)
    check_harmless(Page(tmp_path / "out/predictions.html"))
