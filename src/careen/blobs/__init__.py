"""Bytes by digest, and the uploads on their way there."""
