"""An open table of functions and what networks with them come to, and searches replayed on it."""
