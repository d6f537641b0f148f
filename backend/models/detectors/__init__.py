"""Detectors through transformers: pixels and texts in, boxes out."""
