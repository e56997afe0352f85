"""Scripts that train, export and measure the language models in ``rsd_graph/embedded/models``."""
