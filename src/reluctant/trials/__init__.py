"""Runs of one script that differ in one thing and share their seeds, and what these show.

`reluctant trial` has a script untreated, treated and with a placebo (`runner`, `reading`);
`reluctant compare` has it with several activation functions (`contest`, `racing`, `conclusion`).
Each run is a process of its own and an ordinary record (`plan`, `processes`, `attempt`).
"""
