"""The parts of `scripts.export`: its options, and what they build.

Options and settings come in; readers, writers and a printed summary go out.
"""
