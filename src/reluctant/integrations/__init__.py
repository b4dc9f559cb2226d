"""One file a framework; each imports it, and needs the extra of its name.

`fit` is what their callbacks have in common, and imports none.
"""
