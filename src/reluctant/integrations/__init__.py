"""One file a framework; each imports it, and needs the extra of its name."""
