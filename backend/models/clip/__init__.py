"""CLIP: image and text features, zero-shot classes of masks and of whole images."""
