"""Amazon ECR Public's API: what is its own, and, in ``shared.py``, how it has the rest from ECR's."""
