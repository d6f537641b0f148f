"""What `scripts.download_models` does: names of models → files to fetch, and the table of all models."""
