"""What Amazon ECR says: its service model, its wire format, its errors, names, pages and tag mutability.

Values and pure functions; no I/O but the one reading of botocore's service model. Only ``model``,
``parser``, ``writer``, ``constraints`` and ``wire`` need botocore: a surface that raises ECR's errors does
not pay for importing it.
"""
