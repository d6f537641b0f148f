"""WaitingClients: the clients that the poller waits for."""

from __future__ import annotations

from backend.http_worker.client import Client


class WaitingClients:
    """Clients that are yet to send a request, to take a response or to close, in the order in which that began."""

    def __init__(self) -> None:
        self._clients: dict[Client, None] = {}
        self._unfinished: dict[str, dict[Client, None]] = {}  # peer → those of its clients whose request is not whole

    def __contains__(self, client: Client) -> bool:
        return client in self._clients

    def add(self, client: Client) -> None:
        self._clients[client] = None
        if client.is_sending:
            self._unfinished.setdefault(client.peer, {})[client] = None

    def remove(self, client: Client) -> None:
        del self._clients[client]
        if client.is_sending:
            unfinished = self._unfinished[client.peer]
            del unfinished[client]
            if not unfinished:
                del self._unfinished[client.peer]

    def all_unfinished(self) -> list[Client]:
        """Return the clients whose request has not arrived completely."""
        return [client for client in self._clients if client.is_sending]

    def oldest_over(self, limit: int, peer: str) -> Client | None:
        """Return the oldest unfinished client of a peer that has more than `limit` of them."""
        unfinished = self._unfinished.get(peer, {})
        return next(iter(unfinished)) if len(unfinished) > limit else None

    def expired(self, now: float) -> list[Client]:
        """Return the clients whose deadline has passed."""
        return [client for client in self._clients if client.deadline <= now]

    def oldest(self) -> Client | None:
        return next(iter(self._clients), None)

    def largest(self) -> Client | None:
        """Return the client that holds most bytes."""
        return max(self._clients, key=lambda client: client.held_bytes, default=None)
