"""Parts of the command `label_folder`: its options, and what they mean."""
