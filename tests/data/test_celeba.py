import io
import shutil
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from mtl.data.celeba import read_table
from mtl.data.pack import open_pack
from mtl.data.table import Table, select_attributes, settle, take_rows
from mtl.errors import UserError
from tests.data.celeba_files import NAMES, make_ids, make_values, write, write_csv, write_images, write_txt, write_zip

NUM = 7
VALUES = make_values(NUM, num_missing=3)
REAL = Path(__file__).parents[2] / "../shared/data/celeba"


def assert_is_written(table: Table, values: np.ndarray = VALUES) -> None:
    assert table.ids.tolist() == make_ids(len(values))
    assert table.attributes == NAMES
    np.testing.assert_array_equal(table.labels, values == 1)
    np.testing.assert_array_equal(table.mask, values != 0)
    np.testing.assert_array_equal(table.split, np.arange(len(values)) % 3)
    assert (table.labels.dtype, table.mask.dtype) == (bool, bool)
    assert (table.split.dtype, table.identity.dtype) == (np.int8, np.int32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Official files in a folder of their own."""
    write_txt(tmp_path, VALUES)
    write_images(tmp_path / "img_align_celeba", NUM)
    return tmp_path


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize("gap", [" ", "  "])
@pytest.mark.parametrize("sub_folder", ["", "celeba"])
def test_reads_official_files(tmp_path: Path, newline: str, gap: str, sub_folder: str) -> None:
    write_txt(tmp_path / sub_folder, VALUES, newline, gap)
    write_images(tmp_path / sub_folder / "img_align_celeba", NUM)
    table = read_table(tmp_path)
    assert_is_written(table)
    np.testing.assert_array_equal(table.identity, np.arange(NUM) // 2 + 7)
    assert table.source == (tmp_path / sub_folder / "img_align_celeba", "")


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_reads_kaggles_files(tmp_path: Path, newline: str) -> None:
    write_csv(tmp_path, VALUES, newline)
    write_images(tmp_path / "img_align_celeba/img_align_celeba", NUM)
    table = read_table(tmp_path)
    assert_is_written(table)
    assert (table.identity == -1).all()
    assert table.source == (tmp_path / "img_align_celeba/img_align_celeba", "")


def test_reads_quoted_cells(tmp_path: Path) -> None:
    write_csv(tmp_path, VALUES)
    write_images(tmp_path / "img_align_celeba", NUM)
    edit("list_attr_celeba.csv", "000001.jpg", '"000001.jpg"')(tmp_path)
    edit("list_attr_celeba.csv", "Bald", '"Bald"')(tmp_path)
    assert_is_written(read_table(tmp_path))


def test_reads_a_text_with_a_byte_order_mark(root: Path) -> None:
    path = root / "list_attr_celeba.txt"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert_is_written(read_table(root))


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_reads_any_spacing(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    root = tmp_path_factory.mktemp("celeba")
    write_txt(root, VALUES)
    write_zip(root / "img_align_celeba.zip", NUM)
    gaps = st.text(" \t", min_size=1, max_size=3)
    margins, ends = st.text(" \t", max_size=2), st.sampled_from(["\n", "\r\n"])
    rows = [[name, *map(str, row)] for name, row in zip(make_ids(NUM), VALUES, strict=True)]
    text = f"{NUM}\n{' '.join(NAMES)}\n"
    for row in rows:
        line = "".join(data.draw(gaps) + field for field in row).lstrip()
        text += data.draw(margins) + line + data.draw(margins) + data.draw(ends)
    (root / "list_attr_celeba.txt").write_bytes(text.rstrip("\r\n" if data.draw(st.booleans()) else "").encode())
    assert_is_written(read_table(root))


@pytest.mark.parametrize("prefix", ["img_align_celeba/", "img_align_celeba/img_align_celeba/", ""])
def test_finds_images_in_a_zip(tmp_path: Path, prefix: str) -> None:
    write_txt(tmp_path, VALUES)
    write_zip(tmp_path / "img_align_celeba.zip", NUM, prefix)
    assert read_table(tmp_path).source == (tmp_path / "img_align_celeba.zip", prefix)


def save_as(ending: str, data: bytes) -> bytes:
    """The picture in the format of an ending, lying on its side where its EXIF orientation can say so."""
    image, exif, stream = Image.open(io.BytesIO(data)), Image.Exif(), io.BytesIO()
    if ending != ".bmp":
        image, exif[ExifTags.Base.Orientation] = image.transpose(Image.Transpose.ROTATE_90), 6
    options = {"lossless": True} if ending == ".webp" else {}
    image.save(stream, Image.registered_extensions()[ending.lower()], exif=exif, **options)
    return stream.getvalue()


@pytest.mark.parametrize("in_zip", [False, True])
@pytest.mark.parametrize("ending", [".png", ".PNG", ".webp", ".bmp", ".tiff"])
def test_images_of_other_formats_than_the_list_says(root: Path, ending: str, in_zip: bool, tmp_path: Path) -> None:
    """One is left as it was; the pack is that of the images as the list names them."""
    expected = open_pack(read_table(root), 16, "full", root / "cache").digest
    folder = root / "img_align_celeba"
    for name in make_ids(NUM)[1:]:
        data = (folder / name).read_bytes()
        (folder / name).unlink()
        (folder / name).with_suffix(ending).write_bytes(save_as(ending, data))
    if in_zip:
        with ZipFile(root / "img_align_celeba.zip", "w") as archive:
            for path in sorted(folder.iterdir(), reverse=True):
                archive.write(path, f"faces/{path.name}")
        shutil.rmtree(folder)
    table = read_table(root)
    assert table.ids.tolist() == ["000001.jpg", *(f"{number:06d}{ending}" for number in range(2, NUM + 1))]
    assert_is_written(table._replace(ids=np.array(make_ids(NUM))))
    assert open_pack(table, 16, "full", root / "cache").digest == expected


def test_celebas_folder_of_png_is_found(root: Path) -> None:
    (root / "img_align_celeba").rename(root / "img_align_celeba_png")
    for path in (root / "img_align_celeba_png").iterdir():
        path.rename(path.with_suffix(".png"))
    assert read_table(root).source.path == root / "img_align_celeba_png"


def test_of_several_formats_the_first_is_taken_and_names_as_listed_before_all(root: Path) -> None:
    first = root / "img_align_celeba/000001.jpg"
    for ending in (".webp", ".png", ".txt"):
        first.with_suffix(ending).write_bytes(b"")
    assert read_table(root).ids.tolist() == make_ids(NUM)
    first.unlink()
    assert read_table(root).ids[0] == "000001.png"
    write_zip(root / "img_align_celeba.zip", NUM)
    assert read_table(root).source.path == root / "img_align_celeba.zip"


def test_prefers_a_whole_zip_to_a_partly_unpacked_folder(root: Path) -> None:
    write_zip(root / "img_align_celeba.zip", NUM)
    assert read_table(root).source.path == root / "img_align_celeba"
    (root / "img_align_celeba/000003.jpg").unlink()
    assert read_table(root).source.path == root / "img_align_celeba.zip"


def test_identity_file_is_optional(root: Path) -> None:
    (root / "identity_CelebA.txt").unlink()
    table = read_table(root)
    assert_is_written(table)
    assert (table.identity == -1).all()


def edit(path: str, old: str, new: str) -> Callable[[Path], None]:
    """A change of one place in a file."""

    def change(root: Path) -> None:
        text = (root / path).read_bytes()
        assert old.encode() in text
        (root / path).write_bytes(text.replace(old.encode(), new.encode(), 1))

    return change


def put(path: str, text: str) -> Callable[[Path], None]:
    return lambda root: write(root / path, text.splitlines(), "\n")


def remove(*paths: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        for path in paths:
            (root / path).unlink()

    return change


ATTRIBUTES, PARTITION, IDENTITY = "list_attr_celeba.txt", "list_eval_partition.txt", "identity_CelebA.txt"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove(ATTRIBUTES), r"neither list_attr_celeba.txt nor list_attr_celeba.csv is in .* set root"),
        (remove(PARTITION), r"neither list_eval_partition.txt nor list_eval_partition.csv is in"),
        (
            put(ATTRIBUTES, "\n<!DOCTYPE html><html>Quota exceeded</html>"),
            r"list_attr.* is a web page.* quota.* download",
        ),
        (put(PARTITION, "<html></html>"), r"list_eval_partition.txt is a web page"),
        (edit(ATTRIBUTES, "7\r\n", "8\r\n"), r"line 1 of .*list_attr_celeba.txt says '8', and 7 images follow"),
        (edit(ATTRIBUTES, "7\r\n", "seven\r\n"), r"line 1 of .* says 'seven'"),
        (put(ATTRIBUTES, ""), r"list_attr_celeba.txt cannot be read \(it is empty\)"),
        (put(ATTRIBUTES, "7"), r"names no attributes in line 2"),
        (put(ATTRIBUTES, "0\nBald Male"), r"line 3 of .*list_attr_celeba.txt has 0 fields, where 3"),
        (edit(ATTRIBUTES, "Male", "Bald"), r"header of .* has Bald 2 times"),
        (edit(ATTRIBUTES, "000004.jpg", "000004.jpg 1"), r"line 6 of .*list_attr_celeba.txt has 6 fields, where 5"),
        (edit(ATTRIBUTES, "\r\n000005.jpg", " 000005.jpg"), r"line 6 of .* has 10 fields, where 5"),
        (edit(ATTRIBUTES, "000003.jpg", "000002.jpg"), r"list_attr_celeba.txt has 000002.jpg more than once"),
        (
            edit(PARTITION, "000004.jpg 0", "000004.jpg 3"),
            r"line 4 of .*list_eval_partition.txt has '3', where 0 \(train\)",
        ),
        (edit(PARTITION, "000004.jpg 0", "000004.jpg"), r"line 4 of .*list_eval_partition.txt has 1 fields, where 2"),
        (edit(PARTITION, "000004.jpg", "000040.jpg"), r"line 4 of .* is about 000040.jpg, where .* has 000004.jpg"),
        (edit(PARTITION, "000007.jpg 0\r\n", ""), r"list_eval_partition.txt lists 6 images and the attributes' list 7"),
        (edit(IDENTITY, "000002.jpg", "2.jpg"), r"line 2 of .*identity_CelebA.txt is about 2.jpg"),
        (
            edit(IDENTITY, "000002.jpg 7", "000002.jpg x7"),
            r"line 2 of .*identity_CelebA.txt has 'x7', where the number",
        ),
        (edit(IDENTITY, "000002.jpg 7", "000002.jpg -7"), r"line 2 of .*identity_CelebA.txt has '-7'"),
        (remove("img_align_celeba/000002.jpg"), r"img_align_celeba lacks 1 of 7 images \(000002.jpg\): unpack"),
        (
            remove(*(f"img_align_celeba/00000{number}.jpg" for number in (2, 3, 5, 7))),
            r"lacks 4 of 7 images \(000002.jpg, 000003.jpg, 000005.jpg, \.\.\.\)",
        ),
    ],
)
def test_refuses_a_bad_file(root: Path, change: Callable[[Path], None], message: str) -> None:
    change(root)
    with pytest.raises(UserError, match=message) as error:
        read_table(root)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", ["2", "-2", "--", "1.0", "-1.0", "11", "-11", "x", "01", "-"])
def test_refuses_a_label_that_is_none(root: Path, value: str) -> None:
    row = make_values(NUM)[0]
    fields = " ".join(["000001.jpg", *map(str, row[:2]), value, str(row[3])])
    lines = (root / ATTRIBUTES).read_text().splitlines()
    write(root / ATTRIBUTES, [*lines[:2], fields, *lines[3:]], "\r\n")
    with pytest.raises(UserError, match=rf"line 3 of .*list_attr_celeba.txt has the label '{value}', where 1, -1 or"):
        read_table(root)


def test_a_zero_is_missing_in_a_text_and_wrong_in_a_csv(tmp_path: Path) -> None:
    write_csv(tmp_path, VALUES)
    write_images(tmp_path / "img_align_celeba", NUM)
    lines = (tmp_path / "list_attr_celeba.csv").read_text().splitlines()
    write(tmp_path / "list_attr_celeba.csv", [*lines[:-1], "000007.jpg,1,1,-1,0"], "\n")
    with pytest.raises(
        UserError, match=r"line 8 of .*list_attr_celeba.csv has the label '0', where .* nothing should be"
    ):
        read_table(tmp_path)


def write_zero_one(root: Path, is_csv: bool, num_missing: int) -> np.ndarray:
    """Labels coded 0 and 1; returns them as the files usually have them, -1, 1 and 0 for the missing ones."""
    values = make_values(NUM, num_missing)
    write_images(root / "img_align_celeba", NUM)
    (write_csv if is_csv else write_txt)(root, values)
    path = root / f"list_attr_celeba.{'csv' if is_csv else 'txt'}"
    path.write_bytes(path.read_bytes().replace(b"-1", b" 0" if not is_csv else b"0"))
    return values


@pytest.mark.parametrize(("is_csv", "num_missing"), [(False, 0), (True, 0), (True, 3)])
def test_a_list_with_0_and_no_minus_1_is_read_as_absent_and_present(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], is_csv: bool, num_missing: int
) -> None:
    values = write_zero_one(tmp_path, is_csv, num_missing)
    table = read_table(tmp_path)
    assert_is_written(table, values)
    kind = "csv" if is_csv else "txt"
    assert capsys.readouterr().err == (
        f"warning: {tmp_path}/list_attr_celeba.{kind} has 0 and no -1, so 0 is read as absent, not as missing\n"
    )


def test_one_minus_1_makes_a_0_a_missing_label(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = np.where(VALUES == -1, 0, VALUES)
    values[2, 1] = -1
    write_txt(root, values)
    assert_is_written(read_table(root), values)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("write_list", [write_txt, write_csv])
def test_a_list_of_1_alone_is_nothing_to_warn_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], write_list: Callable[[Path, np.ndarray], None]
) -> None:
    write_images(tmp_path / "img_align_celeba", NUM)
    write_list(tmp_path, np.ones_like(VALUES))
    assert_is_written(read_table(tmp_path), np.ones_like(VALUES))
    assert capsys.readouterr().err == ""


def test_refuses_a_csv_row_without_all_its_cells(tmp_path: Path) -> None:
    write_csv(tmp_path, VALUES)
    edit("list_attr_celeba.csv", "000003.jpg,", "000003.jpg,,")(tmp_path)
    with pytest.raises(UserError, match=r"line 4 of .*list_attr_celeba.csv has 6 fields, where 5 should be"):
        read_table(tmp_path)


@pytest.mark.parametrize(("length", "message"), [(1, r"line 4 of .* fields, where 5"), (200_000, r"no whole CSV file")])
def test_refuses_a_csv_with_half_a_pair_of_quotation_marks(tmp_path: Path, length: int, message: str) -> None:
    write_csv(tmp_path, VALUES)
    edit("list_attr_celeba.csv", "000003.jpg", '"' + "3" * length)(tmp_path)
    with pytest.raises(UserError, match=message):
        read_table(tmp_path)


def test_refuses_a_bad_value_in_a_csv_partition(tmp_path: Path) -> None:
    write_csv(tmp_path, VALUES)
    edit("list_eval_partition.csv", "000003.jpg,2", "000003.jpg,test")(tmp_path)
    with pytest.raises(UserError, match=r"line 4 of .*list_eval_partition.csv has 'test', where 0 \(train\)"):
        read_table(tmp_path)


def test_refuses_a_missing_root(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere is not a folder: set root"):
        read_table(tmp_path / "nowhere")


@pytest.mark.parametrize("split", [0, 1, 2])
def test_refuses_a_split_without_images(root: Path, split: int) -> None:
    others = [part for part in range(3) if part != split]
    write(root / PARTITION, [f"{name} {others[row % 2]}" for row, name in enumerate(make_ids(NUM))], "\n")
    with pytest.raises(UserError, match=rf"no image of the {('train', 'valid', 'test')[split]} split \({split}\)"):
        read_table(root)


def test_refuses_images_that_are_nowhere(tmp_path: Path) -> None:
    write_txt(tmp_path, VALUES)
    with pytest.raises(UserError, match=r"neither the folder img_align_celeba nor img_align_celeba.zip is in"):
        read_table(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06", b"PK\x05\x06" + bytes(10)])
def test_refuses_what_is_no_zip(tmp_path: Path, content: bytes) -> None:
    write_txt(tmp_path, VALUES)
    (tmp_path / "img_align_celeba.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"img_align_celeba.zip is not a whole zip file"):
        read_table(tmp_path)


def test_refuses_a_zip_that_is_cut_short_or_lacks_images(tmp_path: Path) -> None:
    write_txt(tmp_path, VALUES)
    path = tmp_path / "img_align_celeba.zip"
    write_zip(path, NUM - 2)
    with pytest.raises(UserError, match=r"img_align_celeba.zip lacks 2 of 7 images \(000006.jpg, 000007.jpg\)"):
        read_table(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match=r"img_align_celeba.zip is not a whole zip file"):
        read_table(tmp_path)


def put_bytes(change: Callable[[bytes], bytes], path: str) -> Callable[[Path], None]:
    return lambda root: (root / path).write_bytes(change((root / path).read_bytes())) and None


@pytest.mark.parametrize("path", [ATTRIBUTES, PARTITION, IDENTITY])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.decode().encode("utf-16"), "is UTF-16 or no text at all: save it as UTF-8"),
        (lambda data: data.decode().encode("utf-16-le"), "is UTF-16 or no text at all"),
        (
            lambda data: data.replace(b"000003.jpg", b"3" * 2_000_000),
            r"line \d of .* has 2,000,0.. characters: the",
        ),
        (lambda data: data.replace(b"000003.jpg", b"3" * 300), r"line \d of .* has a field of 300 characters, where a"),
        (lambda data: data.replace(b"000003.jpg", b"000003.jpg\0"), "no text at all"),
    ],
)
def test_refuses_what_is_no_list_before_it_takes_memory(
    root: Path, path: str, change: Callable[[bytes], bytes], message: str
) -> None:
    put_bytes(change, path)(root)
    with pytest.raises(UserError, match=rf"{path}.*{message}|{message}"):
        read_table(root)


def test_refuses_a_list_of_gigabytes_unread(root: Path) -> None:
    with (root / ATTRIBUTES).open("wb") as file:
        file.truncate(3 * 2**30)  # a hole
    with pytest.raises(UserError, match=r"cannot be read \(it has 3,072 MiB, and at most 128 are read\)"):
        read_table(root)


def test_digits_that_are_no_numbers_are_nobody(root: Path) -> None:
    edit(IDENTITY, "000002.jpg 7", "000002.jpg ²")(root)
    with pytest.raises(UserError, match=r"line 2 of .*identity_CelebA.txt has '²', where the number"):
        read_table(root)


def test_two_names_of_one_file_are_refused(root: Path) -> None:
    for path in (ATTRIBUTES, PARTITION, IDENTITY):
        edit(path, "000003.jpg", "a/000003.jpg")(root)
        edit(path, "000004.jpg", "b/000003.jpg")(root)
    with pytest.raises(UserError, match=r"000003.jpg is the only file for both a/000003.jpg and b/000003.jpg"):
        read_table(root)


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    write_txt(tmp_path, VALUES)
    write_zip(tmp_path / "img_align_celeba.zip", NUM)
    return tmp_path


def edit_directory(root: Path, offset: int, value: bytes) -> None:
    """Changes the first entry of the zip's directory."""
    path = root / "img_align_celeba.zip"
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + offset
    data[at : at + len(value)] = value
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (8, b"\1\0", r"img_align_celeba.zip is encrypted \(img_align_celeba/000001.jpg is\): unpack it"),
        (10, b"\x0e\0", r"img_align_celeba.zip is compressed in a way that may take any amount of memory"),  # LZMA
        (46 + len("img_align_celeba/00000"), b"2", r"holds img_align_celeba/000002.jpg 2 times"),
    ],
)
def test_refuses_odd_members_of_a_zip(zipped: Path, offset: int, value: bytes, message: str) -> None:
    edit_directory(zipped, offset, value)
    with pytest.raises(UserError, match=message):
        read_table(zipped)


def test_members_outside_of_the_zip_are_not_looked_at(zipped: Path) -> None:
    with ZipFile(zipped / "img_align_celeba.zip") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with ZipFile(zipped / "img_align_celeba.zip", "w") as archive:
        for outside in ("../../000001.jpg", "/000001.jpg", "img_align_celeba/../../000002.jpg"):
            archive.writestr(outside, b"no image")
        for name, data in members.items():
            archive.writestr(name, data)
    assert read_table(zipped).source.prefix == "img_align_celeba/"
    assert open_pack(read_table(zipped), 8, "full", zipped / "cache").images_NCHW.shape == (NUM, 3, 8, 8)


def test_a_member_of_gigabytes_is_not_unpacked(zipped: Path) -> None:
    edit_directory(zipped, 24, (3 * 2**30).to_bytes(4, "little"))
    with pytest.raises(UserError, match=r"000001.jpg cannot be decoded \(it has 3,072 MiB, and at most 64 are read\)"):
        open_pack(read_table(zipped), 8, "full", zipped / "cache")


def test_selects_attributes_in_the_order_asked_for(root: Path) -> None:
    table = read_table(root)
    selected = select_attributes(table, ("Young", "Bald"))
    assert selected.attributes == ("Young", "Bald")
    np.testing.assert_array_equal(selected.labels, VALUES[:, [3, 0]] == 1)
    np.testing.assert_array_equal(selected.mask, VALUES[:, [3, 0]] != 0)
    assert select_attributes(table, "all") is table
    assert select_attributes(table, "Male").attributes == ("Male",)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("Bald", "Smilling"), r"no attribute 'Smilling': did you mean Smiling or"),
        (("yuong",), r"no attribute 'yuong': did you mean Young or"),
        (("Bald", "Male", "Bald"), r"attributes has Bald 2 times"),
        ((), r"there is no attribute: name"),
    ],
)
def test_refuses_attributes_that_it_cannot_select(root: Path, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        select_attributes(read_table(root), names)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x1b[31m", "x" * 201])
def test_refuses_attributes_that_nobody_can_read(root: Path, name: str) -> None:
    table = read_table(root)
    table = table._replace(attributes=(name, *table.attributes[1:]))
    with pytest.raises(UserError, match=r"there is an attribute called .* give it a name of 1 to 200 letters"):
        settle(table)


def test_takes_rows_in_the_order_asked_for(root: Path) -> None:
    table = read_table(root)
    rows = np.array([4, 0, 5])
    taken = take_rows(table, rows)
    assert taken.ids.tolist() == ["000005.jpg", "000001.jpg", "000006.jpg"]
    np.testing.assert_array_equal(taken.labels, table.labels[rows])
    np.testing.assert_array_equal(taken.mask, table.mask[rows])
    np.testing.assert_array_equal(taken.split, [1, 0, 2])
    np.testing.assert_array_equal(taken.identity, [9, 7, 9])
    assert (taken.source, taken.attributes) == (table.source, table.attributes)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real images of ../shared/data/celeba are not on this machine")
def test_reads_real_files() -> None:
    table = read_table(REAL)
    assert table.labels.shape == (10_000, 40)
    assert table.mask.all()
    assert np.bincount(table.split).tolist() == [8003, 976, 1021]
    assert table.source.prefix == "img_align_celeba/"
    assert table.attributes[0] == "5_o_Clock_Shadow" and table.attributes[-1] == "Young"
    people = [set(table.identity[table.split == split].tolist()) for split in range(3)]
    assert min(map(min, people)) > 0 and not (people[0] & people[1] or people[0] & people[2] or people[1] & people[2])
