"""A script with the same seeds untreated, treated and with a placebo: paired runs, compared.

Each run is a process of its own and an ordinary record. Imports no torch.
"""
