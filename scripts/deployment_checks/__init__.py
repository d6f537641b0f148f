"""Checks of a running deployment, from the outside in, for `python -m scripts.doctor`.

Settings come in, findings with remedies go out. The last check creates a project in Label Studio and deletes it.
"""
