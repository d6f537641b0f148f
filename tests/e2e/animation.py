"""README's moving picture, made of what tests/e2e/test_animation.py recorded.

    python -m pytest tests/e2e/test_animation.py && python -m tests.e2e.animation

The pointer is drawn where the test's mouse events went. Below the page a line says what the person does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from scripts.demo_circle.places import ROOT
from tests.e2e.recording import Step, read_steps

RECORDING = ROOT / ".cache" / "screenshots" / "animation"
ANIMATION = ROOT / "docs" / "images" / "annotating.gif"
WIDTH, CAPTION_HEIGHT, STRIP_HEIGHT, MAX_BYTES = 800, 44, 50, 3_000_000
COLOURS, STRIP_COLOURS = 256, 96
WAY_FRAMES, WAY_MILLISECONDS, PRESS_MILLISECONDS = 8, 50, 250
_ARROW = ((0, 0), (0, 20), (5, 16), (8, 23), (12, 21), (9, 14), (15, 14))
Frame = tuple[Image.Image, int]


def frames(folder: Path) -> Iterator[Frame]:
    """Yield each frame with its milliseconds: the pointer moves over a screenshot, presses, then the next one comes."""
    crop, steps = read_steps(folder)
    scale = WIDTH / (crop[2] - crop[0])
    shown, at = None, (0.0, 0.0)
    for step in steps:
        screenshot = _load(folder / step.file, crop)
        goal = (step.x - crop[0]) * scale, (step.y - crop[1]) * scale
        if shown is not None and goal != at:
            for number in range(1, WAY_FRAMES + 1):
                part = number / WAY_FRAMES
                part = part * part * (3 - 2 * part)  # slow at both ends
                place = at[0] + (goal[0] - at[0]) * part, at[1] + (goal[1] - at[1]) * part
                yield _draw(shown, step, place), WAY_MILLISECONDS
        if shown is not None and step.is_pressed:
            yield _draw(shown, step, goal, is_pressed=True), PRESS_MILLISECONDS
        shown, at = screenshot, goal
        yield _draw(shown, step, goal), step.milliseconds


def write_gif(made: list[Frame], path: Path) -> None:
    """Write frames with one palette for all: unchanged pixels cost nothing. Raises ValueError if it is too large."""
    palette = _build_palette([made[(len(made) - 1) * place // 3][0] for place in range(4)])
    small = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image, _ in made]
    durations = [milliseconds for _, milliseconds in made]
    small[0].save(path, save_all=True, append_images=small[1:], duration=durations, loop=0, optimize=False, disposal=1)
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size} bytes, more than {MAX_BYTES}.")


def _build_palette(samples: list[Image.Image]) -> Image.Image:
    """Build a palette of which a part is kept for the labels and the buttons, which are too small to be counted."""
    strips = [image.crop((0, 0, WIDTH, STRIP_HEIGHT)) for image in samples]
    strips += [
        image.crop((0, image.height - CAPTION_HEIGHT - STRIP_HEIGHT, WIDTH, image.height - CAPTION_HEIGHT))
        for image in samples
    ]
    colours = [
        *_colours_of(samples, COLOURS - STRIP_COLOURS),
        *_colours_of(strips, STRIP_COLOURS),
    ]
    palette = Image.new("P", (1, 1))
    palette.putpalette([channel for colour in colours for channel in colour])
    return palette


def _colours_of(images: list[Image.Image], count: int) -> list[tuple[int, ...]]:
    """Return the colours that represent the images best."""
    height = sum(image.height for image in images)
    stacked, top = Image.new("RGB", (WIDTH, height)), 0
    for image in images:
        stacked.paste(image, (0, top))
        top += image.height
    values = stacked.quantize(count, Image.Quantize.MEDIANCUT, kmeans=2).getpalette() or []
    return [tuple(values[place : place + 3]) for place in range(0, 3 * count, 3)]


def _load(path: Path, crop: tuple[int, int, int, int]) -> Image.Image:
    with Image.open(path) as full:
        part = full.convert("RGB").crop(crop)
    return part.resize((WIDTH, round(part.height * WIDTH / part.width)), Image.Resampling.LANCZOS)


def _draw(page: Image.Image, step: Step, place: tuple[float, float], *, is_pressed: bool = False) -> Image.Image:
    frame = Image.new("RGB", (page.width, page.height + CAPTION_HEIGHT), "#1c2330")
    frame.paste(page)
    pen, font = ImageDraw.Draw(frame), ImageFont.load_default(20)
    pen.text((16, page.height + CAPTION_HEIGHT // 2), step.caption, "#ffffff", font, anchor="lm")
    x, y = place
    if is_pressed:
        pen.ellipse((x - 16, y - 16, x + 16, y + 16), outline="#ff3d00", width=4)
    pen.polygon([(x + right, y + down) for right, down in _ARROW], fill="#ffffff", outline="#000000", width=2)
    if step.held_key:
        box = pen.textbbox((x + 22, y + 12), step.held_key, font)
        pen.rounded_rectangle((box[0] - 6, box[1] - 4, box[2] + 6, box[3] + 4), 5, fill="#ffe082", outline="#000000")
        pen.text((x + 22, y + 12), step.held_key, "#000000", font)
    return frame


if __name__ == "__main__":
    write_gif(list(frames(RECORDING)), ANIMATION)
    print(ANIMATION, ANIMATION.stat().st_size, "bytes")
