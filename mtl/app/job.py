"""--job=app: loads model folders and opens the page."""

from functools import cache
from pathlib import Path

import numpy as np
import torch

from mtl.app.answers import load_network
from mtl.app.server import open_server, serve
from mtl.errors import UserError
from mtl.photos.faces import Face, find_faces
from mtl.photos.networks import load_networks

MOST = 2  # networks side by side


def open_page(folders: str, port: int, device: torch.device) -> None:
    """Opens the page and answers until Ctrl-C.

    Args:
      folders: one model folder, or two with a comma between them.
      port: of this machine.
      device: where the networks compute; faces are found on the CPU.

    Raises:
      UserError: a folder is none of a model, or the port is in use.
    """
    networks = [load_network(folder, device) for folder in split_folders(folders)]
    server = open_server(networks, find, port)
    print(f"{server.url} is the page; it is there for browsers of this machine, until Ctrl-C", flush=True)
    serve(server)
    print("\nmtl: the page is closed", flush=True)


def split_folders(folders: str) -> list[Path]:
    """The folders that --model names.

    Raises:
      UserError: none, or too many.

    Example:
      >>> [folder.as_posix() for folder in split_folders("a/model,b/model")]
      ['a/model', 'b/model']
    """
    names = [name.strip() for name in folders.split(",") if name.strip()]
    if not 1 <= len(names) <= MOST:
        raise UserError(
            f"--job=app shows one network, or two side by side, and --model={folders} names {len(names)}: give "
            "--model=DIR or --model=DIR,DIR2"
        )
    return [Path(name).expanduser() for name in names]


def find(photo_HWC: np.ndarray) -> list[Face]:
    """A photo's faces. The detector is loaded when it is first wanted: aligned crops need none.

    Raises:
      UserError: the package that finds faces is not installed.
    """
    return find_faces(photo_HWC, _detector())


_detector = cache(load_networks)
