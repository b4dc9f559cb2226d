"""What is measured, and how; dated results are in LOG.md."""
