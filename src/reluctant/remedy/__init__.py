"""What can be done about a finding while the script runs: changes a model and its optimizer."""
