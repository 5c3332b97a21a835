"""Packaging of `mtl`. Every version bound carries its reason."""

from setuptools import find_packages, setup

REPORT = [
    "scipy>=1.13",  # Student's t; 1.13: first with NumPy 2
    "matplotlib>=3.11",  # figures; 3.11: what was tried
    "typst>=0.15",  # typesets report.pdf, offline; 0.15: what was tried
    "av>=18",  # encodes demo.mp4 and brings its own H.264; 18: what was tried
]
PARQUET = [
    "pyarrow>=26",  # reads the hub's parquet files; 26: what was tried
]
BENCH = [
    "torchjd[full]>=0.18",  # the same methods by others; full: quadprog and cvxpy, which solve; 0.18: what was tried
]
PHOTOS = [
    "mtcnn>=1.0,<2",  # 2 MB: only the weights in it are read, whose layout is that of 1.0; brings joblib and lz4
]
EXPORT = [
    "onnx>=1.23",  # the format; 1.23: what was tried
    "onnxscript>=0.7",  # torch's exporter translates with it; 0.7: what was tried
    "onnxruntime>=1.31",  # runs what was written, to compare; 1.31: what was tried
]
TENSORBOARD = [
    "tensorboard>=2.21",  # writes event files and shows them; 2.21: what was tried
]

setup(
    name="mtl",
    version="0.1.0",
    description="Multi-task learning of face attributes with Dropped Scheduled Task, as pure functions in PyTorch",
    python_requires=">=3.11",  # what the committed results were made with
    packages=[*find_packages(include=["mtl", "mtl.*"]), "mtl.shipped.configs", "mtl.shipped.pretrained"],
    package_dir={  # mtl.command finds them there, once installed
        "mtl.shipped.configs": "configs",
        "mtl.shipped.pretrained": "artifacts/pretrained",
    },
    package_data={
        "mtl": ["py.typed"],
        "mtl.app": ["page.*"],
        "mtl.data": ["*.json"],
        "mtl.report": ["*.typ"],
        "mtl.shipped.pretrained": ["*"],
    },
    entry_points={"console_scripts": ["mtl = mtl.cli:main"]},
    license="MIT",
    install_requires=[
        "torch>=2.12",  # the lowest on which tests of step, compile and gradients ran; results are from 2.14
        "torchvision>=0.27",  # 0.27 goes with torch 2.12; networks and their weights come from it
        "einops>=0.8.2",  # 0.8.2: what was tried; torch.compile takes its operations whole
        "numpy>=2.0",  # 2.0: NumPy scalars print and promote as in the committed artifacts
        "absl-py>=2.1",
        "ml-collections>=1.0",  # 1.0: config_flags understands tuples on the command line
        "pillow>=11",  # torchvision needs it anyway; it decodes images and draws faces
    ],
    extras_require={
        "report": REPORT,
        "ray": ["ray>=2.60"],  # --launcher=ray; 2.60: what was tried; not in [test]: 240 MB, and its test takes long
        "test": [
            *REPORT,
            *BENCH,
            *PARQUET,
            *TENSORBOARD,
            *PHOTOS,
            "pytest>=8.4",  # 8.4: reports warnings raised in threads as errors
            "pytest-xdist>=3.8",  # a worker per core; 3.8: what was tried
            "hypothesis>=6.100",
            "safetensors>=0.8",  # reads what mtl.trained writes, and the other way round; 0.8: what was tried
            "pypdf>=7",  # reads the report's text back; 7: what was tried
        ],
        "bench": BENCH,
        "parquet": PARQUET,
        "tensorboard": TENSORBOARD,
        "photos": PHOTOS,
        "export": EXPORT,
        "lint": ["ruff>=0.14", "mypy>=1.18"],
    },
)
