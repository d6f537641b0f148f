"""Parts of `scripts.report`: where the tasks come from, and the pictures of the worst regions."""
