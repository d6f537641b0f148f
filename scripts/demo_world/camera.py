"""Camera effects of a scene: light, soft shadows, blur, noise, JPEG."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from scripts.demo_world.surfaces import Picture, smooth_noise


def cast_shadow(rng: np.random.Generator, picture: Picture, cover: NDArray[np.uint8], radius: float) -> None:
    """Darken, in place, the shadow of an object that is about to be drawn."""
    shift, sigma = radius * rng.uniform(0.05, 0.25), max(1.0, radius * rng.uniform(0.05, 0.2))
    angle = rng.uniform(0, 2 * np.pi)
    move = np.array([(1, 0, shift * np.cos(angle)), (0, 1, shift * np.sin(angle))], np.float32)
    moved = cv2.warpAffine(cover, move, (cover.shape[1], cover.shape[0]))
    small = cv2.resize(moved, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / 2)
    shade = cv2.resize(small, (cover.shape[1], cover.shape[0])).astype(np.float32)
    picture *= (1 - shade * np.float32(rng.uniform(0.15, 0.5) / 255))[..., None]


def light_scene(rng: np.random.Generator, picture: Picture) -> Picture:
    """Apply uneven light, sometimes a soft shadow across the scene, and a slight tint."""
    height, width = picture.shape[:2]
    light = 1 + smooth_noise(rng, width, height, max(width, height) * 0.7) * np.float32(rng.uniform(0, 0.14))
    if rng.random() < 0.3:
        edge = smooth_noise(rng, width, height, max(width, height) * rng.uniform(0.25, 0.5))
        light *= 1 - np.clip(edge * np.float32(rng.uniform(2, 8)), 0, 1) * np.float32(rng.uniform(0.1, 0.35))
    tint = rng.uniform(0.95, 1.05, 3).astype(np.float32) * np.float32(rng.uniform(0.88, 1.08))
    return np.clip(picture * (light[..., None] * tint), 0, 1)


def photograph(rng: np.random.Generator, picture: Picture) -> NDArray[np.uint8]:
    """Convert a float picture in [0, 1] to uint8 RGB pixels: blurred, noisy, JPEG-compressed."""
    size = max(picture.shape[:2])
    if rng.random() < 0.6:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.3) * size / 640 + 0.05)
    pixels = cv2.convertScaleAbs(picture, alpha=255)
    if rng.random() < 0.75:
        noise = np.empty(pixels.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(2**31)))
        cv2.randn(noise, 0, rng.uniform(1, 9))
        pixels = cv2.add(pixels, noise, dtype=cv2.CV_8U)
    if rng.random() < 0.7:
        quality = int(rng.integers(50, 96))
        _, encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        pixels = np.ascontiguousarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1])
    return pixels
