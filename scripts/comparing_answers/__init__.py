"""What `scripts.compare_answers` does, in parts. Nothing of the project is imported here, so that whatever moves there,
the two sides are asked and judged in the same way.
"""
