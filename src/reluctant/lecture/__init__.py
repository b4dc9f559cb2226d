"""What is taught about rectifiers, statement by statement, as small experiments on real data."""
