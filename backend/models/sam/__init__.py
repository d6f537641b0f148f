"""Segment Anything (SAM 1): image encoder, prompt decoder and automatic masks from embeddings."""
