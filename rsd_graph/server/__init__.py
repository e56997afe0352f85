"""RSD behind the API everybody speaks: an ASGI app, its guard, its metrics. No algorithm, no wire.

`create_app` makes the app (mount it in your own, or serve it with `rsd-graph serve`).
"""

from rsd_graph.server.admission import Admission
from rsd_graph.server.app import create_app
from rsd_graph.server.catalog import Catalog
from rsd_graph.server.guard import Access
from rsd_graph.server.options import ServerOptions

__all__ = ["Access", "Admission", "Catalog", "ServerOptions", "create_app"]
