"""What people's reviews say about the model: proposals and final regions come in as task documents, figures, a page and
CSV tables go out.

No network I/O: images come through a function. Nothing is written to disk here.
"""

from backend.report.figures import Figures, compute_figures
from backend.report.links import build_region_link
from backend.report.page import render_page
from backend.report.plots import check_matplotlib
from backend.report.reading import ReviewReader, Reviews
from backend.report.sentences import write_headline, write_sentences
from backend.report.tables import build_tables
from backend.report.worst import MAX_PICTURES, Candidate, Picture, draw_picture

__all__ = [
    "MAX_PICTURES",
    "Candidate",
    "Figures",
    "Picture",
    "ReviewReader",
    "Reviews",
    "build_region_link",
    "build_tables",
    "check_matplotlib",
    "compute_figures",
    "draw_picture",
    "render_page",
    "write_headline",
    "write_sentences",
]
