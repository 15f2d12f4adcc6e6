"""HTTP around any service."""
