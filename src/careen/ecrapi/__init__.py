"""Amazon ECR's API (and the little of STS that its clients ask first): AWS JSON in, use case, AWS JSON out.

One file per group of operations, one function per operation, named after it; ``app.py`` lists them all.
"""
