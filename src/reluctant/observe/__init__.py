"""Watches a script while it trains, and writes what it sees to a record.

`launch`, `imports` and `session` work before the script has imported torch; everything else is
imported after.
"""
