"""HTTP only: parse, call one service, wrap the answer."""
