"""ONNX: a file for onnxruntime and others, which need neither torch nor this package.

Of torch's two exporters this is the one that follows torch.export's graph; the other, by tracing, is deprecated.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor
from torch.export import ExportedProgram

from mtl.errors import UserError, not_installed
from mtl.export.graph import trace
from mtl.export.metadata import metadata
from mtl.models.weights import first_line
from mtl.record.files import write_bytes
from mtl.trained.folder import Loaded

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
OPSET = 18  # the one that torch's translation is written in; others are converted from it
MAX_BYTES = 2_000_000_000  # of the numbers; protobuf ends at 2^31
INPUT, OUTPUT = "images", "probabilities"


def check_installed() -> None:
    """Raises:
    UserError: if a package of the extra is missing.
    """
    for package in PACKAGES:
        try:
            import_module(package)
        except ImportError as error:
            raise not_installed("ONNX is written and checked", error.name or package, "export") from None


def write(loaded: Loaded, path: Path) -> None:
    """Writes the graph with its numbers in one file.

    Raises:
      UserError: if the network is too large for the format, or ONNX has no words for it.
    """
    program = trace(loaded)
    num_bytes = sum(value.nbytes for value in program.state_dict.values())
    if num_bytes > MAX_BYTES:
        raise UserError(f"the network has {num_bytes / 1e9:.1f} GB, and an ONNX file ends at 2: choose the format pt2")
    write_bytes(path, _translate(program, metadata(loaded.settings, PACKAGES) | {"opset": str(OPSET)}))


def _translate(program: ExportedProgram, properties: dict[str, str]) -> bytes:
    try:
        translated = torch.onnx.export(
            program,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: "batch"},),
            opset_version=OPSET,
            verbose=False,
        )
    except RuntimeError as error:
        why = error.__cause__ if isinstance(error.__cause__, Exception) else error  # torch's own text is on its steps
        raise UserError(f"ONNX cannot say what the network does ({first_line(why)}): choose the format pt2") from error
    assert translated is not None
    for node in translated.model.graph.all_nodes():
        node.metadata_props.clear()  # where in this package and in torch it comes from
    translated.model.metadata_props.update(properties)
    return translated.model_proto.SerializeToString()


def run(path: Path) -> Callable[[Tensor], Tensor]:
    """Images to probabilities as onnxruntime computes them, on as many threads as torch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda images_BCHW: torch.from_numpy(session.run([OUTPUT], {INPUT: images_BCHW.numpy()})[0])
