"""The command `scripts.import_annotations`: its options, and what becomes predictions or annotations."""
