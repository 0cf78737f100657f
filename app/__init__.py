"""The service: HTTP API, database, queue and storage. Importable without any model library."""
