"""What the OCI image and distribution specifications say: names, digests, media types, manifests, error codes.

Values and pure functions. Nothing here does I/O or imports another package of Careen.
"""
