"""Makes text from outside safe to show in messages, replies, pages and logs.

Anything comes in: a value of a request, an exception's text, a URL. Out goes one line of bounded length without control
characters, without the user info and the query of URLs, and without the registered secrets.
"""

from backend.safe_text.addresses import check_redis_url, list_secrets, redact_address
from backend.safe_text.secrets import register_secrets
from backend.safe_text.show import MAX_SHOWN_CHARACTERS, escape_controls, hide_confidential, show, show_url

__all__ = [
    "MAX_SHOWN_CHARACTERS",
    "check_redis_url",
    "escape_controls",
    "hide_confidential",
    "list_secrets",
    "redact_address",
    "register_secrets",
    "show",
    "show_url",
]
