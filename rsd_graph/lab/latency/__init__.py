"""The latency benchmark: a simulation of model servers, arms to compare, and what they measured.

The servers are simulated; the code under test (the graph, look-ahead, providers, accounting) is the
real one. Read `hardware.py` for what the simulation believes about GPUs and where that was
published, `scheduler.py` for how a server behaves, `loops.py` for what is compared.
"""
