"""What storage costs."""

GIB = 2**30
"""A GB of the price. Amazon's pages do not say whether theirs is 2^30 or 10^9 bytes; 10^9 would make it 7 % more."""

DOLLARS_PER_GIB_MONTH = 0.10
"""Amazon ECR's price of standard storage in us-east-1 (aws.amazon.com/ecr/pricing); the archive costs as much for the
first 150 TB."""


def monthly_dollars(size: int, price: float = DOLLARS_PER_GIB_MONTH) -> float:
    """What so many bytes cost in a month, in US dollars.

    Args:
        size: bytes.
        price: of a GiB for a month.
    """
    return size / GIB * price


def both_homes_dollars(taken: int, archived: int, price: float, archive_price: float) -> float:
    """What bytes of which some lie in the archive's home cost in a month, in US dollars.

    Args:
        taken: bytes in both homes.
        archived: bytes of these in the archive's.
        price: of a GiB for a month.
        archive_price: the same in the archive's home.
    """
    return monthly_dollars(taken - archived, price) + monthly_dollars(archived, archive_price)
