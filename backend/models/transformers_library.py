"""The only import of transformers, which is an optional dependency with a pinned version."""

from __future__ import annotations

from types import ModuleType

from backend.errors import BadSettings

TRANSFORMERS_VERSION = "5.20.2"  # as in requirements-models.txt; its classes and key names change between versions
_INSTALL = "Install it with `pip install -r requirements-models.txt -c constraints.txt`."


def import_transformers(needed_by: str) -> ModuleType:
    """Import transformers without its progress bars.

    Args:
        needed_by: The setting that needs it, e.g. "SAM_MODEL=edgetam".

    Raises:
        BadSettings: It is not installed, or another version than `TRANSFORMERS_VERSION`.
    """
    try:
        import transformers
    except ImportError as error:
        message = f"{needed_by} needs transformers {TRANSFORMERS_VERSION}, which cannot be imported: {error}."
        raise BadSettings(message, remedy=_INSTALL) from error
    if transformers.__version__ != TRANSFORMERS_VERSION:
        raise BadSettings(
            f"{needed_by} needs transformers {TRANSFORMERS_VERSION}, but {transformers.__version__} is installed.",
            remedy=_INSTALL,
        )
    transformers.logging.disable_progress_bar()
    library: ModuleType = transformers
    return library
