"""The demo on one machine: Redis, the backend and Label Studio are started, filled, checked and stopped.

`processes` starts and stops programs, `places` holds folders and ports, `site` is a client of Label Studio's web API,
`targets` chooses objects to click, `stage` starts everything, `circle` is the end-to-end check of `demo --check`.
"""
