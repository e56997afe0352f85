"""How often the `rsd-graph` program lets Python collect garbage; the library leaves that alone."""

OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""A thousand answers in flight are millions of objects that live for seconds. At Python's usual 700
new ones it looks through them all the time; `rsd-graph bench` measures what that costs."""
