"""What the wires of all servers share."""

from __future__ import annotations

from rsd_graph.providers.facts import ServerFacts, listed_models
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.endpoint import Endpoint


class Wire:
    """One server's protocol at one endpoint.

    Args:
        endpoint: Where the server is.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._client = Client(endpoint)

    @property
    def endpoint(self) -> Endpoint:
        """Where it talks to."""
        return self._client.endpoint

    async def describe(self) -> ServerFacts:
        """See `Described.describe`."""
        return await listed_models(self._client)
