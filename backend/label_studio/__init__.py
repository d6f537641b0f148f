"""The only speakers of Label Studio, in four rooms.

`config` reads labeling configs, `results` reads and writes regions, `requests` reads what the page sends, `api` calls
Label Studio's REST API. Percents, control tags, brush RLE and tokens stay in here; values in pixels go out.
"""
