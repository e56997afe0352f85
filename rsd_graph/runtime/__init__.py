"""How the graph meets its host: LangGraph's nodes, sync callers, a run of its own. No algorithm."""
