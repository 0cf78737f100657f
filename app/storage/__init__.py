"""Object stores for audio: a local folder, or S3."""
