"""Model folders on the Hugging Face hub that the registry names: commit, files, size, and the digests that are known.

The revision is a commit wherever one is known, so that every installation gets the same files. A digest of
`model.safetensors` is pinned if at least two public projects that do not depend on each other have written it down;
all were read in November 2026. Projects on GitHub, and the size that they give:

    facebook/sam2.1-hiera-tiny         155,908,064   dingyucanada/courtlens-arena and manifests of six others
    facebook/sam2.1-hiera-small        184,305,280   ericmerl/opencut-classic, jsaidler (RUNNER65), six others
    facebook/sam2.1-hiera-base-plus    323,476,296   ADAMBUILD-ai/mindle-media-ai and manifests of three others
    facebook/sam2.1-hiera-large        897,897,416   skymanbp/autoshade, vigorlee/robofinals-factory-dataset,
                                                     WSSStone/LetsAIGC
    yonigozlan/EdgeTAM-hf               55,912,824   jd-anabi/outline-tracker (converted it from Meta's own edgetam.pt
                                                     to the same bytes), and a converter that pins this commit
    IDEA-Research/grounding-dino-tiny  689,359,096   the hub's own page of the file, word-ky/TOVD

Of iSEE-Laboratory/llmdet_tiny one project alone names a digest (f0e476be…, MrNeRF/LichtFeld-Studio), and none that of
llmdet_base: they are trusted at the first download; see `model_lock`.
"""

from __future__ import annotations

from backend.models.entries import PublishedFolder

_WEIGHTS = "model.safetensors"
_FILES = ("config.json", _WEIGHTS)
_TEXT_FILES = (
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
)
"""What processors and tokenizers read; each repository has some of them, which its loader checks."""


def _segmenter(repository: str, megabytes: int, commit: str, sha256: str) -> PublishedFolder:
    return PublishedFolder(repository, _FILES, megabytes, commit, pins=((_WEIGHTS, sha256),))


def _detector(repository: str, megabytes: int, revision: str, sha256: str = "") -> PublishedFolder:
    pins = ((_WEIGHTS, sha256),) if sha256 else ()
    return PublishedFolder(repository, _FILES, megabytes, revision, _TEXT_FILES, pins)


SAM2_1_HIERA_TINY = _segmenter(
    "facebook/sam2.1-hiera-tiny",
    156,
    "de431c4043854a71d8101e17995dfe596bf101a5",
    "48c14467e5cf9e51870511feb72c89688e82dd74523142c0538b663e193ac2a7",
)
SAM2_1_HIERA_SMALL = _segmenter(
    "facebook/sam2.1-hiera-small",
    184,
    "ee5bba1d82bb8749febdf90f45e84b687142ba03",
    "0a4067b11ce1e23d5229203f11c718a823060d15a4b23fa2372a7d4b77cbbc60",
)
SAM2_1_HIERA_BASE_PLUS = _segmenter(
    "facebook/sam2.1-hiera-base-plus",
    323,
    "b7320756a13354e7530a63935656d35b2f91a290",
    "2012733a0de5d03efd1bba550a2847c4551be9ef2e0d497c83074df66189f780",
)
SAM2_1_HIERA_LARGE = _segmenter(
    "facebook/sam2.1-hiera-large",
    898,
    "665f8e2ad61cf5f53d65644ff27c8ee525124610",
    "dc407dce21301fd94abb395c5099b4f2c455fdc8a8f261ac3d0ea6d4cd197230",
)
EDGETAM = _segmenter(
    "yonigozlan/EdgeTAM-hf",
    56,
    "c266ce53b3fc00f0f495b583f6a116c4e57f53bb",
    "8858f8e4757b0b96dab8763f296ecffd845efbbbf698f64163cfa20a63d5fff4",
)
GROUNDING_DINO_TINY = _detector(
    "IDEA-Research/grounding-dino-tiny",
    690,
    "a2bb814dd30d776dcf7e30523b00659f4f141c71",
    "1a2412ef99bd74bcd3c2a246fa1e48581f8889a1300c9051974741314fc042f3",
)
LLMDET_TINY = _detector("iSEE-Laboratory/llmdet_tiny", 693, "d05199165a19320a9236396e20fca0a5e065189c")
LLMDET_BASE = _detector("iSEE-Laboratory/llmdet_base", 937, "main")
