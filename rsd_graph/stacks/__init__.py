"""Three models and their options in a file, and whether they are fit for RSD. Runs no graph."""
