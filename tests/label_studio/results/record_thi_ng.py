"""Record what @thi.ng/rle-pack makes of our brush masks, and what it packs: tests/payloads/thi_ng_judges_us.json.

    npm install --prefix DIR @thi.ng/rle-pack
    python -m tests.label_studio.results.record_thi_ng DIR

The package is what Label Studio's front end packs and unpacks brush masks with. It needs node, so it is asked once and
its answers are kept; the tests compare with them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from backend.label_studio.results import encode_brush
from backend.values import Mask, Prompt, Size
from tests.paths import PAYLOADS

FIXTURE = PAYLOADS / "thi_ng_judges_us.json"
ASK = """
import { decode, encode } from "@thi.ng/rle-pack";
import { readFileSync } from "node:fs";
const runs = (words) => {
    const lengths = []; let last = null;
    for (const word of words) {
        if (word === last) lengths[lengths.length - 1]++;
        else lengths.push(1);
        last = word;
    }
    return lengths;
};
const answers = JSON.parse(readFileSync(0, "utf8")).map(({ ours, run_lengths, first_is_mask }) => {
    const rgba = new Uint8Array(4 * run_lengths.reduce((a, b) => a + b));
    let at = 0, word = first_is_mask ? 255 : 0;
    for (const length of run_lengths) { rgba.fill(word, at, at + 4 * length); at += 4 * length; word = 255 - word; }
    const read = decode(new Uint8Array(ours));
    const summary = { first_word: read[0], run_lengths: runs(read) };
    return { read_by_thi_ng: summary, packed_by_thi_ng: [...encode(rgba, rgba.length)] };
});
console.log(JSON.stringify(answers));
"""


def masks() -> dict[str, Mask]:
    """Masks of every kind that the format treats apart, and one that SAM drew."""
    generator = np.random.default_rng(3)
    disc = np.hypot(*np.ogrid[-100:100, -150:150]) < 80
    corner = np.zeros((40, 30), bool)
    corner[-1, -1] = True
    return {
        "a pixel": np.ones((1, 1), bool),
        "empty": np.zeros((200, 300), bool),
        "full": np.ones((200, 300), bool),
        "the last pixel": corner,
        "noise": generator.random((24, 31)) < 0.5,
        "disc": disc,
        "hole": ~disc,
        "a mask by SAM": _by_sam(),
    }


def _by_sam() -> Mask:
    from backend.models.checkpoints import load_into
    from backend.models.registry import DEMO_SAM
    from backend.models.sam.architectures import build_sam
    from backend.models.sam.segmenter import SamSegmenter
    from scripts.demo_world.scenes import HELD_OUT_SEED, click_point, make_scene

    model = build_sam("demo")
    load_into(model, DEMO_SAM, "demo")
    segmenter, scene = SamSegmenter(model, device="cpu"), make_scene(HELD_OUT_SEED, Size(640, 480))
    prompt = Prompt((click_point(scene.objects[0].mask),), (1,))
    return segmenter.decode(segmenter.encode(scene.pixels), prompt, max_masks=1)[0].mask


def describe(kind: str, mask: Mask) -> dict[str, Any]:
    """A mask as the fixture spells it, with our bytes."""
    flat = mask.ravel()
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
    return {
        "kind": kind,
        "width": mask.shape[1],
        "height": mask.shape[0],
        "first_is_mask": bool(flat[0]),
        "run_lengths": np.diff(ends, prepend=0).tolist(),
        "ours": encode_brush(mask),
    }


def main(folder: str) -> None:
    """Ask the package in `folder` and write the fixture."""
    script = Path(folder) / "ask.mjs"
    script.write_text(ASK, encoding="utf-8")
    cases = [describe(kind, mask) for kind, mask in masks().items()]
    answered = subprocess.run(
        ["node", str(script)], input=json.dumps(cases), stdout=subprocess.PIPE, text=True, check=True
    )
    recorded = [{**case, **answer} for case, answer in zip(cases, json.loads(answered.stdout), strict=True)]
    FIXTURE.write_text(
        "[" + ",\n ".join(json.dumps(case, separators=(",", ":")) for case in recorded) + "]\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main(sys.argv[1])
