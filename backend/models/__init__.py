"""The only package that uses torch: SAM and CLIP, their checkpoints and devices.

Pixels and prompts come in as numpy arrays; embeddings, candidates and class scores go out. Nothing is imported here, so
that the model families can be listed without torch; import the modules directly.
"""
