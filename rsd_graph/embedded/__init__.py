"""Models that come with the package, the task they learned, and the engine that serves them.

Reading order: `task` (what they solve), `card` (how well), `engine` (how they are served).
"""
