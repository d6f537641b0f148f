"""The parts of `scripts.preannotate`: its options, what it checks before it starts, and its run.

Options and settings come in; predictions in Label Studio, a ledger and a printed summary go out.
"""
