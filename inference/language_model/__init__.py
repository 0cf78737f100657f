"""The 5 Hz language model: metadata, captions, lyrics, and songs planned as audio codes."""
