"""Parts of `scripts.export`: its options, the data set that they describe, and the summary."""
