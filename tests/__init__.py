"""A package, so that helper modules import each other by full name whatever else is installed."""
