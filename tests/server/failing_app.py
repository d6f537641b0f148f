"""The application that gunicorn serves, with a route that fails as a bug would, with foreign text in its errors."""

from __future__ import annotations

import threading

from flask import request

from backend.wsgi import app

__all__ = ["app"]


@app.post("/fail")
def fail() -> str:
    """Raise a chain of exceptions with the body in their texts, here and on a thread."""
    text = request.get_data(as_text=True)

    def raise_error() -> None:
        raise RuntimeError(text)

    thread = threading.Thread(target=raise_error)
    thread.start()
    thread.join()
    try:
        raise_error()
    except RuntimeError as error:
        raise ValueError(f"again: {text}") from error
    return ""
