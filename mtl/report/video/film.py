"""Pictures in, an H.264 film out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from mtl.errors import not_installed
from mtl.progress import progress
from mtl.record.atomic import write_atomically
from mtl.report.video.canvas import Drawing, render

# x264's AVX-512 code for its macroblock tree takes 8 macroblocks of a row at a time, without a mask. Where the width is
# no multiple of 128 pixels, it also counts what memory happens to hold after the last row, and the bytes vary from one
# film to the next. `cpu-independent` takes the plain C code there: the same bytes every time, on every processor.
ENCODER: dict[str, object] = {
    "preset": "veryfast",
    "crf": "20",
    "maxrate": "1M",
    "bufsize": "2M",
    "x264-params": "cpu-independent=1",
}


class Shot(NamedTuple):
    """A picture that stands for a while; the first `fade` seconds blend it with the one before."""

    drawing: Drawing
    seconds: float
    fade: float = 0.0


def length(shots: Sequence[Shot]) -> float:
    """How long the shots last together, seconds."""
    return sum(shot.seconds for shot in shots)


def write_film(shots: Sequence[Shot], path: Path, size: tuple[int, int], fps: int, show_progress: bool) -> None:
    """Encodes the shots as H.264 in yuv420p, readable while it loads, at most 1 Mbit/s; the same bytes every time.

    Args:
      shots: in order.
      path: of the file, which is replaced as a whole.
      size: width and height, even numbers of pixels.
      fps: frames per second.
      show_progress: whether to say on standard error how far it is.

    Raises:
      UserError: if PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise not_installed("the video is encoded", "PyAV") from error
    num_frames = round(length(shots) * fps)
    showing = progress(path.name, num_frames) if show_progress else nullcontext(lambda done: None)

    def write(unfinished: Any) -> None:
        with (
            showing as update,
            av.open(str(unfinished.path), "w", format="mp4", options={"movflags": "+faststart"}) as file,
        ):
            _encode(shots, file, size, fps, update)

    write_atomically(path, write)


def _encode(shots: Sequence[Shot], file: Any, size: tuple[int, int], fps: int, update: Callable[[int], None]) -> None:
    """Encodes the shots into a container of PyAV."""
    import av
    from av.video.reformatter import Colorspace

    stream = file.add_stream("libx264", rate=fps)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1  # what the encoder writes depends on its threads
    # 1 = BT.709 and limited range: else players guess the colours from the size of the frames.
    stream.codec_context.colorspace = stream.codec_context.color_primaries = stream.codec_context.color_trc = 1
    stream.codec_context.color_range = 1
    stream.options = ENCODER
    done = 0
    for image, num_repeats in frames(shots, size, fps):
        rgb = av.VideoFrame.from_image(image)
        frame = rgb.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
        for _ in range(num_repeats):
            frame.pts = done
            file.mux(stream.encode(frame))
            done += 1
            update(done)
    file.mux(stream.encode(None))


def frames(shots: Sequence[Shot], size: tuple[int, int], fps: int) -> Iterator[tuple[Image.Image, int]]:
    """The distinct frames in order, each with how often it is repeated; together `length(shots) * fps` of them."""
    last: Image.Image | None = None
    elapsed = 0.0
    for shot in shots:
        num_repeats = round((elapsed + shot.seconds) * fps) - round(elapsed * fps)
        elapsed += shot.seconds
        if num_repeats == 0:
            continue
        image = render(shot.drawing, size)
        num_blends = min(round(shot.fade * fps), num_repeats - 1) if last is not None else 0
        for n in range(1, num_blends + 1):
            assert last is not None
            yield Image.blend(last, image, n / (num_blends + 1)), 1
        yield image, num_repeats - num_blends
        last = image
