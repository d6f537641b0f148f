"""The only reader of the environment.

Environment variables come in, a frozen `Settings` goes out, or `BadSettings` that names every invalid variable.
"""

from backend.settings.settings import Settings

__all__ = ["Settings"]
