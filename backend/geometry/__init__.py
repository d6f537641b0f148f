"""Pure geometry of masks: points, distances, polygons, fitted shapes, rasterisation, run lengths, cleaning.

numpy, OpenCV and pycocotools only.

All functions share one convention: coordinates are continuous, XY, and the pixel in column c and row r is the square
from (c, r) to (c + 1, r + 1) with its centre at (c + 0.5, r + 0.5). The image extends from 0 to its width and height,
as Label Studio's 0 to 100 percent and COCO's polygons and boxes do. A shape covers the pixels whose centre lies in it.
"""

from backend.geometry.boxes import clip_box, keep_parts_in_box
from backend.geometry.bridged_outlines import (
    bridged_outline_iou,
    bridged_outline_to_mask,
    mask_to_bridged_outline,
)
from backend.geometry.cleaning import clean_mask, speck_area
from backend.geometry.click_logits import follow_clicks
from backend.geometry.click_pixels import Click, clicks_that_count, hold_clicks, pixel_of
from backend.geometry.coco_counts import check_counts, decode_coco_counts
from backend.geometry.fits import Ellipse, fit_ellipse, mask_to_box
from backend.geometry.local_changes import change_at_cell, change_at_clicks, parts_at, parts_at_clicks, stability_of
from backend.geometry.outlines import Outline, OutlineOptions, mask_to_outline
from backend.geometry.overlaps import MaskOverlaps, mask_nms
from backend.geometry.parts import mask_to_polygons
from backend.geometry.places import (
    Point,
    distance_to_box,
    distance_to_mask,
    inner_point,
    mask_iou,
    percent_to_pixel,
    pixel_to_percent,
    signed_distance,
)
from backend.geometry.polygons import mask_to_polygon, mask_to_rings, simplify_ring
from backend.geometry.rasters import ellipse_to_mask, polygon_to_mask, rectangle_to_mask
from backend.geometry.resizing import enlarge_logits, resize_mask
from backend.geometry.rotated_boxes import mask_to_rotated_box
from backend.geometry.run_lengths import PixelRuns, encode_coco_runs
from backend.geometry.separate_parts import separate_parts
from backend.geometry.strokes import Stroke, draw_strokes

__all__ = [
    "Click",
    "Ellipse",
    "MaskOverlaps",
    "Outline",
    "OutlineOptions",
    "PixelRuns",
    "Point",
    "Stroke",
    "bridged_outline_iou",
    "bridged_outline_to_mask",
    "change_at_cell",
    "change_at_clicks",
    "check_counts",
    "clean_mask",
    "clicks_that_count",
    "clip_box",
    "decode_coco_counts",
    "distance_to_box",
    "distance_to_mask",
    "draw_strokes",
    "ellipse_to_mask",
    "encode_coco_runs",
    "enlarge_logits",
    "fit_ellipse",
    "follow_clicks",
    "hold_clicks",
    "inner_point",
    "keep_parts_in_box",
    "mask_iou",
    "mask_nms",
    "mask_to_box",
    "mask_to_bridged_outline",
    "mask_to_outline",
    "mask_to_polygon",
    "mask_to_polygons",
    "mask_to_rings",
    "mask_to_rotated_box",
    "parts_at",
    "parts_at_clicks",
    "percent_to_pixel",
    "pixel_of",
    "pixel_to_percent",
    "polygon_to_mask",
    "rectangle_to_mask",
    "resize_mask",
    "separate_parts",
    "signed_distance",
    "simplify_ring",
    "speck_area",
    "stability_of",
]
