"""Segment Anything: image encoder, prompt decoder and automatic masks over embeddings."""
