"""``careen model``."""


def model() -> None:
    """Print the folder with the service model, for AWS clients: export AWS_DATA_PATH=$(careen model)."""
    from careen.ecr.model import OWN_MODELS

    print(OWN_MODELS)
