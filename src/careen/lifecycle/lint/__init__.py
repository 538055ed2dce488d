"""Mistakes in lifecycle policies that ECR accepts: ``linter.lint`` finds them, ``codes`` lists them."""
