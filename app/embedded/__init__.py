"""Local Postgres and Valkey of one machine, and the supervision of the service's own processes."""
