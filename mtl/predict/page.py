"""What a network says of photos, as one HTML file: nothing is loaded from elsewhere, no script runs.

All pictures are data URIs. Files and attributes may be called anything: their names are escaped, and a policy in the
page forbids the browser to load or to run what is not in it.
"""

from collections.abc import Sequence
from html import escape

import numpy as np

from mtl.errors import printable
from mtl.kinds import Kind
from mtl.predict.answers import binary_tasks, in_words, other_tasks
from mtl.predict.pictures import as_uri, shrink
from mtl.predict.seeing import SeenFace, SeenPhoto
from mtl.record.saliency import overlay
from mtl.trained.facts import in_plain_words, shows_faces
from mtl.trained.settings import Settings

CROP, MAP = 160, 64  # longest sides of a face and of its saliency, pixels
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #222; --soft: #767676; --line: #ddd; --track: #ececec;
  --no: #9db4c6; --yes: #2f6690; --mark: #d55e00; }
@media (prefers-color-scheme: dark) { :root { --ground: #17191c; --ink: #e4e4e4; --soft: #9a9a9a; --line: #35393f;
  --track: #2b2f35; --no: #486173; --yes: #7db3da; --mark: #ff9f50; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 80rem; background: var(--ground); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0 0 .4rem; }
h2 { font-size: 1rem; margin: 1rem 0 .6rem; overflow-wrap: anywhere; }
p { margin: 0 0 .6rem; max-width: 48rem; overflow-wrap: anywhere; }
input { margin: 0 .25rem 0 0; }
label { display: inline-block; margin-right: 1.2rem; }
.soft, .skipped { color: var(--soft); }
.skipped img { max-width: 7rem; display: block; margin-top: .3rem; }
.skipped li { overflow-wrap: anywhere; margin-bottom: .4rem; }
article { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0 1.5rem; padding: 1.2rem 0;
  border-top: 1px solid var(--line); content-visibility: auto; contain-intrinsic-size: auto 30rem; }
.photo { position: relative; justify-self: start; align-self: start; overflow: hidden; margin-bottom: 1rem; }
.photo img { display: block; max-width: 100%; height: auto; }
.box { position: absolute; border: 2px solid #ffe14d; box-shadow: 0 0 0 1px #000; }
.box b { position: absolute; left: 0; top: 0; padding: 0 .35em; background: #ffe14d; color: #000; font-size: .75rem; }
.face { display: grid; grid-template-columns: 5.5rem minmax(0, 1fr); gap: 1rem; margin-bottom: 1.2rem; }
article h2 { margin-top: 0; }
.face > div { font-weight: 600; }
.crop { width: 100%; display: block; border-radius: 4px; }
ul { list-style: none; margin: 0; padding: 0; }
.attributes { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15.5rem), 1fr));
  gap: .15rem 1.2rem; align-content: start; }
.attributes li { display: grid; grid-template-columns: minmax(0, 1fr) 5.5rem 3.9rem; gap: .5rem; align-items: center;
  color: var(--soft); }
.attributes.maps { grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); }
.attributes.maps li { grid-template-columns: 4rem minmax(0, 1fr) 3.6rem 3.9rem; }
.attributes img { width: 4rem; display: block; }
.attributes span { overflow-wrap: anywhere; }
.attributes .yes { color: var(--ink); font-weight: 600; }
.bar { position: relative; height: .7rem; background: var(--track); border-radius: 2px; }
.bar::before { content: ""; position: absolute; inset: 0 auto 0 0; width: var(--p); background: var(--no);
  border-radius: 2px; }
.yes .bar::before { background: var(--yes); }
.bar::after { content: ""; position: absolute; top: -2px; bottom: -2px; left: calc(var(--t) - 1px); width: 2px;
  background: var(--mark); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
body:has(#ranked:checked) .attributes li { order: var(--rank); }
body:has(#present:checked) .attributes li:not(.yes) { display: none; }
@media (min-width: 60rem) { article { grid-template-columns: 22.5rem minmax(0, 1fr); }
  article h2 { grid-column: 1 / -1; } }
@media (max-width: 30rem) { .face { grid-template-columns: minmax(0, 1fr); gap: .5rem; } .crop { width: 5.5rem; } }
""".strip()


def show_photo(photo: SeenPhoto, settings: Settings) -> str:
    """Markup of a photo: its thumbnail with boxes, and each face with its attributes."""
    assert photo.thumbnail_HWC is not None
    height, width = photo.thumbnail_HWC.shape[:2]
    boxes = "".join(_box(number, face, photo.sides) for number, face in enumerate(photo.faces, 1))
    faces = "\n".join(_face(number, face, settings) for number, face in enumerate(photo.faces, 1))
    return f"""<article>
<h2><bdi>{_text(str(photo.file))}</bdi></h2>
<div class="photo">{_image(photo.thumbnail_HWC, f'width="{width}" height="{height}"')}{boxes}</div>
<div>
{faces}
</div>
</article>"""


def show_skipped(photo: SeenPhoto) -> str:
    """Markup of a photo without an answer: what is wrong, and its thumbnail if it can be read."""
    assert photo.problem is not None
    picture = "" if photo.thumbnail_HWC is None else _image(photo.thumbnail_HWC)
    return f"<li><bdi>{_text(photo.problem)}</bdi>{picture}</li>"


def show_page(
    title: str, model: str, settings: Settings, shown: Sequence[str], skipped: Sequence[str], with_saliency: bool
) -> str:
    """The whole page.

    Args:
      title: a line of text, as all of it is escaped here.
      model: the folder of the network.
      settings: of the network.
      shown: of `show_photo`, in the order of the photos.
      skipped: of `show_skipped`.
      with_saliency: whether faces have it.
    """
    without = f'<h2>Without an answer: {len(skipped)}</h2>\n<ul class="skipped">\n{_lines(skipped)}\n</ul>\n'
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(title)}</title>
<style>
{STYLE}
</style>
</head>
<body>
<h1>{_text(title)}</h1>
{_lead(model, settings, with_saliency)}
<label><input type="radio" name="order" id="ranked" checked>the likeliest first</label>
<label><input type="radio" name="order">in the network's order</label>
<label><input type="checkbox" id="present">only what is present</label>
<main>
{without if skipped else ""}{_lines(shown)}
</main>
</body>
</html>
"""


def _lead(model: str, settings: Settings, with_saliency: bool) -> str:
    """What the bars are, and what they are not for."""
    size = f"{settings.image_size} x {settings.image_size}"
    what = "face" if shows_faces(settings.trained.get("data")) else "image"
    sentences = [
        f"The network in <bdi>{_text(model)}</bdi> ({_text(settings.backbone)}) saw each {what} in {size} pixels.",
        "A bar is the calibrated probability that an attribute is present. The mark is the threshold that was best on",
        "the validation split; what lies above it is bold and ticked.",
    ]
    if with_saliency:
        sentences.append("The redder a pixel of the picture beside an attribute, the more that answer hangs on it.")
    use = " ".join(filter(None, in_plain_words(settings.trained.get("data"))))
    return f'<p>{_lines(sentences)}</p>\n<p class="soft">{_text(use)}</p>'


def _box(number: int, face: SeenFace, sides: tuple[int, int]) -> str:
    """A frame over the thumbnail, in shares of its sides; faces reach beyond the photo's border."""
    corners = np.clip(100 * face.crop.box_4 / np.tile(sides, 2), 0, 100)
    (left, top), (width, height) = corners[:2], corners[2:] - corners[:2]
    place = f"left:{left:.2f}%;top:{top:.2f}%;width:{width:.2f}%;height:{height:.2f}%"
    return f'<span class="box" style="{place}"><b>{number}</b></span>'


def _face(number: int, face: SeenFace, settings: Settings) -> str:
    rank_K = (-face.answer.probability_K).argsort(kind="stable").argsort()
    attributes = enumerate(binary_tasks(settings))
    rows = [_attribute(k, int(rank_K[k]), face, task, settings) for k, task in attributes]
    rows += [_other(face, task, kind, settings) for task, kind in other_tasks(settings).items()]
    kind = "attributes" if face.answer.saliency_KHW is None else "attributes maps"
    what = "Face" if shows_faces(settings.trained.get("data")) else "Image"
    crop = _image(shrink(_channels_last(face), CROP), 'class="crop"', f"{what.lower()} {number}")
    return f"""<section class="face">
<div>{crop}{what} {number}</div>
<ul class="{kind}">
{_lines(rows)}
</ul>
</section>"""


def _attribute(k: int, rank: int, face: SeenFace, task: str, settings: Settings) -> str:
    answer = face.answer
    percent, is_present = 100 * answer.probability_K[k], answer.at_threshold_K[k]
    places = f"--p:{percent:.1f}%;--t:{100 * settings.thresholds[task]:.1f}%"
    return (
        f'<li{" class=yes" if is_present else ""} style="--rank:{rank}">{_map(face, task, settings)}'
        f'<span>{_text(task.replace("_", " "))}</span><span class="bar" style="{places}"></span>'
        f'<span class="number">{percent:.0f}%{" ✓" if is_present else ""}</span></li>'
    )


def _other(face: SeenFace, task: str, kind: Kind, settings: Settings) -> str:
    words = _text(in_words(kind, face.answer.others[task]))
    return (
        f'<li class=yes style="--rank:-1">{_map(face, task, settings)}<span>{_text(task.replace("_", " "))}</span>'
        f"<span></span><span class=number>{words}</span></li>"
    )


def _map(face: SeenFace, task: str, settings: Settings) -> str:
    """The picture beside a task: what its answer hangs on."""
    if face.answer.saliency_KHW is None:
        return ""
    saliency_HW = face.answer.saliency_KHW[settings.tasks.index(task)]
    return _image(shrink(overlay(_channels_last(face), saliency_HW), MAP))


def _image(image_HWC: np.ndarray, attributes: str = "", alternative: str = "") -> str:
    return f'<img {attributes} src="{as_uri(image_HWC)}" alt="{alternative}" loading="lazy">'


def _channels_last(face: SeenFace) -> np.ndarray:
    return face.crop.image_CHW.transpose(1, 2, 0)


def _text(text: str) -> str:
    return escape(printable(text))


def _lines(parts: Sequence[str]) -> str:
    return "\n".join(parts)
