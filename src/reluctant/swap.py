"""Puts one activation function in another's place."""
