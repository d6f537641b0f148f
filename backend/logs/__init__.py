"""The log of the process: one formatter for everything that is logged, as text or as JSON, and the request's id.

Records of any library come in. Out go lines that no value from outside can forge: what is not printable is escaped,
URLs lose their user info and query, and the registered secrets are hidden.
"""

from backend.logs.configure import configure_logging, gunicorn_logger
from backend.logs.request_id import choose_request_id, set_request_id

__all__ = ["choose_request_id", "configure_logging", "gunicorn_logger", "set_request_id"]
