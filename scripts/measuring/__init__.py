"""What `scripts.benchmark` measures, and beside what. Each module measures one thing and returns `timing.Row`s."""
