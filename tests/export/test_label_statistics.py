"""Statistics of labels against hand arithmetic."""

from __future__ import annotations

import csv
import io

from backend.export import LabelStatistics, encode_rows


def test_counts_areas_and_confidences_of_each_label() -> None:
    statistics = LabelStatistics(["car", "bus, red", "tram"])
    statistics.add_image([("car", 100, 0.9), ("car", 50, 0.7), ("bus, red", 10, 0.5)])
    statistics.add_image([("car", 30, 0.8)])
    statistics.add_image([])
    rows = {row["label"]: row for row in csv.DictReader(io.StringIO(statistics.encode_csv().decode()))}
    assert rows["car"] == {
        "label": "car",
        "images": "2",
        "count": "3",
        "total_area": "180",
        "mean_area": "60.0",
        "mean_confidence": "0.8000",
        "min_confidence": "0.7000",
        "max_confidence": "0.9000",
    }
    assert (rows["bus, red"]["count"], rows["bus, red"]["mean_area"]) == ("1", "10.0")
    assert list(rows["tram"].values()) == ["tram", "0", "0", "0", "", "", "", ""]


def test_names_that_are_not_unicode_are_written_as_the_file_system_has_them() -> None:
    assert encode_rows(["image"], [["\udcff.png"]]) == b"image\n\xff.png\n"
