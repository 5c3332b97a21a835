"""Exported files say what the network says, for any number of images; what cannot be written leaves none."""

import ast
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from mtl.errors import UserError
from mtl.export import FILES, as_onnx, as_pt2, graph, job
from mtl.export.agreement import BATCHES, NUM_IMAGES, draw_images, greatest_difference
from mtl.export.graph import in_float32, trace
from mtl.export.job import Format, compare, export
from mtl.models.model import Params
from mtl.trained.folder import Loaded, load_model, save_model
from mtl.trained.module import to_module
from mtl.trained.network import build
from mtl.trained.settings import as_json
from mtl.trained.tensors import read_tensors
from tests import tiny
from tests.trained.tiny_folder import tiny_settings

DOCS = Path(__file__).parents[2] / "docs/models.md"
SIZE = 4  # pixels; the second stage's map is 2 x 2, which the network itself convolves as a matrix product
TASKS = ("half", "b c", "d.e")  # nn.Module has a method `half`, and takes no dot in a name
assert "tiny" in tiny.ARCHITECTURES
SETTINGS = tiny_settings(
    TASKS,
    image_size=SIZE,
    crop="square",
    mean=(0.5, 0.4, 0.3),
    temperatures=dict(zip(TASKS, (0.5, 1.0, 2.0), strict=True)),
    thresholds=dict.fromkeys(TASKS, 0.25),
    trained={"method": "joint"},
)
FORMS: dict[str, dict[str, Any]] = {
    "joint": {},
    "taps": {"taps": SETTINGS.taps | {"b c": "stage1"}, "head": "mlp", "mirrored": True},
    "single_task": {"separate": True},
    "bfloat16": {"precision": "bfloat16"},
}


def make_folder(folder: Path, **changed: Any) -> Path:
    """A model folder with random numbers."""
    settings, generator = SETTINGS._replace(**changed), torch.Generator().manual_seed(0)
    model, like, buffers = build(settings, torch.device("cpu"))

    def draw(tensors: dict[str, Tensor], lowest: float) -> dict[str, Tensor]:
        return {
            name: (lowest + torch.rand(value.shape, generator=generator)).to(value.dtype)
            for name, value in tensors.items()
        }

    params = Params(draw(like.trunk, -0.5), {group: draw(of, -0.5) for group, of in like.heads.items()})
    save_model(folder, model, params, draw(buffers, 0.5), settings, "")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "model")


def random_images(number: int) -> Tensor:
    return torch.randint(256, (number, 3, SIZE, SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def run_onnx(path: Path) -> Callable[[Tensor], Tensor]:
    runtime = pytest.importorskip("onnxruntime", reason="the extra [export] is not installed")
    session = runtime.InferenceSession(str(path))
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


def run_pt2(path: Path) -> Callable[[Tensor], Tensor]:
    return torch.export.load(path).module()


@pytest.mark.parametrize("form", [*FORMS])
@pytest.mark.parametrize(("kind", "run"), [("onnx", run_onnx), ("pt2", run_pt2)], ids=["onnx", "pt2"])
def test_a_file_says_what_the_network_says(
    tmp_path: Path, form: str, kind: str, run: Callable[[Path], Callable[[Tensor], Tensor]]
) -> None:
    if kind == "onnx":
        pytest.importorskip("onnxscript", reason="the extra [export] is not installed")
    folder = make_folder(tmp_path / "model", **FORMS[form])
    said = export(folder, kind)
    path = folder / f"model.{kind}"
    assert said.startswith(f"Wrote {path} (") and "on 100 images its 3 probabilities are those of" in said
    assert ("bfloat16" in said) == (form == "bfloat16")
    assert {each.name for each in folder.iterdir()} == {"config.json", "model.safetensors", "README.md", path.name}
    loaded, from_file = load_model(folder), run(path)
    for number in (1, 7):
        images = random_images(number)
        with torch.no_grad():
            expected, as_trained = to_module(in_float32(loaded))(images), to_module(loaded)(images)
        found = from_file(images)
        assert found.shape == (number, 3) and found.dtype == torch.float32 and not found.requires_grad
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(found, as_trained, rtol=0, atol=0.03 if form == "bfloat16" else 1e-5)
    assert expected.std() > 0.01  # it says something


def check_metadata(found: dict[str, str]) -> None:
    assert json.loads(found["tasks"]) == list(TASKS)
    assert json.loads(found["thresholds"]) == SETTINGS.thresholds
    assert (found["image_size"], found["crop"], found["precision"]) == (str(SIZE), "square", "float32")
    assert json.loads(found["versions"])["torch"] == torch.__version__
    assert json.loads(found["config"]) == json.loads(json.dumps(as_json(SETTINGS)))


def test_what_is_in_an_onnx_file(folder: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the extra [export] is not installed")
    pytest.importorskip("onnxscript", reason="the extra [export] is not installed")
    export(folder, "onnx")
    found = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(found, full_check=True)
    properties = {each.key: each.value for each in found.metadata_props}
    check_metadata(properties)
    assert {"onnx", "onnxscript", "onnxruntime"} <= json.loads(properties["versions"]).keys()
    assert [(each.domain, each.version) for each in found.opset_import] == [("", int(properties["opset"]))]
    [image], [probabilities] = found.graph.input, found.graph.output
    assert (image.name, probabilities.name) == ("images", "probabilities")
    assert [each.dim_param or each.dim_value for each in image.type.tensor_type.shape.dim] == ["batch", 3, SIZE, SIZE]
    assert [each.dim_param or each.dim_value for each in probabilities.type.tensor_type.shape.dim] == ["batch", 3]
    assert sum(node.op_type == "Conv" for node in found.graph.node) == 2
    assert str(Path(job.__file__).parent).encode() not in (folder / "model.onnx").read_bytes()


def test_what_is_in_a_pt2_file(folder: Path) -> None:
    path = folder / "other" / "net.pt2"
    export(folder, "pt2", path)
    extra = {as_pt2.METADATA: ""}
    program = torch.export.load(path, extra_files=extra)
    check_metadata(json.loads(extra[as_pt2.METADATA]))
    targets = [str(node.target) for node in program.graph.nodes]
    assert sum(target.startswith("aten.conv2d") for target in targets) == 2
    assert b"mtl/models/model.py" not in path.read_bytes()


def test_a_safetensors_file_takes_the_place_of_the_network(folder: Path) -> None:
    loaded = load_model(folder)
    export(folder, "safetensors")
    path = folder / FILES["safetensors"]
    tensors = read_tensors(path)
    assert tensors["trunk.stage1.0.weight"].dtype == torch.float16
    assert tensors["trunk.stage1.1.running_var"].dtype == torch.float32
    package = pytest.importorskip("safetensors", reason="the package safetensors is not installed")
    with package.safe_open(path, "pt") as file:
        check_metadata(file.metadata())
    path.replace(folder / "model.safetensors")
    with torch.no_grad():
        difference = (to_module(load_model(folder))(random_images(7)) - to_module(loaded)(random_images(7))).abs().max()
    assert 0 < difference < 1e-2


def test_the_example_in_the_docs_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in as_onnx.PACKAGES:
        pytest.importorskip(package, reason="the extra [export] is not installed")
    export(folder, "onnx")
    monkeypatch.chdir(folder)
    Image.new("RGB", (SIZE, SIZE), (200, 100, 50)).save("face.png")
    [code] = re.findall(r"```python\n(import json.*?)```", DOCS.read_text(), re.DOTALL)
    exec(code, {})
    images = torch.tensor([200, 100, 50], dtype=torch.uint8)[None, :, None, None].expand(1, 3, SIZE, SIZE)
    with torch.no_grad():
        expected = to_module(load_model(folder))(images)[0]
    said = ast.literal_eval(capsys.readouterr().out)
    assert said == pytest.approx(dict(zip(TASKS, expected.tolist(), strict=True)), abs=1e-5)


def test_images_are_of_two_kinds_and_the_same_every_time() -> None:
    images = draw_images(16)
    assert images.shape == (NUM_IMAGES, 3, 16, 16) and torch.equal(images, draw_images(16))
    assert sum(BATCHES) == NUM_IMAGES
    steps = images.float().diff(dim=-1).abs().mean(dim=(1, 2, 3))
    assert steps[:50].min() > 2 * steps[50:].max()


def test_nothing_differs_more_than_the_greatest_difference() -> None:
    images = torch.zeros(NUM_IMAGES, 3, 1, 1)
    images[-1] = 0.25
    assert greatest_difference(lambda part: part, lambda part: -part, images) == 0.5
    images[3] = torch.nan
    assert greatest_difference(lambda part: part, lambda part: -part, images) != 0.5


@pytest.mark.parametrize("value", [0.5, torch.nan])
def test_a_file_that_says_something_else_is_not_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    before = sorted(folder.iterdir())

    def write(loaded: Loaded, path: Path) -> None:
        path.write_text("a file")

    def run(path: Path, loaded: Loaded) -> Callable[[Tensor], Tensor]:
        assert path.read_text() == "a file"
        return lambda images: torch.full((len(images), 3), value)

    monkeypatch.setitem(job.FORMATS, "pt2", Format(write, run))
    with pytest.raises(UserError, match=r"differ from the network's by up to .*, more than 1e-04, so it was not kept"):
        export(folder, "pt2")
    assert sorted(folder.iterdir()) == before
    loaded = load_model(folder)
    assert compare(loaded, torch.no_grad()(to_module(loaded)), 0.0) == 0.0


@pytest.mark.parametrize("package", as_onnx.PACKAGES)
def test_a_package_that_is_missing_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    for each in as_onnx.PACKAGES:
        monkeypatch.setitem(sys.modules, each, None if each == package else sys)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=rf"^ONNX is written and checked with {package}, which is not .*\[export\]'$"):
        export(folder, "onnx")
    assert not (folder / "model.onnx").exists()


def test_a_network_that_is_too_large_for_onnx(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(as_onnx, "MAX_BYTES", 100)
    with pytest.raises(UserError, match="an ONNX file ends at 2: choose the format pt2"):
        as_onnx.write(load_model(folder), folder / "model.onnx")


def test_what_cannot_be_followed_is_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_model(folder)

    def trunk(params: Any, buffers: Any, images: Tensor, train: bool) -> Any:
        raise RuntimeError("no\nand more")

    monkeypatch.setattr(graph, "in_float32", lambda loaded, products: loaded)
    with pytest.raises(UserError, match=r"^torch.export cannot follow tiny \(no\)$"):
        trace(loaded._replace(model=loaded.model._replace(trunk=trunk)))


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("onnx", "model.pt2", "the file is model.pt2, whose name does not end in .onnx"),
        ("safetensors", "model.safetensors", "model.safetensors is what the network is read from: choose another"),
    ],
)
def test_a_name_that_a_file_cannot_have(folder: Path, kind: str, name: str, words: str) -> None:
    before = (folder / "model.safetensors").read_bytes()
    with pytest.raises(UserError, match=words):
        export(folder, kind, folder / name)
    assert (folder / "model.safetensors").read_bytes() == before


def test_a_broken_folder_is_said_before_anything_is_written(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"short")
    before = sorted(folder.iterdir())
    with pytest.raises(UserError, match=r"model.safetensors is damaged"):
        export(folder, "pt2")
    assert sorted(folder.iterdir()) == before
