"""The quest for new activation functions: a grammar, a gate, a search and an honest table."""
