"""Whether a network decides the same of a photo as of the aligned image that is in it.

The photos are those of benchmarks/photos.py: faces of the test split, turned, made larger and put on a wall, every
fourth photo with two of them. Each is found, aligned and shown to the network, and so is the aligned image itself.
Reported are, for each model folder and over all faces and attributes,
  agree_at_half, agree_at_threshold   the share of decisions that are the same, at 0.5 and at the folder's thresholds;
                                      those on a face that was not found count as different
  changed_median, changed_most        share of the faces on which an attribute's decision at its threshold differs:
                                      median over attributes, and the three with the most
  probability                         mean absolute difference of the calibrated probabilities
  upright                             the same for images that were made larger and not turned: what finding and
                                      aligning alone change

Command: python benchmarks/unaligned.py --models=DIR,DIR --root=DIR --photos=DIR
         writes artifacts/benchmarks/unaligned_<device>.json
The photos stay in --photos, which must lie outside of the repository: they show CelebA's images.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from absl import app, flags
from photos import NUMBER, SEED, Placed, make_photos, match
from result import write_result

from mtl.data.decoding import fit
from mtl.photos.crops import crop_faces
from mtl.predict.answers import Answer, make_ask
from mtl.trained.folder import Loaded, load_model

MODELS = flags.DEFINE_list("models", None, "model folders", required=True)
Pair = tuple[Answer, Answer]  # of the aligned image, and of the face found in the photo


def ask_pairs(loaded: Loaded, photos: dict[Path, list[Placed]]) -> list[Pair]:
    """Of each face that is found in its photo."""
    settings, aligned, found = loaded.settings, [], []
    for photo in crop_faces([*photos], settings.image_size, settings.crop):
        for placed in photos[photo.file]:
            face = match(placed, photo.faces)
            if face is not None:
                original = torch.from_numpy(placed.original_HWC).permute(2, 0, 1)
                aligned.append(fit(original, settings.image_size, settings.crop).numpy())
                found.append(face.image_CHW)
    ask = make_ask(loaded)
    return [*zip(ask(np.stack(aligned)), ask(np.stack(found)), strict=True)]


def compare(pairs: Sequence[Pair], num_faces: int, tasks: Sequence[str]) -> dict[str, Any]:
    """The figures named above."""
    at_half, at_threshold = (
        np.array([getattr(one, name) == getattr(other, name) for one, other in pairs])
        for name in ("at_half_K", "at_threshold_K")
    )
    changed_K = 1 - at_threshold.mean(axis=0)
    most = np.argsort(-changed_K, kind="stable")[:3]
    differences = [np.abs(one.probability_K - other.probability_K).mean() for one, other in pairs]
    return {
        "faces": num_faces,
        "found": len(pairs),
        "decisions": num_faces * len(tasks),
        "agree_at_half": float(at_half.sum() / (num_faces * len(tasks))),
        "agree_at_threshold": float(at_threshold.sum() / (num_faces * len(tasks))),
        "changed_median": float(np.median(changed_K)),
        "changed_most": {tasks[k]: float(changed_K[k]) for k in most},
        "probability": float(np.mean(differences)),
    }


def main(_: Sequence[str]) -> None:
    turned, upright = make_photos()
    result: dict[str, Any] = {}
    for folder in MODELS.value:
        loaded = load_model(folder)
        result[folder] = {
            name: compare(ask_pairs(loaded, photos), sum(map(len, photos.values())), loaded.settings.tasks)
            for name, photos in (("photos", turned), ("upright", upright))
        }
        for name, figures in result[folder].items():
            shares = ", ".join(f"{figures[key]:.1%} {key}" for key in ("agree_at_half", "agree_at_threshold"))
            print(f"{folder}, {name}: {figures['found']} of {figures['faces']} faces found, {shares}")
    write_result(
        "unaligned_cpu",
        {"models": result, "seed": SEED.value, "number": NUMBER.value},
        torch.device("cpu"),
        ["mtcnn"],
    )


if __name__ == "__main__":
    app.run(main)
