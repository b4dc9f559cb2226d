"""Weights to begin with, for networks of any depth."""
