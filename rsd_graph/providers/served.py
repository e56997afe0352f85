"""What every wire and every PRM over HTTP has: a client, an address, and a server to ask about."""

from __future__ import annotations

from rsd_graph.providers.facts import ServerFacts, listed_models
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.endpoint import Endpoint


class Served:
    """A model served at one endpoint.

    Args:
        endpoint: Where.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._client = Client(endpoint)

    @property
    def endpoint(self) -> Endpoint:
        """Where the model is served."""
        return self._client.endpoint

    def __repr__(self) -> str:
        """Address, never the key."""
        return f"{type(self).__name__}({self.endpoint})"

    async def describe(self) -> ServerFacts:
        """See `Described.describe`."""
        return await listed_models(self._client)
