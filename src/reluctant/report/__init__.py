"""Renders what a diagnosis says, for people and for programs. Decides nothing."""
