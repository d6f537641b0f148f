"""gunicorn's worker: threads that never wait for a client, the only room that knows gunicorn's internals.

Bytes of clients come in; whole requests go to the WSGI application, and its responses out, however slowly the client
sends and reads. Other WSGI servers run the application without this room.
"""

from backend.http_worker.limits import RequestLimits
from backend.http_worker.worker import BufferingWorker

__all__ = ["BufferingWorker", "RequestLimits"]
