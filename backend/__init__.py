"""A Label Studio ML backend: SAM answers a click with a mask, CLIP names it.

The road of a request, from the top floor down:

    POST /predict -> app -> label_studio.tasks (JSON to Task, prompts in pixels)
        -> predict -> label_studio.images (URI to bytes) -> image (bytes to upright RGB pixels)
        -> clicks (a new object, the next larger one, or a correction of a mask on the page)
        -> naming (its label and its classes)
        -> labeler -> cache (digest to ImageEmbedding; on a miss models.sam encodes)
                   -> models.sam (embedding + prompt to mask) -> models.clip (pixels + mask to class)
        -> label_studio.results (regions to Label Studio JSON) -> app -> HTTP

Imports run only downward; tests/test_architecture.py holds the table. Importing this package does nothing.
"""
