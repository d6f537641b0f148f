"""Version of the backend, the same as in pyproject.toml."""

VERSION = "0.10.0"
