"""A script that is run again and again, and what its runs tell together.

`runner` and `reading`: with the same seeds untreated, treated and with a placebo. `sweep` and
`ladder`: for a few steps at one learning rate after another. Each run is a process of its own and
an ordinary record. Imports no torch.
"""
