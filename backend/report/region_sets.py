"""The regions of one annotation or prediction on one image, encoded; the damaged ones are listed apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backend.errors import BadRegion, shorten
from backend.export import EncodedRegion, encode_region
from backend.label_studio.config import ImageConfig
from backend.label_studio.results import SavedRegion, Verdict, find_drawn, find_regions

Json = Mapping[str, Any]
SIZE_REMEDY = "The image was replaced after it was predicted. Predict the task again."


@dataclass
class RegionSet:
    """Regions with a mask of one image.

    Attributes:
        image: Name of the image in the labeling config.
        damaged: Ids of regions whose mask cannot be read.
        problems: The same, with names and reasons.
        undecided: Number of drawn regions by control that may be prompts or somebody's work, and are left out.
    """

    name: str
    image: str
    regions: list[EncodedRegion] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    undecided: Counter[str] = field(default_factory=Counter)

    def drop_partners(self, other: RegionSet) -> None:
        """Leave out what cannot be compared: the counterparts of damaged regions, and proposals of another size.

        A proposal whose final region is damaged was not deleted, and a region whose proposal is damaged was not added.
        """
        self.regions = [region for region in self.regions if region.region_id not in other.damaged]
        other.regions = [region for region in other.regions if region.region_id not in self.damaged]
        if self.fits(other):
            return
        mine, theirs = self.regions[0].size, other.regions[0].size
        message = f"The masks have {mine} pixels, those of the annotation {theirs}."
        self.problems.append(f"{self.name}: {message} {SIZE_REMEDY}")
        self.regions, other.regions = [], []

    def fits(self, other: RegionSet) -> bool:
        """Whether all masks have one size, so that they can be compared."""
        return len({region.size for region in (*self.regions, *other.regions)}) <= 1


def read_regions(
    document: Json | None, config: ImageConfig, name: str, keep: frozenset[str] = frozenset()
) -> RegionSet:
    """Read the regions with a mask of an annotation or a prediction; empty masks are left out.

    Args:
        keep: Controls whose boxes are somebody's work, although they may be prompts by what is known of them.

    Raises:
        BadRegion: The results are not a list of objects.
    """
    read = RegionSet(name, config.name)
    results: Any = (document or {}).get("result") or []
    unclear = [one for one in find_drawn(results, config) if one.verdict is Verdict.UNCLEAR]
    kept = [one.region for one in unclear if one.region is not None and one.control in keep]
    read.undecided += Counter(one.control for one in unclear if one.control not in keep)
    for saved in [*find_regions(results, config), *kept]:
        try:
            region = _encode(saved)
        except BadRegion as error:
            read.damaged.add(saved.region_id)
            read.problems.append(f"{name}: {error}")
        else:
            if region.area:
                read.regions.append(region)
    sizes = {region.size for region in read.regions}
    if len(sizes) > 1:
        shown = shorten(", ".join(sorted(map(str, sizes))))
        remedy = "Delete the regions that were drawn on another version of the image."
        raise BadRegion(f"{name}: its masks have different sizes: {shown}.", remedy=remedy)
    return read


def _encode(saved: SavedRegion) -> EncodedRegion:
    region = saved.decode()
    return encode_region(
        region.mask, region.label, region.region_id, score=region.score, choices=region.choices, kind=region.kind
    )
