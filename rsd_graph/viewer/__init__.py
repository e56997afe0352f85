"""What RSD did, as a page: traces in, one HTML file out. No model is asked, nothing is fetched."""

from rsd_graph.viewer.page import write_page
from rsd_graph.viewer.reading import Traces, is_large, read_traces
from rsd_graph.viewer.trace import SCHEMA, Trace, trace_of, written_schema

__all__ = [
    "SCHEMA",
    "Trace",
    "Traces",
    "is_large",
    "read_traces",
    "trace_of",
    "write_page",
    "written_schema",
]
