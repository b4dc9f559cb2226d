"""Small real training scripts, sick and healthy, on which the diagnosis is measured."""
