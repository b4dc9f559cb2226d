"""A script that is run again and again, and what its runs tell together.

`reluctant trial` has it with the same seeds untreated, treated and with a placebo (`runner`,
`reading`); `reluctant compare` with several activation functions (`contest`, `racing`,
`conclusion`); `reluctant lr` for a few steps at one learning rate after another (`sweep`,
`ladder`). Each run is a process of its own and an ordinary record (`plan`, `processes`).
Imports no torch.
"""
