"""The schemes there are, by name; without torch, for the command line."""

AUTO, DATA = "auto", "data"
NAMES = (AUTO, "he", "xavier", "lecun", "orthogonal", "mirrored", DATA)
