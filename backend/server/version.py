"""Version of the backend, the same as in pyproject.toml."""

VERSION = "0.9.0"
