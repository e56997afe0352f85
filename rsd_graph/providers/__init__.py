"""The only rooms that do I/O: one file for each server's protocol.

`base.py` has the two seams, `completion.py` turns any wire into a step model, `prm/` has the reward
models, `registry.py` finds all of them by a string.
"""
