"""The only user of Flask: the ML backend's routes, health, metrics, the status page and the log's words.

HTTP requests come in, JSON goes out; each error gets its HTTP status here.
"""

from backend.server.app import create_app
from backend.server.status_page import BackendStatus, ModelFacts

__all__ = ["BackendStatus", "ModelFacts", "create_app"]
