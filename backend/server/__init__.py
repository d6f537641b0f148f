"""The only user of Flask: authentication, the ML backend's routes, health, metrics, the status page, the request log.

HTTP requests come in, JSON goes out; each error gets its HTTP status here.
"""

from backend.server.app import create_app
from backend.server.credentials import Credentials
from backend.server.metrics import Metrics
from backend.server.model_text import describe_models

__all__ = ["Credentials", "Metrics", "create_app", "describe_models"]
