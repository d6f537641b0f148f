"""Make Label Studio send WEBHOOK_SECRET with a project's webhooks to this backend.

    WEBHOOK_SECRET=... python -m scripts.secure_webhook --project 1 --url http://localhost:8080 --api-key TOKEN

Label Studio calls the webhook of a connected ML backend without the connection's user and password. The command adds
the secret as a header to the webhook; the backend needs the same WEBHOOK_SECRET. It may be run again, also with a new
secret. Exit status: 0 if the webhook carries the secret now, 1 otherwise, with the reason.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Protocol

from backend.errors import BadSettings, LabelStudioError
from backend.label_studio.api import Webhook, WebhookClient
from scripts.console import add_connection_options, read_settings, run_command

HEADER = "X-Webhook-Secret"


class Webhooks(Protocol):
    """The part of `WebhookClient` that is needed here."""

    def backend_urls(self, project_id: int) -> list[str]: ...
    def webhooks(self, project_id: int) -> list[Webhook]: ...
    def set_headers(self, webhook: Webhook, headers: Mapping[str, str]) -> None: ...


def secure_webhooks(client: Webhooks, project_id: int, secret: str, backend_url: str | None = None) -> str:
    """Add the secret to the webhooks that call the backend; return what was done.

    Args:
        backend_url: As the project's connection has it; needed only if the project has several.

    Raises:
        BadSettings: It is not clear which backend is meant.
        LabelStudioError: No such project, connection or webhook, or Label Studio refused.
    """
    target = f"{_choose(client.backend_urls(project_id), project_id, backend_url)}/webhook"
    webhooks = [webhook for webhook in client.webhooks(project_id) if webhook.url == target]
    if not webhooks:
        raise LabelStudioError(
            f"Project {project_id} has no webhook that calls {target}.",
            remedy="Add one with this URL in the project's Settings > Webhooks, or delete the connection in Settings > "
            "Model and connect the backend again.",
        )
    outdated = [webhook for webhook in webhooks if _other_headers(webhook) | {HEADER: secret} != webhook.headers]
    for webhook in outdated:
        client.set_headers(webhook, _other_headers(webhook) | {HEADER: secret})
    done = "now carries" if outdated else "already carried"
    return f"The webhook of project {project_id} that calls {target} {done} the secret."


def _choose(urls: Sequence[str], project_id: int, backend_url: str | None) -> str:
    """Return the URL of the backend that is meant, without a slash at its end: the secret is for no other one."""
    known = sorted({url.rstrip("/") for url in urls})
    wanted = [url for url in known if backend_url is None or url == backend_url.rstrip("/")]
    if len(wanted) == 1:
        return wanted[0]
    if not known:
        message = f"Project {project_id} has no ML backend."
        raise LabelStudioError(message, remedy="Connect this backend in the project's Settings > Model.")
    if not wanted:
        message = f"Project {project_id} has no ML backend with the URL {backend_url}, but {', '.join(known)}."
        raise BadSettings(message, remedy="Give --backend-url as the connection in Settings > Model has it.")
    message = f"Project {project_id} has several ML backends: {', '.join(known)}."
    raise BadSettings(message, remedy="Name this one with --backend-url; no other one must learn the secret.")


def _other_headers(webhook: Webhook) -> dict[str, str]:
    return {name: value for name, value in webhook.headers.items() if name.lower() != HEADER.lower()}


def build_parser() -> argparse.ArgumentParser:
    """Build the command's option parser."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.secure_webhook",
        description=(__doc__ or "").split("\n", 1)[0] + " The secret is read from the environment only.",
    )
    add_connection_options(parser)
    parser.add_argument(
        "--backend-url", metavar="URL", help="the backend's URL in Settings > Model, if the project has several"
    )
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Connect, change the webhook, and say what was done."""
    settings = read_settings(arguments.url, arguments.api_key)
    if not settings.webhook_secret:
        raise BadSettings(
            "WEBHOOK_SECRET is not set.",
            remedy="Set it to a random text, such as from `openssl rand -hex 20`, here and for the backend.",
        )
    client = WebhookClient(settings.label_studio_url, settings.label_studio_api_key)
    print(secure_webhooks(client, arguments.project, settings.webhook_secret, arguments.backend_url))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; return the exit status."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
