"""The measurements of `scripts.benchmark` and their peers. Each module measures one area and returns `timing.Row`s."""
