"""Data set formats, one a file, behind one `Writer`: images with regions come in, files of a format go out.

`formats` is the registry, `writer_set` writes several formats in one pass.
"""
