"""Fuzzer of the routes: valid requests, damaged in seeded ways, against the application on fake models.

Goal: no request of any client is answered with a status that no error class plans, which is a bug's 500. Run it with
`python -m tests.fuzzing --bodies 100000 --seed 1`; a shorter run is part of the quick tests.
"""
