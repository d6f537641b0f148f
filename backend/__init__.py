"""A Label Studio ML backend: SAM answers a click with a mask, CLIP with a class.

A click goes through the rooms from top to bottom:

    POST /predict -> server -> label_studio.requests (JSON to a task and a request, prompts in pixels)
        -> predict -> fetching (URI to bytes) -> images (bytes to upright RGB pixels)
        -> engine -> cache (digest to embedding; on a miss models.sam encodes)
                  -> models.sam (embedding + prompt to masks) -> models.clip (pixels + mask to classes)
        -> label_studio.results (regions to Label Studio's JSON) -> HTTP

Imports run only downward; tests/test_architecture.py is the table. Importing this package does nothing.
"""
