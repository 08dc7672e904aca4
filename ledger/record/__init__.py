"""Recording: from the user's files and values to a validated, sealed, chained run."""
