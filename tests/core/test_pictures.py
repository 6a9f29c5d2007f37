"""What is a picture: by its bytes, by its type, or by how a notebook shows it."""

from __future__ import annotations

import base64
import copy
import io
import subprocess
import sys
from typing import Any

import pytest
from IPython.display import Image as ShownImage
from IPython.utils.capture import RichOutput
from matplotlib.figure import Figure
from PIL import Image

from rlm_jupyter.core.asking import holds_pictures, in_words, message_of, parts_of, read_prompt
from rlm_jupyter.core.describe import describe
from rlm_jupyter.core.errors import ScaffoldError
from rlm_jupyter.core.pictures import PICTURE_LIMIT, Picture, looks_like, picture_of
from rlm_jupyter.environments.subprocess.in_kernel.prompts import packed
from rlm_jupyter.environments.subprocess.in_kernel.scaffold import ScaffoldError as KernelsError


def encoded(kind: str = "PNG", mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (64, 48)).save(buffer, kind, **options)
    return buffer.getvalue()


PNG = encoded()
BASE64 = base64.b64encode(PNG).decode()


class Shown:
    """Shows itself in a notebook as it is told to."""

    def __init__(self, shown: Any) -> None:
        self.shown = shown

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if isinstance(self.shown, Exception):
            raise self.shown
        return self.shown


class AsPNG:
    def _repr_png_(self) -> bytes:
        return PNG


FORMATS = {
    "png": (encoded("PNG"), "image/png"),
    "jpeg": (encoded("JPEG"), "image/jpeg"),
    "progressive jpeg": (encoded("JPEG", progressive=True), "image/jpeg"),
    "jpeg with a comment": (encoded("JPEG", comment=b"\xff" * 500), "image/jpeg"),
    "gif": (encoded("GIF", "P"), "image/gif"),
    "webp": (encoded("WEBP"), "image/webp"),
    "lossless webp": (encoded("WEBP", lossless=True), "image/webp"),
    "extended webp": (encoded("WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"), "image/webp"),
}


@pytest.mark.parametrize(("data", "media_type"), FORMATS.values(), ids=FORMATS)
def test_bytes_that_begin_as_a_picture(data: bytes, media_type: str) -> None:
    picture = picture_of(data)
    assert picture == Picture(media_type, data)
    assert picture.size == (64, 48)
    assert str(picture) == f"{media_type}, 64x48, 1 kB"
    assert looks_like(data) == f"image, {media_type.partition('/')[2].upper()}, 64x48"
    assert picture_of(bytearray(data)) == picture_of(memoryview(data)) == picture


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", PNG[:20], encoded("JPEG")[:30], b"RIFF\0\0\0\0WEBPVP8 "])
def test_a_header_that_is_cut_has_no_size_and_harms_nobody(data: bytes) -> None:
    picture = picture_of(data)
    assert (picture is None) == (not data)
    assert describe(data).size == len(data)
    if picture is not None:
        assert picture.size is None


OBJECTS = {
    "IPython's image": ShownImage(data=PNG),
    "rich output": RichOutput({"image/png": BASE64, "text/plain": "x"}),
    "a notebook's output": {"output_type": "display_data", "data": {"image/png": f"{BASE64}\n"}, "metadata": {}},
    "a bundle": {"text/plain": "x", "image/png": PNG},
    "a bundle and metadata": Shown(({"image/png": PNG}, {})),
    "bytes by a method": AsPNG(),
    "itself": Picture("image/png", PNG),
    "another package's": Shown(Picture("image/png", PNG)._repr_mimebundle_()),
}


@pytest.mark.parametrize("value", OBJECTS.values(), ids=OBJECTS)
def test_objects_that_a_notebook_shows_as_a_picture(value: Any) -> None:
    assert picture_of(value) == Picture("image/png", PNG)


NO_PICTURES = [None, 5, "text", PNG.decode("latin-1"), [PNG], {"a": PNG}, {"image/png": "no base64!"}, Figure, object()]
NO_PICTURES += [Shown({"image/svg+xml": "<svg/>"}), Shown({"image/png": b"no picture"}), Shown(ValueError("no"))]
NO_PICTURES += [{"output_type": "stream", "text": BASE64}, Shown(None), b"GIF is no picture"]


@pytest.mark.parametrize("value", NO_PICTURES, ids=lambda value: type(value).__name__)
def test_what_is_no_picture(value: Any) -> None:
    assert picture_of(value) is None
    assert looks_like(value) is None


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F"])
def test_images_of_pillow_in_every_mode(mode: str) -> None:
    picture = picture_of(Image.new(mode, (64, 48)))
    assert picture is not None
    assert (picture.media_type, picture.size) == ("image/png", (64, 48))


def test_a_photo_from_a_file_stays_a_jpeg() -> None:
    image = Image.open(io.BytesIO(encoded("JPEG")))
    picture = picture_of(image)
    assert picture is not None
    assert picture.media_type == "image/jpeg"
    assert describe(image).type == "PIL.JpegImagePlugin.JpegImageFile (image, JPEG, 64x48)"
    assert describe(image.convert("L")).type == "PIL.Image.Image (image, L, 64x48)"


def test_a_figure() -> None:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2])
    canvas = figure.canvas
    picture = picture_of(figure)
    assert picture is not None
    assert picture.media_type == "image/png"
    assert figure.canvas is canvas
    assert describe(figure).type == "matplotlib.figure.Figure (image, figure)"


def test_a_picture_that_is_too_large_is_refused() -> None:
    large = PNG + bytes(PICTURE_LIMIT)
    with pytest.raises(ValueError, match=r"takes 20 MB as image/png, .* up to 20 MB: make it smaller first"):
        picture_of(large)
    assert describe(large).type == "bytes (image, PNG, 64x48)"


def test_the_bytes_name_a_picture() -> None:
    picture = Picture("image/png", PNG)
    assert picture.digest == Picture("image/png", bytes(PNG)).digest != Picture("image/png", PNG + b"x").digest
    assert copy.deepcopy(picture) == picture
    assert base64.b64decode(picture.base64) == PNG


def test_a_prompt_is_read_in_its_order_and_an_object_encoded_once() -> None:
    image = Image.new("RGB", (64, 48))
    seen: dict[int, Picture | None] = {}
    first, second = read_prompt(["a", image, PNG], seen), read_prompt((image, "b"), seen)
    assert first[1] is second[0]
    message = message_of(first)
    assert message["parts"] == first
    assert message["content"].split("\n\n") == [
        "a",
        f"[image 1: {first[1]}]",
        "[image 2: image/png, 64x48, 1 kB]",
    ]
    assert message_of(read_prompt("plain")) == {"role": "user", "content": "plain"}
    assert in_words(("plain",)) == "plain"


@pytest.mark.parametrize("wrong", [5, ["a", 5], ["a", [PNG]], {"a": 1}, ["a", "b"], [], ("a",)])
def test_what_is_no_prompt(wrong: Any) -> None:
    assert parts_of(wrong) is None
    with pytest.raises(ScaffoldError, match=r"join the strings|A prompt is a string, a picture, or a list"):
        read_prompt(wrong)


def cut_off() -> Image.Image:
    photo = io.BytesIO()
    Image.effect_noise((200, 200), 50).save(photo, format="JPEG")
    return Image.open(io.BytesIO(photo.getvalue()[:-1000]))


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (Image.new("RGB", (0, 0)), "has 0x0 pixels: there is nothing to be seen"),
        (Image.new("1", (20_000, 6_000)), "which is too large: make it smaller first"),
        (cut_off(), "cannot be encoded: image file is truncated"),
    ],
    ids=["empty", "large", "cut off"],
)
def test_an_image_that_cannot_be_sent_says_why(image: Image.Image, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        picture_of(image)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (ShownImage(url="http://localhost/a.png"), r"Image\(url=...\) holds no data: fetch it"),
        (Figure().add_subplot(), r"This Axes is a part of a figure, .* give its \.figure"),
        (5, "of type int: put it into an f-string"),
    ],
    ids=["url", "axes", "int"],
)
@pytest.mark.parametrize(
    "read", [read_prompt, lambda prompt: packed("llm_query", prompt, None)], ids=["host", "kernel"]
)
def test_what_is_nearly_a_picture_says_what_to_do(read: Any, wrong: Any, said: str) -> None:
    for prompt in (wrong, ["What is it?", wrong], [PNG, wrong]):
        if wrong == 5 and read is not read_prompt:
            continue  # a number is known to be wrong on the other side
        with pytest.raises((ScaffoldError, KernelsError), match=said):
            read(prompt)


@pytest.mark.parametrize(
    "value", [[PNG, 3], {"a": PNG}, [Image.new("RGB", (64, 48))] * 300], ids=["list", "dict", "many"]
)
def test_a_container_of_pictures_says_that_it_is_one(value: Any) -> None:
    told = describe(value)
    assert told.type.endswith(" (with images: llm_query can look at them)")
    assert "<image, " in told.preview
    assert "64x48" in told.preview


def test_which_contexts_hold_pictures() -> None:
    assert [holds_pictures(each) for each in (PNG, ["q", PNG], (PNG,) * 8)] == [True] * 3
    assert [holds_pictures(each) for each in ("q", ["q"], [], [PNG] * 9, ["q", 5, PNG], {"a": PNG})] == [False] * 6


def test_nothing_of_pillow_or_matplotlib_is_imported() -> None:
    code = (
        "import sys, rlm_jupyter, rlm_jupyter.core.asking as a; a.holds_pictures([b'x', 'y']); a.parts_of(b'x')\n"
        "print(*{'PIL', 'matplotlib', 'IPython'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
