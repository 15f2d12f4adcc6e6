"""The explorer as a web page: Voila, and the service process that its kernels ask."""
