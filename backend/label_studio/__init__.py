"""The only speakers of Label Studio: percents, control tags, brush RLE, tokens, its API."""
