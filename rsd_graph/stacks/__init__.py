"""Three models and their options in a file, made fit for RSD and examined. Runs no graph."""
