"""Parts of `python -m scripts.preannotate`, each with its options."""
