"""The page: one file of HTML that shows runs from the inside, and needs no network."""
