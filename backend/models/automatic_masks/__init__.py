"""Automatic masks with any family that decodes points: a grid of prompts on an embedding in, distinct masks out."""
