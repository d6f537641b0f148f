"""The whole circle on one machine: Redis, the backend and Label Studio, started, filled, checked and stopped.

`processes` starts and stops programs, `places` knows folders and ports, `site` speaks to Label Studio as a person's
browser would, `targets` chooses objects to click, `stage` puts them together, `circle` is what `demo --check` proves.
"""
