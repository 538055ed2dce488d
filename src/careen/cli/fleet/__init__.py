"""``careen fleet``: one policy across hundreds of repositories, on Amazon ECR or on whatever speaks its API."""
