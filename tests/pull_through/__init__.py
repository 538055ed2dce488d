"""The pull-through cache: rules, imports, what is given when the upstream is away."""
