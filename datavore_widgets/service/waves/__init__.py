"""Sentinel-1's wave mode: level-2 OCN products, wave models' spectra beside them, and pictures of both."""
