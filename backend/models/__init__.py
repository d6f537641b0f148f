"""The only rooms that use torch: SAM and CLIP, their checkpoints and devices.

Pixels and prompts come in as numpy arrays, embeddings, candidates and class scores go out. Nothing is imported here, so
that listing model families needs no torch; import the modules themselves.
"""
