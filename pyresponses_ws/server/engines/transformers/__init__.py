"""The engine of ``transformers:DIR``: a Hugging Face model of this machine."""
