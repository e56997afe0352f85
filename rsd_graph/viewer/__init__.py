"""What RSD did, as a page: traces in, one HTML file out. No model is asked, nothing is fetched."""

from rsd_graph.viewer.page import write_page
from rsd_graph.viewer.reading import Traces, read_traces
from rsd_graph.viewer.trace import SCHEMA, Trace

__all__ = ["SCHEMA", "Trace", "Traces", "read_traces", "write_page"]
