"""SAM 2.1 and EdgeTAM through transformers: pixels and prompts in, embeddings and masks out."""
