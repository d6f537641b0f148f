"""The lock's file: every entry comes back as it was written."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import CheckpointError
from backend.models.model_lock import LOCK_NAME, LockedModel, read_lock, write_to_lock

names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
models = st.builds(
    LockedModel,
    repository=names,
    commit=st.text("0123456789abcdef", min_size=40, max_size=40),
    files=st.dictionaries(names, digests, min_size=1, max_size=4),
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(names, models, max_size=4))
def test_every_model_comes_back_as_it_was_written(written: dict[str, LockedModel]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, model in written.items():
            write_to_lock(Path(folder), name, model)
        assert read_lock(Path(folder)) == written
        if written:
            text = (Path(folder) / LOCK_NAME).read_text(encoding="utf-8")
            assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
            assert [path.name for path in Path(folder).iterdir()] == [LOCK_NAME]


def test_a_lock_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    model = LockedModel("a/b", "1" * 40, {"a": "2" * 64})
    write_to_lock(tmp_path, "first", model)
    before = (tmp_path / LOCK_NAME).read_bytes()
    (tmp_path / f".{LOCK_NAME}.new").mkdir()
    with pytest.raises(CheckpointError, match=r"could not be written: Is a directory\. The weights are complete"):
        write_to_lock(tmp_path, "second", model)
    assert (tmp_path / LOCK_NAME).read_bytes() == before
