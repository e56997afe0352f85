"""When RSD pays, and how to divide the GPUs: a mean-value model of published hardware.

`mean_value.py` says how fast a layout is, `layouts.py` which layouts there are, `advice.py` which
one is best and how sure that is, `servers.py` how to start it. Nothing here is a measurement.
"""
