"""The embedded service: answers over the user's own files, in this process."""
